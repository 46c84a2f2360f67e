package snapshot_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

// Ensure what no manifest can say is refused before there is a snapshot, and that the device goes on.
func TestWhatCannotBeWrittenIsNotTaken(t *testing.T) {
	t.Parallel()
	for _, image := range []string{"boot.img~", "super (1).img", "_x.txt"} {
		w := newWorld(t, local(t))
		put(t, "boot", w.base, image)
		src := w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped)
		src.Images = append(src.Images, snapshot.File{Name: image, Size: 4, SHA256: hexOf("boot")})
		_, err := w.store.Take(t.Context(), "acme/golden", src, quietly)
		wantKind(t, err, fault.Conflict, "move it elsewhere")
		if left, _ := filepath.Glob(w.artifacts + "/snapshots/acme/*"); len(left) > 0 {
			t.Errorf("%s: left %q", image, left)
		}
	}
	w := newWorld(t, local(t))
	src := w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped)
	resumed := 0
	src.Quiet = func(context.Context) (snapshot.Quiet, error) {
		resume := func(context.Context) error { resumed++; return nil }
		return snapshot.Quiet{How: snapshot.Paused, Since: time.Now(), Sentinel: strings.Repeat("x", 257), Resume: resume}, nil
	}
	_, err := w.store.Take(t.Context(), "acme/golden", src, quietly)
	if wantKind(t, err, fault.Invalid, "sentinel"); resumed != 1 {
		t.Errorf("resumed %d times", resumed)
	}
	if left, _ := filepath.Glob(w.artifacts + "/snapshots/acme/*"); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// Ensure a removal that is killed at any step leaves no snapshot that is on this host alone and is not sent any more.
func TestAKillDuringARemoval(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for n := range 6 {
		w := c.world(local(t))
		w.save(t, w.store, "kept")
		_, err := c.store(w, &dying{Host: local(t), n: n}).Remove(t.Context(), "acme/golden")
		_, swept := w.store.Sweep(t.Context())
		must(t, swept)
		pending, failed := w.store.Pending(t.Context())
		must(t, failed)
		_, gone := os.Stat(w.artifacts + "/snapshots/acme/golden/manifest.json")
		if (gone == nil) != (len(pending) == 1) {
			t.Errorf("killed at %d: %v; it is there: %t, to be sent: %q", n, err, gone == nil, pending)
		}
	}
}

// save takes acme/golden of dev1, whose disk holds a text.
func (w *world) save(t *testing.T, store *snapshot.Store, text string) {
	t.Helper()
	_, err := store.Take(t.Context(), "acme/golden", w.source(instance(t, text, qcow2.Old, size), snapshot.Stopped), quietly)
	must(t, err)
}

// saved is what acme/golden gives a device.
func (w *world) saved(t *testing.T) string {
	t.Helper()
	dir := w.artifacts + "/snapshots/acme/golden"
	m, _, err := w.store.Read(t.Context(), dir)
	must(t, err)
	fresh := instance(t, "lost", qcow2.New, size)
	must(t, w.store.Graft(t.Context(), dir, m, fresh))
	return onDisk(t, fresh)
}

