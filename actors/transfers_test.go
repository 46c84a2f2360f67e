package actors_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// sharing runs a test on a host with a bucket and one running device, whose capture takes a minute.
func sharing(t *testing.T, prepare func(*fakeHost), test func(*rig)) {
	t.Helper()
	inBubble(t, func(h *fakeHost) {
		running(h, "a", 1)
		h.device("a").captureTime = time.Minute
		h.bucket.shared = true
		if prepare != nil {
			prepare(h)
		}
	}, func(r *rig) {
		r.wantState("a", sandbox.Started)
		test(r)
	})
}

func (r *rig) progress(name string) messages.SnapshotProgress {
	r.Helper()
	return r.mustAsk(messages.GetSnapshotProgress{Name: name}).(messages.SnapshotProgress)
}

// Ensure a snapshot is sent to the bucket before it is said to be taken, that how far it is is told meanwhile and afterwards,
// in the tree as well, and that no other work gets at the name.
func TestASnapshotIsSent(t *testing.T) {
	sharing(t, func(h *fakeHost) { h.images.add("acme/golden") }, func(r *rig) {
		done := r.later(take)
		time.Sleep(7 * time.Minute)
		p := r.progress("acme/golden")
		if p.Work != "take" || p.Source != "sandbox a" || p.Step != "upload" || p.Done != 1<<29 || p.Rate == 0 || p.Left == 0 || !p.Ended.IsZero() {
			r.Errorf("meanwhile: %+v", p)
		}
		if fact := r.node("root/snapshots").Facts["take.acme/golden"]; !strings.Contains(fact, "upload, 512 of 1024 MiB, ") || !strings.HasSuffix(fact, " left") {
			r.Errorf("the tree shows %q", fact)
		}
		_, err := r.ask(messages.RemoveSnapshot{Name: "acme/golden"})
		wantKind(r.T, err, fault.Conflict)
		halted := take
		halted.Halt = true
		_, err = r.ask(halted)
		wantKind(r.T, err, fault.Conflict) // it is not what is being done
		if _, err := done(); err != nil || !slices.Equal(r.host.bucket.bucket, []string{"acme/golden"}) {
			r.Errorf("%v; the bucket has %q", err, r.host.bucket.bucket)
		}
		if p := r.progress("acme/golden"); p.Ended.IsZero() || p.Failure != "" || p.Moved == 0 {
			r.Errorf("afterwards: %+v", p)
		}
		time.Sleep(11 * time.Minute)
		_, err = r.ask(messages.GetSnapshotProgress{Name: "acme/golden"})
		wantKind(r.T, err, fault.NotFound)
	})
}

// Ensure a snapshot that could not be sent is a failure that says where it is, and is sent later without being asked for; that
// one which is asked for again is taken anew; and that what an earlier runner left is sent.
func TestWhatCouldNotBeSent(t *testing.T) {
	sharing(t, func(h *fakeHost) {
		h.images.add("acme/golden")
		h.images.add("acme/old")
		h.bucket.pending = []string{"acme/old"}
		h.bucket.err = fault.Unavailablef("no S3")
	}, func(r *rig) {
		d := r.host.device("a")
		_, err := r.ask(take)
		if wantKind(r.T, err, fault.Unavailable); !strings.Contains(err.Error(), "is saved on this host, and will be sent again") {
			r.Errorf("failed with %v", err)
		}
		_, err = r.ask(take)
		if wantKind(r.T, err, fault.Unavailable); d.captures != 2 || !slices.Contains(r.host.bucket.removed, "acme/golden") {
			r.Errorf("asked again: %d captures, removed %q", d.captures, r.host.bucket.removed)
		}
		time.Sleep(10 * time.Minute)
		if fact := r.node("root/snapshots").Facts["bucket"]; !strings.Contains(fact, "no S3") {
			r.Errorf("the tree shows of the bucket %q", fact)
		}
		r.host.bucket.mu.Lock()
		r.host.bucket.err = nil
		r.host.bucket.mu.Unlock()
		time.Sleep(time.Hour)
		if fact, shown := r.node("root/snapshots").Facts["bucket"]; shown {
			r.Errorf("an hour later the tree shows of the bucket %q", fact)
		}
		if got := r.host.bucket.bucket; !slices.Contains(got, "acme/golden") || !slices.Contains(got, "acme/old") || len(got) != 2 {
			r.Errorf("an hour later the bucket has %q", got)
		}
	})
}

// Ensure no more than two transfers use the network at a time, and those that wait say so.
func TestTransfersTakeTurns(t *testing.T) {
	sharing(t, func(h *fakeHost) {
		for i := range 4 {
			h.bucket.bucket = append(h.bucket.bucket, fmt.Sprintf("acme/s%d", i))
		}
	}, func(r *rig) {
		var answers []func() (any, error)
		for _, name := range slices.Clone(r.host.bucket.bucket) {
			answers = append(answers, r.later(messages.PullSnapshot{Source: name, Ref: name}))
		}
		time.Sleep(2 * time.Minute)
		waiting := 0
		for _, name := range r.host.bucket.bucket {
			if r.progress(name).Step == "wait for other transfers" {
				waiting++
			}
		}
		if waiting != 2 {
			r.Errorf("%d wait", waiting)
		}
		for _, answer := range answers {
			if _, err := answer(); err != nil {
				r.Error(err)
			}
		}
		if r.host.bucket.most != 2 {
			r.Errorf("%d at a time", r.host.bucket.most)
		}
	})
}

