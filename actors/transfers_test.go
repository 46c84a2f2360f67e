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
		if wantKind(r.T, err, fault.Unavailable); d.captures != 2 {
			r.Errorf("asked again: %d captures", d.captures)
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
			!slices.Equal(r.host.bucket.bucket, []string{name}) || !slices.Equal(r.host.bucket.settled, []string{name, name}) {
			r.Errorf("afterwards %+v, %d captures, bucket %q, settled %q", b, r.host.device("a").captures, r.host.bucket.bucket,
				r.host.bucket.settled)
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
	sharing(t, func(h *fakeHost) {
		h.bucket.bucket = []string{"acme/golden"}
		h.bucket.claimed = []string{"acme/sent"}
	}, func(r *rig) {
		_, err := r.ask(messages.RemoveSnapshot{Name: "acme/sent", Everywhere: true})
		wantKind(r.T, err, fault.Conflict)
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

// Ensure a create has what is missing of its snapshot fetched, by its name and by a reference that leads to it, and fails
// where that cannot be had; and that one of a snapshot that is whole waits for no transfer.
func TestACreateOfWhatLacksSomething(t *testing.T) {
	sharing(t, func(h *fakeHost) {
		for _, name := range []string{"acme/golden", "acme/lost", "acme/whole", "r/p/base:1"} {
			h.images.add(name)
		}
		h.images.leads = map[string]string{"r/p/base:1": "acme/golden"}
		h.bucket.bucket = []string{"acme/golden", "acme/x", "acme/y"}
		h.bucket.damaged = []string{"acme/golden", "acme/lost"}
	}, func(r *rig) {
		create := func(id sandbox.ID, name string) error {
			_, err := r.ask(messages.CreateSandbox{ID: id, Spec: sandbox.Spec{Snapshot: name}})
			return err
		}
		if err := create("b", "r/p/base:1"); err != nil || r.host.bucket.pulls != 1 || r.host.images.links != 1 {
			r.Errorf("%v, %d pulls, %d links", err, r.host.bucket.pulls, r.host.images.links)
		}
		wantKind(r.T, create("c", "acme/lost"), fault.NotFound)
		r.later(messages.PullSnapshot{Source: "acme/x", Ref: "acme/x"})
		r.later(messages.PullSnapshot{Source: "acme/y", Ref: "acme/y"})
		time.Sleep(time.Minute)
		begun := time.Now()
		if err := create("c", "acme/whole"); err != nil || time.Since(begun) > 3*time.Minute {
			r.Errorf("%v, after %s", err, time.Since(begun))
		}
	})
}

// Ensure nothing is done with a snapshot while it is removed, whatever it is called, and that it is not removed while
// something is done with it.
func TestARemovalIsAlone(t *testing.T) {
	sharing(t, func(h *fakeHost) {
		h.bucket.removeTime = time.Minute
		h.bucket.bucket = []string{"acme/far", "backups/backup-a_1"}
	}, func(r *rig) {
		removed := r.later(messages.RemoveSnapshot{Name: "r/p/backup-a:1", Everywhere: true})
		time.Sleep(time.Second)
		_, err := r.ask(messages.BackUpSandbox{ID: "a", Ref: "q/backup-a:1"}) // another name of the same
		wantKind(r.T, err, fault.Conflict)
		_, err = r.ask(messages.PullSnapshot{Source: "q/backup-a:1", Ref: "r/p/mine:2"})
		wantKind(r.T, err, fault.Conflict)
		_, err = r.ask(messages.RemoveSnapshot{Name: "backups/backup-a_1"})
		wantKind(r.T, err, fault.Conflict)
		if p := r.progress("r/p/backup-a:1"); p.Work != "remove" {
			r.Errorf("meanwhile: %+v", p)
		}
		again := r.later(messages.RemoveSnapshot{Name: "r/p/backup-a:1", Everywhere: true})
		for _, answer := range []func() (any, error){removed, again} {
			if _, err := answer(); err != nil {
				r.Error(err)
			}
		}
		if got := r.host.bucket.removed; !slices.Equal(got, []string{"backups/backup-a_1"}) {
			r.Errorf("removed %q", got)
		}
		pulled := r.later(messages.PullSnapshot{Source: "acme/far", Ref: "r/p/far:1"})
		time.Sleep(2 * time.Minute)
		_, err = r.ask(messages.RemoveSnapshot{Name: "acme/far"})
		wantKind(r.T, err, fault.Conflict)
		if _, err := pulled(); err != nil {
			r.Error(err)
		}
		r.mustAsk(messages.RemoveSnapshot{Name: "acme/far"})
	})
}

// Ensure the data of no more than two sandboxes are saved at a time, and what is sent later is settled as well.
func TestTakingsTakeTurns(t *testing.T) {
	sharing(t, func(h *fakeHost) {
		h.bucket.shared = false
		for i, id := range []sandbox.ID{"b", "c"} {
			running(h, id, sandbox.Instance(i+2))
			h.device(id).captureTime = time.Minute
			h.images.add("acme/" + string(id))
		}
		h.images.add("acme/golden")
	}, func(r *rig) {
		answers := []func() (any, error){
			r.later(take), r.later(messages.TakeSnapshot{ID: "b", Name: "acme/b"}), r.later(messages.TakeSnapshot{ID: "c", Name: "acme/c"}),
		}
		time.Sleep(30 * time.Second)
		captures := 0
		for _, id := range []sandbox.ID{"a", "b", "c"} {
			r.host.device(id).set(func(d *fakeDevice) { captures += d.captures })
		}
		if captures != 2 {
			r.Errorf("%d at a time", captures)
		}
		for _, answer := range answers {
			if _, err := answer(); err != nil {
				r.Error(err)
			}
		}
	})
	sharing(t, func(h *fakeHost) { h.bucket.pending = []string{"backups/backup-z_1"} }, func(r *rig) {
		time.Sleep(time.Hour)
		if got := r.host.bucket.settled; !slices.Equal(got, []string{"backups/backup-z_1"}) {
			r.Errorf("settled %q", got)
		}
	})
}