// Ensure a snapshot that was not sent is replaced by another of the same sandbox, when that is whole and not before, that a
// kill at any step leaves one of the two, which is sent, and that what was sent and what is another's stays.
func TestWhatWasNotSentIsReplaced(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.world(local(t))
	w.save(t, w.store, "kept")
	other := w.source(instance(t, "none", qcow2.Old, size), snapshot.Stopped)
	other.Sandbox = "dev2"
	_, err := w.store.Take(t.Context(), "acme/golden", other, quietly)
	wantKind(t, err, fault.Conflict, "remove it first")
	broken := w.source(instance(t, "none", qcow2.Old, size), snapshot.Stopped)
	broken.Quiet = func(context.Context) (snapshot.Quiet, error) {
		return snapshot.Quiet{}, fault.Unavailablef("no device")
	}
	_, err = w.store.Take(t.Context(), "acme/golden", broken, quietly)
	if wantKind(t, err, fault.Unavailable, "no device"); w.saved(t) != "kept" {
		t.Error("a taking that failed has changed it")
	}
	w.save(t, w.store, "late")
	if got := w.saved(t); got != "late" {
		t.Errorf("taken again it holds %q", got)
	}
	seen := map[string]bool{}
	for n := range 40 {
		w := c.world(local(t))
		w.save(t, w.store, "kept")
		src := w.source(instance(t, "late", qcow2.Old, size), snapshot.Stopped)
		_, err := c.store(w, &dying{Host: local(t), n: n}).Take(t.Context(), "acme/golden", src, quietly)
		_, swept := w.store.Sweep(t.Context())
		must(t, swept)
		got := w.saved(t)
		pending, failed := w.store.Pending(t.Context())
		if must(t, failed); len(pending) != 1 || got != "kept" && got != "late" {
			t.Errorf("killed at %d: %v; it holds %q, to be sent: %q", n, err, got, pending)
		}
		if left, _ := filepath.Glob(w.artifacts + "/snapshots/acme/.[^p]*"); len(left) > 0 {
			t.Errorf("killed at %d: left %q", n, left)
		}
		if seen[got] = true; err == nil {
			break
		}
	}
	if !seen["kept"] || !seen["late"] {
		t.Errorf("seen %v: the kills were not at every step", seen)
	}
	must(t, w.store.Push(t.Context(), "acme/golden", quietly))
	must(t, os.MkdirAll(w.artifacts+"/snapshots/acme/.push-golden", 0o755)) // as a kill leaves it behind the manifest
	_, err = w.store.Take(t.Context(), "acme/golden", w.source(instance(t, "none", qcow2.Old, size), snapshot.Stopped), quietly)
	wantKind(t, err, fault.Conflict, "in the bucket already")
}

// Ensure a manifest in the bucket that is damaged keeps its own copy from being collected, and no other.
func TestADamagedManifestKeepsItsCopyAlone(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.taken()
	_, err := w.store.Take(t.Context(), "acme/aaa", w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped), quietly)
	must(t, err)
	must(t, w.store.Push(t.Context(), "acme/aaa", quietly))
	c.put("snapshots/acme/aaa/manifest.json", "{")
	if names, err := w.store.Unused(t.Context(), 0); err != nil || len(names) != 1 || names[0] != "acme/golden" {
		t.Errorf("unused: %q, %v", names, err)
	}
}

// Ensure directories that a graft makes are the device user's, and a snapshot without its disk is neither data nor a base image.
func TestWhatAGraftMakesAndWhatHasNoDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, local(t))
	_, err := w.store.Take(t.Context(), "acme/golden", w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped), quietly)
	must(t, err)
	dir := w.artifacts + "/snapshots/acme/golden"
	m, _, err := w.store.Read(t.Context(), dir)
	must(t, err)
	fresh := instance(t, "lost", qcow2.New, size)
	must(t, os.RemoveAll(filepath.Join(fresh, "internal")))
	h := &giving{Host: local(t)}
	must(t, snapshot.New(snapshot.Options{Host: h, Artifacts: w.artifacts}).Graft(t.Context(), dir, m, fresh))
	if !h.given[filepath.Join(fresh, "internal")] {
		t.Errorf("given to the device user: %v", h.given)
	}
	if saved, err := w.store.HasData(t.Context(), dir); err != nil || !saved {
		t.Errorf("whole: %t, %v", saved, err)
	}
	if saved, err := w.store.HasData(t.Context(), w.base); err != nil || saved {
		t.Errorf("a base image: %t, %v", saved, err)
	}
	must(t, os.Remove(dir+"/instance_data/overlay.img"))
	_, err = w.store.HasData(t.Context(), dir)
	wantKind(t, err, fault.Invalid, "has lost its disk")
}

// giving notes what is given to the device user.
type giving struct {
	host.Host
	given map[string]bool
}

func (g *giving) GiveToDeviceUser(ctx context.Context, p string) error {
	if g.given == nil {
		g.given = map[string]bool{}
	}
	g.given[p] = true
	return g.Host.GiveToDeviceUser(ctx, p)
}
