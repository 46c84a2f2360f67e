package snapshot_test

import (
	"context"
	"errors"
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

// wantWhole fails unless acme/golden is whole, or not.
func (w *world) wantWhole(t *testing.T, want bool) {
	t.Helper()
	if whole, err := w.store.Use(t.Context(), "acme/golden"); err != nil || whole != want {
		t.Errorf("whole: %t, %v; want %t", whole, err, want)
	}
}

// Ensure a base image in the place of another is noticed whatever its times say and however it came there, and is put right.
func TestBaseImagesAreToldByWhatIsInThem(t *testing.T) {
	t.Parallel()
	old := time.Now().Add(-24 * time.Hour)
	for name, spoil := range map[string]func(w *world, link string){
		"one of an older time": func(w *world, _ string) {
			must(t, os.Chtimes(put(t, "SUPER", w.base, "super.img"), old, old))
		},
		"one with the time of the first": func(w *world, _ string) {
			was, err := os.Stat(w.base + "/super.img")
			must(t, err)
			must(t, os.Chtimes(put(t, "SUPER", w.base, "super.img"), was.ModTime(), was.ModTime()))
		},
		"a file instead of the link": func(_ *world, link string) {
			must(t, os.Remove(link))
			must(t, os.Chtimes(put(t, "SUPER", link), old, old))
		},
		"a directory instead of the link": func(_ *world, link string) {
			must(t, os.Remove(link))
			must(t, os.Mkdir(link, 0o755))
		},
		"none": func(w *world, _ string) { must(t, os.Remove(w.base+"/super.img")) },
	} {
		w := newCloud(t).taken()
		w.wantWhole(t, true)
		link := w.artifacts + "/snapshots/acme/golden/super.img"
		spoil(w, link)
		t.Run(name, func(t *testing.T) {
			w.wantWhole(t, false)
			must(t, w.store.Pull(t.Context(), "acme/golden", quietly))
			if got := read(t, link); got != "super" {
				t.Errorf("it holds %q", got)
			}
			w.wantWhole(t, true)
		})
	}
}

// Ensure an image that came from the bucket is not taken for what its name says once somebody has written to it.
func TestAKeptImageIsReadAgain(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.taken()
	there := c.world(local(t))
	put(t, "another", there.base, "super.img")
	must(t, there.store.Pull(t.Context(), "acme/golden", quietly))
	put(t, "SUPER", there.artifacts, ".images", hexOf("super"))
	there.wantWhole(t, false)
	must(t, there.store.Pull(t.Context(), "acme/golden", quietly))
	if got := read(t, there.artifacts, "snapshots/acme/golden/super.img"); got != "super" {
		t.Errorf("it holds %q", got)
	}
}

// Ensure files that a snapshot has lost, or that are not what they were, are fetched again where the bucket has the same snapshot, and missed aloud elsewhere.
func TestLostFilesAreFetchedAgain(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.taken()
	dir := w.artifacts + "/snapshots/acme/golden/"
	lose := func() {
		must(t, errors.Join(os.Remove(dir+"instance_data/overlay.img"), os.RemoveAll(dir+"instance_data/internal"),
			os.WriteFile(dir+"instance_data/NVChip", []byte("short"), 0o600), os.WriteFile(dir+"instance_data/sdcard.img", []byte("sd lost"), 0o600)))
	}
	lose()
	w.wantWhole(t, false)
	must(t, w.store.Pull(t.Context(), "acme/golden", quietly))
	w.wantWhole(t, true)
	if got := w.saved(t); got != "kept" || read(t, dir, "instance_data/NVChip") != "tpm kept" || read(t, dir, "instance_data/sdcard.img") != "sd kept" {
		t.Errorf("it holds %q", got)
	}
	if left, _ := filepath.Glob(w.artifacts + "/snapshots/acme/.*"); len(left) > 0 {
		t.Errorf("left %q", left)
	}
	lose()
	must(t, w.store.RemoveRemote(t.Context(), "acme/golden"))
	wantKind(t, w.store.Pull(t.Context(), "acme/golden", quietly), fault.Conflict, "cannot be fetched again")
}

// Ensure what stands in the place of a snapshot's directories or manifest is put right too, and that what is left of a snapshot
// can be removed.
func TestASnapshotWithoutAManifest(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(dir string) error{
		"a damaged manifest": func(dir string) error { return os.WriteFile(dir+"/manifest.json", []byte("{"), 0o600) },
		"no manifest":        func(dir string) error { return os.Remove(dir + "/manifest.json") },
		"a file instead of a directory": func(dir string) error {
			return errors.Join(os.RemoveAll(dir+"/instance_data/internal"), os.WriteFile(dir+"/instance_data/internal", nil, 0o600))
		},
		"a link instead of a directory": func(dir string) error {
			return errors.Join(os.RemoveAll(dir+"/../.elsewhere"), os.Rename(dir+"/instance_data", dir+"/../.elsewhere"), os.Symlink("../.elsewhere", dir+"/instance_data"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCloud(t).taken()
			dir := w.artifacts + "/snapshots/acme/golden"
			must(t, spoil(dir))
			w.wantWhole(t, false)
			must(t, w.store.Pull(t.Context(), "acme/golden", quietly))
			w.wantWhole(t, true)
			if got := w.saved(t); got != "kept" {
				t.Errorf("it holds %q", got)
			}
			must(t, spoil(dir))
			must(t, w.store.RemoveRemote(t.Context(), "acme/golden"))
			if err := w.store.Pull(t.Context(), "acme/golden", quietly); !fault.Is(err, fault.Conflict) {
				t.Errorf("without the bucket's: %v", err)
			}
			if removed, err := w.store.Remove(t.Context(), "acme/golden"); err != nil || !removed {
				t.Errorf("removed: %t, %v", removed, err)
			}
			if _, err := os.Lstat(dir); err == nil {
				t.Error("it is still there")
			}
		})
	}
}

// Ensure a snapshot that was never sent and has lost its manifest is not taken for one that can be fetched, and that one which
// differs from the bucket's is not mended from that.
func TestWhatTheBucketCannotMend(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w, other := c.world(local(t)), c.world(local(t))
	w.save(t, w.store, "kept")
	other.save(t, other.store, "late")
	must(t, other.store.Push(t.Context(), "acme/golden", quietly))
	dir := w.artifacts + "/snapshots/acme/golden"
	must(t, os.Remove(dir+"/instance_data/NVChip"))
	wantKind(t, w.store.Pull(t.Context(), "acme/golden", quietly), fault.Conflict, "the bucket has another snapshot of that name")
	manifest := read(t, dir, "manifest.json")
	put(t, strings.Replace(manifest, `"formatVersion": 1`, `"formatVersion": 2`, 1), dir, "manifest.json")
	wantKind(t, w.store.Pull(t.Context(), "acme/golden", quietly), fault.Invalid, "use a newer one")
	must(t, os.Remove(dir+"/manifest.json"))
	wantKind(t, w.store.Pull(t.Context(), "acme/golden", quietly), fault.Conflict, "was not sent")
	if _, err := os.Stat(dir + "/instance_data/overlay.img"); err != nil {
		t.Error(err)
	}
}

// Ensure in the specification's other directory nothing is changed: what is wrong there is said.
func TestTheOtherDirectoryIsNotMended(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.taken()
	other := filepath.Join(filepath.Dir(w.artifacts), "snapshots", "acme")
	must(t, os.MkdirAll(other, 0o755))
	must(t, os.Rename(w.artifacts+"/snapshots/acme/golden", filepath.Join(other, "golden")))
	w.wantWhole(t, true)
	if removed, err := w.store.Sweep(t.Context()); err != nil || len(removed) != 0 {
		t.Errorf("swept %q, %v", removed, err)
	}
	put(t, "SUPER", w.base, "super.img")
	w.wantWhole(t, false)
	wantKind(t, w.store.Pull(t.Context(), "acme/golden", quietly), fault.Conflict, "super.img of it is not what its manifest says")
	if target, err := os.Readlink(filepath.Join(other, "golden", "super.img")); err != nil || target != w.base+"/super.img" {
		t.Errorf("its link leads to %q, %v", target, err)
	}
}

// Ensure a copy is not unused while the bucket's lacks something, and that one which was used meanwhile is not removed.
func TestWhatIsUsedMeanwhileStays(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.taken()
	long := time.Now().Add(-2 * time.Hour)
	forget := func() { must(t, os.Chtimes(w.artifacts+"/snapshots/acme/golden/manifest.json", long, long)) }
	forget()
	if names, err := w.store.Unused(t.Context(), time.Hour); err != nil || len(names) != 1 {
		t.Errorf("unused: %q, %v", names, err)
	}
	w.wantWhole(t, true) // a create
	if removed, err := w.store.RemoveUnused(t.Context(), "acme/golden", time.Hour); err != nil || removed {
		t.Errorf("removed: %t, %v", removed, err)
	}
	forget()
	c.put("snapshots/acme/golden/instance_data/overlay.img", "another host's")
	if removed, err := w.store.RemoveUnused(t.Context(), "acme/golden", time.Hour); err != nil || removed {
		t.Errorf("the only good copy is removed: %t, %v", removed, err)
	}
}

// Ensure a snapshot is not taken where the disk would be full of it, and nothing is left.
func TestTakingLooksForRoom(t *testing.T) {
	t.Parallel()
	h := &full{Host: local(t), free: 1 << 30, writes: 1 << 20}
	w := newWorld(t, h)
	_, err := w.store.Take(t.Context(), "acme/golden", w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped), quietly)
	wantKind(t, err, fault.Exhausted, "make room in")
	if left, _ := filepath.Glob(w.artifacts + "/snapshots/acme/*"); len(left) > 0 || w.resumes > 0 {
		t.Errorf("left %q, resumed %d times", left, w.resumes)
	}
	sharing := snapshot.New(snapshot.Options{Host: reflinking{h}, Artifacts: w.artifacts})
	w.save(t, sharing, "kept") // a copy that shares its blocks needs none
}

// reflinking says that copies share their blocks.
type reflinking struct{ host.Host }

func (r reflinking) Copy(ctx context.Context, from, to string) (int64, error) {
	_, err := r.Host.Copy(ctx, from, to)
	return 0, err
}

// Ensure neither a taking nor a graft follows a link out of the device's directory, or out of the snapshot's; and that what
// is saved is nobody else's to read.
func TestLinksOutOfTheDirectories(t *testing.T) {
	t.Parallel()
	w := newWorld(t, local(t))
	outside := t.TempDir()
	put(t, "secret", outside, "factory_reset_protected.img")
	link := func(dir string) {
		must(t, errors.Join(os.RemoveAll(dir+"/internal"), os.Symlink(outside, dir+"/internal")))
	}
	leads := instance(t, "kept", qcow2.Old, size)
	link(leads)
	_, err := w.store.Take(t.Context(), "acme/golden", w.source(leads, snapshot.Stopped), quietly)
	wantKind(t, err, fault.Conflict, "internal is not a directory")
	w.save(t, w.store, "kept")
	dir := w.artifacts + "/snapshots/acme/golden"
	m, _, err := w.store.Read(t.Context(), dir)
	must(t, err)
	fresh := instance(t, "lost", qcow2.New, size)
	link(fresh)
	wantKind(t, w.store.Graft(t.Context(), dir, m, fresh), fault.Conflict, "internal is not a directory")
	if got := read(t, outside, "factory_reset_protected.img"); got != "secret" {
		t.Errorf("the file outside holds %q", got)
	}
	for _, d := range []string{"instance_data", "instance_data/internal"} {
		if info, err := os.Stat(filepath.Join(dir, d)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", d, info.Mode(), err)
		}
	}
	link(dir + "/instance_data")
	wantKind(t, w.store.Graft(t.Context(), dir, m, instance(t, "lost", qcow2.New, size)), fault.Conflict, "internal is not a directory")
}

// Ensure what an interrupted pull left is dropped after a day, without a restart.
func TestWhatAPullLeft(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.taken()
	there := c.world(local(t))
	if err := c.store(there, &dying{Host: local(t), n: 4}).Pull(t.Context(), "acme/golden", quietly); !errors.Is(err, errDead) {
		t.Fatal(err)
	}
	left := there.artifacts + "/snapshots/acme/.pull-golden"
	_, err := there.store.Tidy(t.Context())
	must(t, err)
	if _, err := os.Stat(left); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-25 * time.Hour)
	must(t, os.Chtimes(left, long, long))
	_, err = there.store.Tidy(t.Context())
	must(t, err)
	if _, err := os.Stat(left); err == nil {
		t.Error("it is still there")
	}
}

