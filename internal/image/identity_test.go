package image_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/image"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// reading is a host that counts the files it digests and may be held at the first of them.
type reading struct {
	host.Host
	files atomic.Int64
	held  chan struct{} // nil: not held
	fail  atomic.Bool
}

func (r *reading) SHA256(ctx context.Context, path string) (string, error) {
	r.files.Add(1)
	if r.held != nil {
		<-r.held
	}
	if r.fail.Load() {
		return "", fault.Unavailablef("input/output error")
	}
	return r.Host.SHA256(ctx, path)
}

func (w world) read(t testing.TB) (*reading, *image.Catalog) {
	t.Helper()
	r := &reading{Host: local(t)}
	return r, image.NewCatalog(r, w.artifacts, w.home)
}

func inspect(t testing.TB, c *image.Catalog, name string) sandbox.Image {
	t.Helper()
	id, err := c.Inspect(t.Context(), name)
	must(t, err)
	return id
}

func TestTheSameImageHasTheSameHashOnEveryHost(t *testing.T) {
	t.Parallel()
	here, there := newWorld(t), newWorld(t)
	must(t, os.Rename(there.images, filepath.Join(there.artifacts, "another-name")))
	day := time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)
	must(t, os.Chtimes(filepath.Join(there.artifacts, "another-name", "super.img"), day, day))
	want, got := inspect(t, here.catalog, "android-LATEST"), inspect(t, there.catalog, "another-name")
	if want.Hash != got.Hash || want.Bytes != got.Bytes {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if want.Name != "android-LATEST" || len(want.Hash) != 64 || strings.Trim(want.Hash, "0123456789abcdef") != "" {
		t.Errorf("got %+v", want)
	}
	var bytes int64
	for _, f := range here.resolve(t).Files {
		bytes += f.Size
	}
	if want.Bytes != bytes {
		t.Errorf("got %d bytes, want %d", want.Bytes, bytes)
	}
}

func TestTheHashIsKeptFromVersionToVersion(t *testing.T) {
	t.Parallel()
	const want = "151469a6d0f60981" // Daytona has made references from it
	if got := inspect(t, newWorld(t).catalog, "cf_vm").Hash; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s…", got, want)
	}
}

// Ensure a file named as a snapshot's manifest leaves a base image what it is, and of another content another.
func TestAManifestBesideABaseImageIsNoSnapshots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	without := inspect(t, w.catalog, "android-LATEST")
	put(t, `{"baseImage":"of somebody else"}`, w.images, "manifest.json")
	if with := inspect(t, w.catalog, "android-LATEST"); with != without {
		t.Errorf("got %+v, want %+v", with, without)
	}
}

func TestDifferentImagesHaveDifferentHashes(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, dir string){
		"content":       func(t *testing.T, dir string) { put(t, strings.ToUpper(raw)+"super.img", dir, "super.img") },
		"a new file":    func(t *testing.T, dir string) { put(t, "", dir, "vendor.img") },
		"a lost file":   func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "boot.img"))) },
		"another name":  func(t *testing.T, dir string) { must(t, os.Rename(dir+"/boot.img", dir+"/init_boot.img")) },
		"swapped files": func(t *testing.T, dir string) { put(t, raw+"boot.img", dir, "super.img") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := inspect(t, w.catalog, "cf_vm")
			put(t, "of each product", w.images, "userdata.img") // no part of the image
			if same := inspect(t, w.catalog, "cf_vm"); same != before {
				t.Errorf("got %+v, want %+v", same, before)
			}
			change(t, w.images)
			if after := inspect(t, w.catalog, "cf_vm"); after.Hash == before.Hash {
				t.Errorf("the hash is still %s", after.Hash)
			}
		})
	}
}

func TestAnImageIsReadOnceHoweverOftenItIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host, catalog := w.read(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { _, _ = catalog.Inspect(t.Context(), "android-LATEST") })
	}
	wg.Wait()
	inspect(t, catalog, "cf_vm")
	if _, err := catalog.Digest(t.Context(), w.resolve(t)); err != nil {
		t.Error(err)
	}
	if got := host.files.Load(); got != 3 {
		t.Errorf("%d files were read, want 3", got)
	}
	next, again := w.read(t)
	if inspect(t, again, "cf_vm"); next.files.Load() != 0 {
		t.Errorf("the next runner read %d files", next.files.Load())
	}
	replaced(t, filepath.Join(w.images, "super.img"))
	inspect(t, catalog, "cf_vm")
	if got := host.files.Load(); got != 4 {
		t.Errorf("%d files were read after one has changed, want 4", got)
	}
}

func TestWhoeverLeavesLeavesTheReadingToGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host, catalog := w.read(t)
	host.held = make(chan struct{})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := catalog.Inspect(ctx, "cf_vm")
		left <- err
	}()
	for host.files.Load() == 0 {
		if t.Context().Err() != nil {
			t.Fatal("nothing is read")
		}
		time.Sleep(time.Millisecond)
	}
	leave()
	wantError(t, <-left, fault.Cancelled, "digest image cf_vm")
	close(host.held)
	inspect(t, catalog, "cf_vm")
	if got := host.files.Load(); got != 3 {
		t.Errorf("%d files were read, want 3", got)
	}
}

func TestAReadingThatFailedIsTriedAgain(t *testing.T) {
	t.Parallel()
	host, catalog := newWorld(t).read(t)
	host.fail.Store(true)
	_, err := catalog.Inspect(t.Context(), "cf_vm")
	wantError(t, err, fault.Unavailable, "digest image cf_vm: input/output error")
	host.fail.Store(false)
	inspect(t, catalog, "cf_vm")
}

func TestExistsGoesByTheNameAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put(t, raw, w.artifacts, "snapshots", "org", "snap", "super.img")
	must(t, os.MkdirAll(filepath.Join(w.artifacts, "empty"), 0o755))
	host, catalog := w.read(t)
	for name, want := range map[string]bool{
		"android-LATEST": true, "cf_vm": true, "org/snap": true,
		"missing": false, "org/missing": false, "empty": false, "cf:vm": false, "docker.io/cf_vm:1.0": false,
	} {
		if got, err := catalog.Exists(t.Context(), name); got != want || err != nil {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	_, err := catalog.Exists(t.Context(), "../x")
	wantError(t, err, fault.Invalid)
	if got := host.files.Load(); got != 0 {
		t.Errorf("%d files were read", got)
	}
}
