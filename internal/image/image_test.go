package image_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/image"
)

func local(t testing.TB) *host.Local {
	t.Helper()
	l, err := host.NewLocal(host.LocalOptions{
		User: host.DeviceUser{Name: "tester", UID: os.Geteuid(), GID: os.Getegid(), Home: "/"},
	})
	must(t, err)
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, content string, parts ...string) {
	t.Helper()
	path := filepath.Join(parts...)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

// world is an artifacts directory with one image, behind a link as on a real host.
type world struct {
	artifacts, home, images string
	catalog                 *image.Catalog
}

var raw = strings.Repeat("raw image ", 10)

func newWorld(t testing.TB) world {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	w := world{artifacts: filepath.Join(root, "artifacts"), home: filepath.Join(root, "home")}
	w.images = filepath.Join(w.artifacts, "cf_vm")
	for _, name := range []string{"super.img", "boot.img", "android-info.txt", "userdata.img", ".hidden", "cvd-host_package.tar.gz"} {
		put(t, raw+name, w.images, name)
	}
	put(t, "", w.home, "bin", "cvd_internal_start")
	must(t, os.Symlink("cf_vm", filepath.Join(w.artifacts, "android-LATEST")))
	w.catalog = image.NewCatalog(local(t), w.artifacts, w.home)
	return w
}

func (w world) resolve(t testing.TB) image.Base {
	t.Helper()
	base, err := w.catalog.Resolve(t.Context(), "android-LATEST")
	must(t, err)
	return base
}

func wantError(t testing.TB, err error, kind fault.Kind, parts ...string) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Fatalf("got %v (%v), want %v", err, fault.KindOf(err), kind)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want %q in it", err, part)
		}
	}
}

func TestResolveFollowsTheLinkAndRecordsTheFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.resolve(t)
	if base.Name != "android-LATEST" || base.Dir != w.images || base.HostPath != w.home {
		t.Errorf("got %+v", base)
	}
	var names []string
	for _, f := range base.Files {
		names = append(names, f.Name)
		info, err := os.Stat(filepath.Join(w.images, f.Name))
		must(t, err)
		if f.Size != info.Size() || !f.ModTime.Equal(info.ModTime()) || f.Inode == 0 || f.SHA256 != "" {
			t.Errorf("got %+v", f)
		}
	}
	if want := []string{"android-info.txt", "boot.img", "super.img"}; !slices.Equal(names, want) {
		t.Errorf("got files %v, want %v", names, want)
	}
	data, err := json.Marshal(base)
	must(t, err)
	var again image.Base
	must(t, json.Unmarshal(data, &again))
	must(t, w.catalog.Verify(t.Context(), again))
}

func TestResolveFindsTheDirectoryOfAName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := "registry.example/org/img:v1@sha256:00"
	sum := sha256.Sum256([]byte(ref))
	for name, dir := range map[string]string{
		"other":    filepath.Join(w.artifacts, "other"),
		"org/snap": filepath.Join(w.artifacts, "snapshots", "org", "snap"),
		ref:        filepath.Join(w.artifacts, "snapshots", ".refs", hex.EncodeToString(sum[:])),
	} {
		put(t, raw, dir, "super.img")
		if base, err := w.catalog.Resolve(t.Context(), name); err != nil || base.Dir != dir {
			t.Errorf("%s: got %q, %v, want %q", name, base.Dir, err, dir)
		}
	}
	list, err := w.catalog.List(t.Context())
	if want := []string{"android-LATEST", "cf_vm", "other", "org/snap"}; err != nil || !slices.Equal(list, want) {
		t.Errorf("got %v, %v, want %v", list, err, want)
	}
}

func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{
		"", "..", "../x", "a/../b", "/etc", "a/b/c", "a//b", "a/", ".products", ".hidden", "snapshots", "a b", "a\x00b",
		"x:\n", "x: y", strings.Repeat("a", 129), strings.Repeat("a:", 300), "org/..",
	} {
		_, err := w.catalog.Resolve(t.Context(), name)
		wantError(t, err, fault.Invalid)
	}
	_, err := w.catalog.Resolve(t.Context(), "missing")
	wantError(t, err, fault.NotFound, "missing", "android-LATEST, cf_vm")
	must(t, os.MkdirAll(filepath.Join(w.artifacts, "empty"), 0o755))
	_, err = w.catalog.Resolve(t.Context(), "empty")
	wantError(t, err, fault.NotFound, "no disk image")
	nothing := image.NewCatalog(local(t), filepath.Join(w.artifacts, "no"), w.home)
	_, err = nothing.Resolve(t.Context(), "x")
	wantError(t, err, fault.NotFound, "there are none")
}

func TestSparseImagesAreRefusedWithTheCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.resolve(t) // what was seen raw once is looked at again when it changes
	super := filepath.Join(w.images, "super.img")
	put(t, "\x3a\xff\x26\xed"+raw, super)
	_, err := w.catalog.Resolve(t.Context(), "android-LATEST")
	wantError(t, err, fault.Conflict, fmt.Sprintf("simg2img %[1]s %[1]s.raw && mv %[1]s.raw %[1]s", super))
	if strings.Contains(err.Error(), "boot.img") {
		t.Errorf("a raw image is named, too: %v", err)
	}
	put(t, raw, super)
	w.resolve(t)
}

func TestHostPackage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, step := range []struct{ place, want string }{
		{"", w.home}, {filepath.Join(w.images, "host"), filepath.Join(w.images, "host")}, {w.images, w.images},
	} {
		if step.place != "" {
			put(t, "", step.place, "bin", "cvd_internal_start")
		}
		if base := w.resolve(t); base.HostPath != step.want {
			t.Errorf("got %s, want %s", base.HostPath, step.want)
		}
	}
	must(t, os.RemoveAll(filepath.Join(w.images, "host")))
	must(t, os.RemoveAll(filepath.Join(w.images, "bin")))
	must(t, os.RemoveAll(w.home))
	_, err := w.catalog.Resolve(t.Context(), "android-LATEST")
	wantError(t, err, fault.Unavailable, w.images+", "+w.images+"/host, "+w.home)
}

func TestVerifyTellsWhatChanged(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(t *testing.T, super string){
		"super.img has 3 bytes": func(t *testing.T, super string) { put(t, "new", super) },
		"super.img is of 2020-01-02": func(t *testing.T, super string) {
			day := time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)
			must(t, os.Chtimes(super, day, day))
		},
		"super.img is gone":      func(t *testing.T, super string) { must(t, os.Remove(super)) },
		"vendor.img is new":      func(t *testing.T, super string) { put(t, "v", filepath.Dir(super), "vendor.img") },
		"super.img was replaced": replaced,
		"no such file":           func(t *testing.T, super string) { must(t, os.RemoveAll(filepath.Dir(super))) },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			base := w.resolve(t)
			put(t, "changed", w.images, "userdata.img") // every product has its own
			must(t, w.catalog.Verify(t.Context(), base))
			change(t, filepath.Join(w.images, "super.img"))
			wantError(t, w.catalog.Verify(t.Context(), base), fault.Conflict, want)
		})
	}
}

func replaced(t *testing.T, super string) {
	info, err := os.Stat(super)
	must(t, err)
	data, err := os.ReadFile(super)
	must(t, err)
	put(t, string(data), super+".copy")
	must(t, os.Chtimes(super+".copy", info.ModTime(), info.ModTime()))
	must(t, os.Rename(super+".copy", super))
}

func TestDigest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.resolve(t)
	got, err := w.catalog.Digest(t.Context(), base)
	must(t, err)
	for i, f := range got.Files {
		want := sha256.Sum256([]byte(raw + f.Name))
		if f.SHA256 != hex.EncodeToString(want[:]) || base.Files[i].SHA256 != "" {
			t.Errorf("got %+v", f)
		}
	}
	must(t, os.Remove(filepath.Join(w.images, "boot.img")))
	_, err = w.catalog.Digest(t.Context(), base)
	wantError(t, err, fault.Conflict, "boot.img is gone")
}

func TestProductIsMadeOnceAndThenLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.resolve(t)
	paths := make([]string, 8)
	var wg sync.WaitGroup
	for i := range paths {
		wg.Go(func() {
			var err error
			if paths[i], err = w.catalog.Product(t.Context(), base, 20); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	path := filepath.Join(w.artifacts, ".products", "cf_vm-20")
	if slices.ContainsFunc(paths, func(p string) bool { return p != path }) {
		t.Fatalf("got %v, want %s", paths, path)
	}
	userdata, err := local(t).Stat(t.Context(), filepath.Join(path, "userdata.img"))
	if err != nil || userdata.Size != 20<<30 || userdata.Blocks != 0 {
		t.Errorf("got %+v, %v", userdata, err)
	}
	for _, f := range base.Files {
		if data, err := os.ReadFile(filepath.Join(path, f.Name)); err != nil || string(data) != raw+f.Name {
			t.Errorf("%s: got %q, %v", f.Name, data, err)
		}
	}
	before := userdata.ModTime
	digested, err := w.catalog.Digest(t.Context(), base)
	must(t, err)
	fresh := image.NewCatalog(local(t), w.artifacts, w.home) // another run of the runner
	if got, err := fresh.Product(t.Context(), digested, 20); got != path || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if now, _ := os.Stat(filepath.Join(path, "userdata.img")); !now.ModTime().Equal(before) {
		t.Error("userdata was touched")
	}
	if other, err := fresh.Product(t.Context(), base, 8); err != nil || other == path {
		t.Errorf("another size: got %s, %v", other, err)
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	if len(entries) != 2 {
		t.Errorf("left beside: %v", entries)
	}
}

func TestProductOfAnImageElsewhereHasANameOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put(t, raw, w.artifacts, "snapshots", "org", "cf_vm", "super.img")
	base, err := w.catalog.Resolve(t.Context(), "org/cf_vm")
	must(t, err)
	one, err := w.catalog.Product(t.Context(), base, 20)
	must(t, err)
	two, err := w.catalog.Product(t.Context(), w.resolve(t), 20)
	must(t, err)
	if one == two || filepath.Dir(one) != filepath.Dir(two) {
		t.Errorf("got %s and %s", one, two)
	}
}

func TestProductRefusesWhatChanged(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(t *testing.T, w world, product string){
		"has changed since (super.img has 3 bytes": func(t *testing.T, w world, _ string) { put(t, "new", w.images, "super.img") },
		"has lost boot.img":                        func(t *testing.T, _ world, product string) { must(t, os.Remove(filepath.Join(product, "boot.img"))) },
		"userdata.img has 5 bytes": func(t *testing.T, _ world, product string) {
			must(t, os.Truncate(filepath.Join(product, "userdata.img"), 5))
		},
		"was not made by this runner or is damaged": func(t *testing.T, _ world, product string) { must(t, os.Remove(filepath.Join(product, ".base.json"))) },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			product, err := w.catalog.Product(t.Context(), w.resolve(t), 20)
			must(t, err)
			change(t, w, product)
			_, err = w.catalog.Product(t.Context(), w.resolve(t), 20)
			wantError(t, err, fault.Conflict, want, "remove the directory")
		})
	}
	w := newWorld(t)
	_, err := w.catalog.Product(t.Context(), w.resolve(t), 0)
	wantError(t, err, fault.Invalid)
}

// dying is a host whose changes fail from the n-th on.
type dying struct {
	host.Host
	n int
}

func (d *dying) change(act func() error) error {
	if d.n--; d.n < 0 {
		return fault.Exhaustedf("no space left on device")
	}
	return act()
}

func (d *dying) MkdirAll(ctx context.Context, p string, m fs.FileMode) error {
	return d.change(func() error { return d.Host.MkdirAll(ctx, p, m) })
}

func (d *dying) Symlink(ctx context.Context, target, p string) error {
	return d.change(func() error { return d.Host.Symlink(ctx, target, p) })
}

func (d *dying) CreateSparse(ctx context.Context, p string, size int64, m fs.FileMode) error {
	return d.change(func() error { return d.Host.CreateSparse(ctx, p, size, m) })
}

func (d *dying) WriteFile(ctx context.Context, p string, data []byte, m fs.FileMode) error {
	return d.change(func() error { return d.Host.WriteFile(ctx, p, data, m) })
}

func (d *dying) GiveToDeviceUser(ctx context.Context, p string) error {
	return d.change(func() error { return d.Host.GiveToDeviceUser(ctx, p) })
}

func (d *dying) Rename(ctx context.Context, from, to string) error {
	return d.change(func() error { return d.Host.Rename(ctx, from, to) })
}

func (d *dying) RemoveAll(ctx context.Context, p string) error {
	return d.change(func() error { return d.Host.RemoveAll(ctx, p) })
}

func TestAProductThatFailsHalfWayIsNeverSeen(t *testing.T) {
	t.Parallel()
	for n := range 10 {
		t.Run(fmt.Sprintf("change %d", n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			base := w.resolve(t)
			failing := image.NewCatalog(&dying{Host: local(t), n: n}, w.artifacts, w.home)
			if _, err := failing.Product(t.Context(), base, 20); err != nil {
				wantError(t, err, fault.Exhausted, "no space left on device")
				if _, err := os.Stat(filepath.Join(w.artifacts, ".products", "cf_vm-20")); !os.IsNotExist(err) {
					t.Errorf("half a product is there: %v", err)
				}
			}
			_, err := w.catalog.Product(t.Context(), base, 20)
			must(t, err)
			if entries, _ := os.ReadDir(filepath.Join(w.artifacts, ".products")); len(entries) != 1 {
				t.Errorf("left: %v", entries)
			}
		})
	}
}

func FuzzResolve(f *testing.F) {
	for _, name := range []string{"android-LATEST", "org/x", "a:b", "../..", "x/../../y", "\x00"} {
		f.Add(name)
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, name string) {
		base, err := w.catalog.Resolve(t.Context(), name)
		if err == nil && !strings.HasPrefix(base.Dir, w.artifacts+"/") {
			t.Errorf("%q left the artifacts: %s", name, base.Dir)
		}
		if err != nil && !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: got %v", name, err)
		}
	})
}