// Ensure a create fetches its snapshot when this host has it not, once for all who want it, says so meanwhile, and is
// refused when nobody has it; and that an inspection looks into the bucket.
func TestACreateFetchesItsSnapshot(t *testing.T) {
	sharing(t, func(h *fakeHost) { h.bucket.bucket = []string{"acme/far", "backups/backup-z_1"} }, func(r *rig) {
		from := func(id sandbox.ID, snapshot string) messages.CreateSandbox {
			return messages.CreateSandbox{ID: id, Spec: sandbox.Spec{Snapshot: snapshot}}
		}
		b, c := r.later(from("b", "acme/far")), r.later(from("c", "acme/far"))
		time.Sleep(time.Minute)
		if info := r.info("b"); info.State != sandbox.Creating || !strings.Contains(info.Reason, "its snapshot is fetched") {
			r.Errorf("meanwhile %s (%s)", info.State, info.Reason)
		}
		for _, answer := range []func() (any, error){b, c} {
			if _, err := answer(); err != nil {
				r.Error(err)
			}
		}
		if r.host.bucket.pulls != 1 {
			r.Errorf("%d pulls", r.host.bucket.pulls)
		}
		_, err := r.ask(from("d", "acme/nowhere"))
		wantKind(r.T, err, fault.NotFound)
		r.wantState("d", sandbox.Destroyed)
		if _, err := r.ask(from("d", "h/p/backup-z:1")); err != nil {
			r.Errorf("from a backup: %v", err)
		}
		for ref, want := range map[string]string{"acme/far": "def", "h/p/backup-z:1": "def"} {
			got, err := r.ask(messages.InspectSnapshot{Name: ref})
			if err != nil || got.(sandbox.Image).Hash != want {
				r.Errorf("inspect %s: %v, %v", ref, got, err)
			}
		}
		_, err = r.ask(messages.InspectSnapshot{Name: "acme/nowhere"})
		wantKind(r.T, err, fault.NotFound)
	})
}

// Ensure a backup is in the bucket and nowhere else when it is told to be, that its sandbox is used on and tells of it, and
// that repeating it is success; and that without a bucket it is refused.
func TestBackUp(t *testing.T) {
	backup := messages.BackUpSandbox{ID: "a", Ref: "h/p/backup-a:1"}
	sharing(t, nil, func(r *rig) {
		done := r.later(backup)
		synctest.Wait()
		if b := r.info("a").Backup; b.State != sandbox.BackupInProgress || b.Ref != backup.Ref {
			r.Errorf("meanwhile %+v", b)
		}
		if _, err := r.ask(messages.AttachSandbox{ID: "a"}); err != nil {
			r.Errorf("attach: %v", err)
		}
		_, err := r.ask(messages.BackUpSandbox{ID: "a", Ref: "h/p/backup-a:2"})
		wantKind(r.T, err, fault.Conflict)
		_, err = r.ask(messages.BeginBackUp{ID: "a", Ref: "h/p/backup-a:2"})
		wantKind(r.T, err, fault.Conflict)
		_, err = r.ask(messages.RemoveSnapshot{Name: backup.Ref})
		wantKind(r.T, err, fault.Conflict)
		if p := r.progress(backup.Ref); p.Work != "back up" {
			r.Errorf("by its reference it is told: %+v", p)
		}
		if _, err := done(); err != nil {
			r.Error(err)
		}
		r.mustAsk(backup)
		const name = "backups/backup-a_1"
		if b := r.info("a").Backup; b.State != sandbox.BackupCompleted || r.host.device("a").captures != 1 ||
			!slices.Equal(r.host.bucket.bucket, []string{name}) || !slices.Contains(r.host.bucket.removed, name) || !slices.Equal(r.host.bucket.pruned, []string{name}) {
			r.Errorf("afterwards %+v, %d captures, bucket %q, removed %q, pruned %q", b, r.host.device("a").captures, r.host.bucket.bucket,
				r.host.bucket.removed, r.host.bucket.pruned)
		}
		r.mustAsk(messages.BeginBackUp{ID: "a", Ref: "h/p/backup-a:2"})
		r.host.bucket.mu.Lock()
		r.host.bucket.err = fault.Unavailablef("no S3")
		r.host.bucket.mu.Unlock()
		time.Sleep(20 * time.Minute)
		if b := r.info("a").Backup; b.State != sandbox.BackupFailed || !strings.Contains(b.Failure, "no S3") {
			r.Errorf("a failed one: %+v", b)
		}
		_, err = r.ask(messages.BackUpSandbox{ID: "nobody", Ref: "h/p/backup-b:1"})
		wantKind(r.T, err, fault.NotFound)
	})
	saving(t, func(r *rig, _ *fakeDevice) {
		_, err := r.ask(backup)
		wantKind(r.T, err, fault.Unsupported)
		if b := r.info("a").Backup; b.State != sandbox.BackupFailed || !strings.Contains(b.Failure, "AWS_DEFAULT_BUCKET") {
			r.Errorf("without a bucket: %+v", b)
		}
	})
}

