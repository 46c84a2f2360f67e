package snapshot_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/image"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
)

// Ensure a snapshot with the specification's fields alone, in their usual spellings, is fetched, is shown as not verified,
// and gets its digests when it is sent.
func TestASnapshotOfAnotherRunner(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	here := c.taken()
	dir := here.artifacts + "/snapshots/acme/golden"
	for _, f := range []string{"instance_data/overlay.img", "instance_data/sdcard.img", "super.img", "boot.img"} {
		c.put("snapshots/old/snap/"+f, read(t, dir, f))
	}
	c.put("snapshots/old/snap/manifest.json", `{"name":"snap","organization_id":"old","base_image":"android-1","created_at":"2026-01-02T03:04:05Z","size_bytes":7,"mine":1}`)
	there := c.world(local(t))
	if image, err := there.store.Remote(t.Context(), "old/snap"); err != nil || !image.Unverified {
		t.Errorf("in the bucket: %+v, %v", image, err)
	}
	put(t, "another", there.base, "super.img")
	must(t, there.store.Pull(t.Context(), "old/snap", quietly))
	got := there.artifacts + "/snapshots/old/snap"
	m, _, err := there.store.Read(t.Context(), got)
	if must(t, err); m.Verified() || m.Org != "old" || m.BaseImage != "android-1" || m.CreatedAt.IsZero() || m.Size != 7 {
		t.Errorf("the manifest: %+v", m)
	}
	other := instance(t, "lost", qcow2.New, size)
	must(t, there.store.Graft(t.Context(), got, m, other))
	if onDisk(t, other) != "kept" || read(t, got, "super.img") != "super" {
		t.Error("it holds something else")
	}
	must(t, there.store.RemoveRemote(t.Context(), "old/snap"))
	must(t, there.store.Push(t.Context(), "old/snap", quietly))
	m, _, err = there.store.Read(t.Context(), got)
	if must(t, err); !m.Verified() || len(m.Files) != 2 || len(m.Images) != 2 || !strings.Contains(read(t, got, "manifest.json"), `"mine": 1`) {
		t.Errorf("the manifest that was sent: %+v", m)
	}
	if image, err := there.store.Remote(t.Context(), "old/snap"); err != nil || image.Unverified {
		t.Errorf("sent: %+v, %v", image, err)
	}
}

// Ensure the specification's other directory is read, and left as it is.
func TestTheOtherDirectory(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.taken()
	other := filepath.Join(filepath.Dir(w.artifacts), "snapshots", "acme")
	must(t, os.MkdirAll(other, 0o755))
	must(t, os.Rename(w.artifacts+"/snapshots/acme/golden", filepath.Join(other, "elsewhere")))
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(other)) })
	if there, err := image.NewCatalog(local(t), w.artifacts, w.home).Exists(t.Context(), "acme/elsewhere"); err != nil || !there {
		t.Errorf("it exists: %v, %v", there, err)
	}
	must(t, w.store.Pull(t.Context(), "acme/elsewhere", quietly)) // nothing is to be fetched
	if removed, err := w.store.Remove(t.Context(), "acme/elsewhere"); err != nil || removed {
		t.Errorf("removed: %v, %v", removed, err)
	}
}