// Ensure a graft of a snapshot that is removed meanwhile says so.
func TestAGraftOfWhatIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, local(t))
	w.save(t, w.store, "kept")
	dir := w.artifacts + "/snapshots/acme/golden"
	m, _, err := w.store.Read(t.Context(), dir)
	must(t, err)
	_, err = w.store.Remove(t.Context(), "acme/golden")
	must(t, err)
	wantKind(t, w.store.Graft(t.Context(), dir, m, instance(t, "lost", qcow2.New, size)), fault.Conflict, snapshot.ErrRemoved.Error())
}

// vanishing is a host on which something happens before a path is looked at.
type vanishing struct {
	host.Host
	at string
	do func()
}

func (v *vanishing) Lstat(ctx context.Context, p string) (host.FileInfo, error) {
	if p == v.at && v.do != nil {
		do := v.do
		v.do = nil
		do()
	}
	return v.Host.Lstat(ctx, p)
}

// Ensure a snapshot that is removed, or replaced, while it is looked at is not taken for a base image: a device of it would be
// empty.
func TestASnapshotThatGoesIsNoBaseImage(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"removed": false, "removed and taken again": true} {
		w := newWorld(t, local(t))
		w.save(t, w.store, "kept")
		dir := w.artifacts + "/snapshots/acme/golden"
		h := &vanishing{Host: local(t), at: dir + "/instance_data"}
		h.do = func() {
			must(t, os.Rename(dir, dir+"-gone"))
			if again {
				h.at = dir
				h.do = func() { w.save(t, w.store, "late") }
			}
		}
		_, err := snapshot.New(snapshot.Options{Host: h, Artifacts: w.artifacts}).HasData(t.Context(), dir)
		if !errors.Is(err, snapshot.ErrRemoved) || !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