// Ensure a removal leaves what other runners need, unless that is asked for as well.
func TestRemovals(t *testing.T) {
	sharing(t, func(h *fakeHost) { h.bucket.bucket = []string{"acme/golden"} }, func(r *rig) {
		r.mustAsk(messages.RemoveSnapshot{Name: "acme/golden"})
		r.mustAsk(messages.RemoveSnapshot{Name: "android-LATEST", Everywhere: true})
		if got := r.host.bucket; !slices.Equal(got.bucket, []string{"acme/golden"}) || !slices.Equal(got.removed, []string{"acme/golden"}) {
			r.Errorf("the bucket has %q, removed %q", got.bucket, got.removed)
		}
		r.mustAsk(messages.RemoveSnapshot{Name: "acme/golden", Everywhere: true})
		if len(r.host.bucket.bucket) != 0 {
			r.Errorf("the bucket has %q", r.host.bucket.bucket)
		}
	})
}

// Ensure a job of a backup does not hold up the others of its sandbox.
func TestABackupIsDoneBeside(t *testing.T) {
	inBubble(t, func(h *fakeHost) {
		running(h, "a", 1)
		h.bucket.shared, h.queue = true, newFakeQueue()
	}, func(r *rig) {
		r.host.queue.order(
			messages.Job{ID: "1", Type: "CREATE_BACKUP", Subject: "a", Aside: true, Limit: time.Hour, Command: messages.BackUpSandbox{ID: "a", Ref: "h/p/backup-a:1"}},
			messages.Job{ID: "2", Type: "CREATE_BACKUP", Subject: "a", Aside: true, Limit: time.Hour, Command: messages.BackUpSandbox{ID: "a", Ref: "h/p/backup-a:2"}},
		)
		time.Sleep(time.Minute)
		r.host.queue.order(stopJob("3", "a"))
		time.Sleep(5 * time.Minute)
		r.wantState("a", sandbox.Stopped)
		time.Sleep(time.Hour)
		if got := r.host.bucket.bucket; len(got) != 2 {
			r.Errorf("the bucket has %q", got)
		}
	})
}

// Ensure copies that nobody uses are only named, unless their removal is asked for.
func TestCollection(t *testing.T) {
	for _, remove := range []bool{false, true} {
		sharing(t, func(h *fakeHost) {
			h.bucket.unused = []string{"acme/old"}
			h.collect = actors.Collection{After: 24 * time.Hour, Remove: remove}
		}, func(r *rig) {
			time.Sleep(time.Minute)
			if got := r.host.bucket.removed; slices.Equal(got, []string{"acme/old"}) != remove || len(got) > 1 {
				r.Errorf("remove %v: removed %q", remove, got)
			}
			if fact := r.node("root/snapshots").Facts["unused"]; (fact == "acme/old") == remove {
				r.Errorf("remove %v: the tree shows %q", remove, fact)
			}
		})
	}
}

// Ensure a sandbox is stopped for its snapshot where that is asked for, and runs again afterwards, also when it fails.
func TestASandboxIsHaltedForItsSnapshot(t *testing.T) {
	halted := messages.TakeSnapshot{ID: "a", Name: "acme/golden", Halt: true}
	for _, fails := range []bool{false, true} {
		sharing(t, func(h *fakeHost) { h.images.add("acme/golden") }, func(r *rig) {
			d := r.host.device("a")
			if fails {
				d.set(func(d *fakeDevice) { d.panics = "capture" })
			}
			done := r.later(halted)
			time.Sleep(30 * time.Second)
			if info := r.info("a"); !fails && info.State != sandbox.Stopped {
				r.Errorf("meanwhile %s", info.State)
			}
			if _, err := done(); (err != nil) != fails {
				r.Errorf("ended with %v", err)
			}
			r.wantState("a", sandbox.Started)
		})
	}
}

// Ensure a sandbox is made from a snapshot that is still on its way to the bucket.
func TestASandboxOfWhatIsBeingSent(t *testing.T) {
	sharing(t, func(h *fakeHost) { h.images.add("acme/golden") }, func(r *rig) {
		done := r.later(take)
		time.Sleep(3 * time.Minute)
		if _, err := r.ask(messages.CreateSandbox{ID: "b", Spec: sandbox.Spec{Snapshot: "acme/golden"}}); err != nil {
			r.Errorf("create: %v", err)
		}
		if _, err := done(); err != nil {
			r.Error(err)
		}
	})
}
