package snapshot_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

// meeting is a host on which something happens before a file is opened to be sent.
type meeting struct {
	host.Host
	at string
	do func()
}

func (m *meeting) Open(ctx context.Context, file string) (host.Reader, error) {
	if strings.HasSuffix(file, m.at) && m.do != nil {
		do := m.do
		m.do = nil
		do()
	}
	return m.Host.Open(ctx, file)
}

// wantInBucket fails unless a host that has nothing gets acme/golden with that text from the bucket, and nothing else is there.
func (c *cloud) wantInBucket(t *testing.T, text string) {
	t.Helper()
	w := c.world(local(t))
	must(t, w.store.Pull(t.Context(), "acme/golden", quietly))
	if got := w.saved(t); got != text {
		t.Errorf("the bucket's holds %q, want %q", got, text)
	}
	if keys := c.keys(); slices.ContainsFunc(keys, func(k string) bool { return strings.HasSuffix(k, ".claim") }) {
		t.Errorf("left in the bucket: %q", keys)
	}
}

// Ensure of two hosts that send a snapshot of one name one does, and the other is told; that nobody
// removes what is on its way; and that nothing of a sending is left behind it.
func TestTwoHostsSendOneName(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	meet := &meeting{Host: local(t), at: "sdcard.img"}
	here, there := c.world(meet), c.world(local(t))
	here.save(t, here.store, "kept")
	there.save(t, there.store, "late")

	meet.do = func() {
		wantKind(t, there.store.Push(t.Context(), "acme/golden", quietly), fault.Conflict, "another runner sends a snapshot of that name, of sandbox dev1")
		wantKind(t, there.store.RemoveRemote(t.Context(), "acme/golden"), fault.Conflict, "remove it when that has ended")
	}
	must(t, here.store.Push(t.Context(), "acme/golden", quietly))
	wantKind(t, there.store.Push(t.Context(), "acme/golden", quietly), fault.Conflict, "has another snapshot of that name")
	c.wantInBucket(t, "kept")
	must(t, here.store.RemoveRemote(t.Context(), "acme/golden"))
	must(t, there.store.Push(t.Context(), "acme/golden", quietly))
	c.wantInBucket(t, "late")
}

// Ensure a claim of a sending that nobody goes on with is taken over after some hours, with its objects, and not before.
func TestAClaimThatIsLeft(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.world(local(t))
	w.save(t, w.store, "kept")
	claim := func(since time.Time) {
		c.put("snapshots/acme/golden/.claim", `{"sender":"gone","manifest":"00","sourceSandbox":"dev9","since":"`+since.UTC().Format(time.RFC3339)+`"}`)
	}
	claim(time.Now().Add(-3 * time.Hour))
	wantKind(t, w.store.Push(t.Context(), "acme/golden", quietly), fault.Conflict, "of sandbox dev9")
	claim(time.Now().Add(-5 * time.Hour))
	c.put("snapshots/acme/golden/instance_data/sdcard.img", "of dev9")
	must(t, w.store.Push(t.Context(), "acme/golden", quietly))
	c.wantInBucket(t, "kept")
	must(t, w.store.RemoveRemote(t.Context(), "acme/golden"))
	claim(time.Now().Add(-5 * time.Hour))
	must(t, w.store.RemoveRemote(t.Context(), "acme/golden"))
	c.put("snapshots/acme/golden/.claim", "not ours to read")
	must(t, w.store.Push(t.Context(), "acme/golden", quietly))
	c.wantInBucket(t, "kept")
}

// Ensure a half-sent snapshot that is removed where it was taken leaves nothing in the bucket that blocks its name.
func TestARemovalOfWhatIsHalfSent(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.world(local(t))
	w.save(t, w.store, "kept")
	ctx, cancel := context.WithCancel(t.Context())
	store := c.store(w, &meeting{Host: local(t), at: "metadata.img", do: cancel})
	if err := store.Push(ctx, "acme/golden", quietly); err == nil {
		t.Fatal("it was sent")
	}
	if removed, err := store.Remove(t.Context(), "acme/golden"); err != nil || !removed {
		t.Errorf("removed: %t, %v", removed, err)
	}
	if keys := c.keys(); len(keys) > 0 {
		t.Errorf("left in the bucket: %q", keys)
	}
}

// Ensure what a sending left that nobody went on with for days is removed from the bucket, with its claim; that of one whose
// manifest came only the claim is; and that a sending of today is left alone.
func TestOrphansInTheBucket(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.taken()
	long := time.Now().Add(-49 * time.Hour)
	for _, name := range []string{"acme/golden", "acme/left", "acme/today"} {
		c.put("snapshots/"+name+"/.claim", `{"sender":"gone"}`)
		c.put("snapshots/"+name+"/super.img", "super")
		if name != "acme/today" {
			must(t, os.Chtimes(filepath.Join(c.server.Dir, "snapshots", name, ".claim"), long, long))
		}
	}
	_, err := w.store.Tidy(t.Context())
	must(t, err)
	keys := c.keys()
	for key, want := range map[string]bool{
		"snapshots/acme/golden/.claim": false, "snapshots/acme/golden/super.img": true, "snapshots/acme/golden/manifest.json": true,
		"snapshots/acme/left/.claim": false, "snapshots/acme/left/super.img": false,
		"snapshots/acme/today/.claim": true, "snapshots/acme/today/super.img": true,
	} {
		if slices.Contains(keys, key) != want {
			t.Errorf("%s is there: %t", key, !want)
		}
	}
}

// Ensure what has changed since it was taken is not sent as what it was, also where the bucket has that already.
func TestWhatHasChangedIsNotSent(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]func(w *world) string{
		"a base image":  func(w *world) string { return w.base + "/super.img" },
		"a saved file":  func(w *world) string { return w.artifacts + "/snapshots/acme/second/instance_data/sdcard.img" },
		"a saved disk":  func(w *world) string { return w.artifacts + "/snapshots/acme/second/instance_data/overlay.img" },
		"a small image": func(w *world) string { return w.base + "/boot.img" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			w := c.taken()
			_, err := w.store.Take(t.Context(), "acme/second", w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped), quietly)
			must(t, err)
			was := read(t, file(w))
			must(t, os.WriteFile(file(w), []byte(strings.ToUpper(was[:4])+was[4:]), 0o600))
			err = w.store.Push(t.Context(), "acme/second", quietly)
			wantKind(t, err, fault.Conflict, filepath.Base(file(w)))
			if _, err := w.store.Remote(t.Context(), "acme/second"); !fault.Is(err, fault.NotFound) {
				t.Errorf("the bucket has it: %v", err)
			}
		})
	}
}

// Ensure the copy of a backup stays here where the bucket's is not whole.
func TestABackupThatIsNotWholeInTheBucket(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.world(local(t))
	const name = "backups/backup-dev1_1"
	_, err := w.store.Take(t.Context(), name, w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped), quietly)
	must(t, err)
	must(t, w.store.Push(t.Context(), name, quietly))
	c.put("snapshots/"+name+"/instance_data/overlay.img", "another program's")
	_, err = w.store.SettleBackup(t.Context(), name)
	must(t, err)
	if _, err := os.Stat(w.artifacts + "/snapshots/" + name); err != nil {
		t.Errorf("the only good copy is removed: %v", err)
	}
}
