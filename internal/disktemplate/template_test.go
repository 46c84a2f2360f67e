package disktemplate_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/disktemplate"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, want fault.Kind, text string) {
	t.Helper()
	if fault.KindOf(err) != want || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("got %v, want %s with %q", err, want, text)
	}
}

// lab is a host with host tools and the images of one product.
type lab struct {
	t        *testing.T
	dir      string
	host     host.Host
	store    *disktemplate.Store
	version  simroot.Version
	log      bytes.Buffer
	products int
}

func newLab(t *testing.T, version string) *lab {
	t.Helper()
	v, err := simroot.ParseVersion(version)
	must(t, err)
	h, err := host.NewLocal(host.LocalOptions{User: host.DeviceUser{Name: "tester", UID: os.Geteuid(), GID: os.Getegid(), Home: "/"}})
	must(t, err)
	l := &lab{t: t, dir: t.TempDir(), host: h, version: v}
	l.put("tool", "tools/bin/cvd_internal_start")
	l.store = disktemplate.New(h, filepath.Join(l.dir, "artifacts"))
	return l
}

func (l *lab) put(content, name string) string {
	l.t.Helper()
	file := filepath.Join(l.dir, name)
	must(l.t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(l.t, os.WriteFile(file, []byte(content), 0o644))
	return file
}

// product makes another directory of the same images.
func (l *lab) product() string {
	l.t.Helper()
	l.products++
	dir := fmt.Sprintf("artifacts/p%d", l.products)
	for name, content := range map[string]string{"super.img": strings.Repeat("super", 100), "boot.img": "boot"} {
		file := filepath.Join(l.dir, "artifacts", "images", name)
		if _, err := os.Stat(file); err != nil {
			l.put(content, "artifacts/images/"+name)
		}
		must(l.t, os.MkdirAll(filepath.Join(l.dir, dir), 0o755))
		must(l.t, os.Symlink(file, filepath.Join(l.dir, dir, name)))
	}
	l.put(".", dir+"/.base.json")
	l.put(strings.Repeat("\x00", 4096), dir+"/userdata.img")
	return filepath.Join(l.dir, dir)
}

// device is one whose disks assembly makes; nothing of it is there yet.
func (l *lab) device(n int, product string) assemble.Config {
	return assemble.Config{
		Instance: n, Home: filepath.Join(l.dir, fmt.Sprintf("groups/g%d/home", n)), Product: product, Version: l.version,
		Policy: assemble.UseExisting, SDCardMB: 1, Log: &l.log, Holders: func(...string) []int { return nil },
		CompositeBacking: l.version.AtLeast(1, 55),
	}
}

func site(c assemble.Config) disktemplate.Site {
	return disktemplate.Site{GroupDir: filepath.Dir(c.Home), InstanceDir: c.InstanceDir(), Product: c.Product}
}

// booted makes a device that was started once, and its template.
func (l *lab) booted() (key string, c assemble.Config) {
	l.t.Helper()
	c = l.device(1, l.product())
	_, err := assemble.Run(c)
	must(l.t, err)
	key = l.key(c.Product)
	must(l.t, l.store.Keep(l.t.Context(), key, site(c)))
	return key, c
}

func (l *lab) key(product string) string {
	l.t.Helper()
	key, err := l.store.Key(l.t.Context(), product, filepath.Join(l.dir, "tools"))
	must(l.t, err)
	return key
}

// fill puts a saved overlay, whose guest wrote a word, over the placed one, as a graft does.
func (l *lab) fill(c assemble.Config, word string) {
	l.t.Helper()
	overlay := filepath.Join(c.InstanceDir(), "overlay.img")
	head, err := os.ReadFile(overlay)
	must(l.t, err)
	spec, err := assemble.ReadComposite(filepath.Join(c.InstanceDir(), "os_composite.img"))
	must(l.t, err)
	saved, err := qcow2.Create(overlay+".saved", qcow2.Options{Size: spec.Length, Backing: "/elsewhere", Style: qcow2.Old})
	must(l.t, err)
	_, err = saved.WriteAt([]byte(word), 4096)
	must(l.t, err)
	must(l.t, saved.Close())
	data, err := os.ReadFile(overlay + ".saved")
	must(l.t, err)
	copy(data, head)
	must(l.t, os.WriteFile(overlay, data, 0o644))
	must(l.t, os.Remove(overlay+".saved"))
	now := time.Now().Add(time.Second)
	for _, name := range []string{"os_composite.img", "overlay.img"} { // as before every start
		must(l.t, os.Chtimes(filepath.Join(c.InstanceDir(), name), now, now))
	}
}

// Ensure a device whose disks come from a template of another device, with another number, in another place and of another
// directory of the same images, keeps its overlay at its first start and at the next, with every generation of assembly.
func TestADeviceStartsWithPlacedDisks(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.31.0", "1.37.0", "1.40.0", "1.55.2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, version)
			key, first := l.booted()
			before := tree(t, first.InstanceDir())
			product := l.product()
			if other := l.key(product); other != key {
				t.Errorf("the same images have the names %s and %s", key, other)
			}
			next := l.device(2, product)
			must(t, os.MkdirAll(next.Home, 0o755))
			must(t, l.store.Place(t.Context(), key, site(next)))
			l.fill(next, "kept")
			for start := range 2 {
				got, err := assemble.Run(next)
				if err != nil || !got.OverlayKept || got.Wiped {
					t.Fatalf("start %d: %+v, %v\n%s", start, got, err, l.log.String())
				}
				l.wantWord(next, "kept")
				now := time.Now().Add(time.Duration(start+2) * time.Second)
				for _, name := range []string{"os_composite.img", "overlay.img"} {
					must(t, os.Chtimes(filepath.Join(next.InstanceDir(), name), now, now))
				}
			}
			if after := tree(t, first.InstanceDir()); after != before {
				t.Errorf("the device that the template was made of has changed: %s\nwas: %s", after, before)
			}
		})
	}
}

func (l *lab) wantWord(c assemble.Config, want string) {
	l.t.Helper()
	image, err := qcow2.Open(filepath.Join(c.InstanceDir(), "overlay.img"))
	must(l.t, err)
	defer image.Close()
	buf := make([]byte, len(want))
	if _, err := image.ReadAt(buf, 4096); err != nil || string(buf) != want {
		l.t.Errorf("the disk holds %q, %v", buf, err)
	}
}

// tree is what is below a directory.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		fmt.Fprintln(&out, path, info.Size(), info.ModTime().UnixNano())
		return err
	}))
	return out.String()
}

// Ensure a template is small, is made once, and is not used, nor made again, once it is distrusted.
func TestATemplateIsMadeOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t, "1.40.0")
	key, first := l.booted()
	if !l.store.Usable(t.Context(), key) || l.store.Usable(t.Context(), "another") {
		t.Error("it is not the one that is usable")
	}
	dir := filepath.Join(l.dir, "artifacts", ".templates", key)
	size := 0
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		size += int(info.Size())
	}
	if size > 256<<10 {
		t.Errorf("it has %d bytes", size)
	}
	before := tree(t, dir)
	left := filepath.Join(filepath.Dir(dir), ".new-"+key+"-group")
	must(t, os.MkdirAll(left, 0o755)) // as a kill leaves it
	must(t, l.store.Sweep(t.Context()))
	if _, err := os.Stat(left); err == nil {
		t.Error("what a kill left is still there")
	}
	must(t, l.store.Keep(t.Context(), key, site(first)))
	if after := tree(t, dir); after != before {
		t.Errorf("it was made again: %s\nwas: %s", after, before)
	}
	must(t, l.store.Distrust(t.Context(), key, "the disk was lost"))
	must(t, l.store.Keep(t.Context(), key, site(first)))
	if l.store.Usable(t.Context(), key) {
		t.Error("it is usable again")
	}
	wantKind(t, l.store.Place(t.Context(), key, site(l.device(2, first.Product))), fault.NotFound, "trusted")
}

// Ensure another size, another set of host tools and another image have templates of their own.
func TestKeys(t *testing.T) {
	t.Parallel()
	l := newLab(t, "1.40.0")
	seen := map[string]bool{}
	product := l.product()
	for _, change := range []func(){
		func() {},
		func() { must(t, os.Truncate(filepath.Join(product, "userdata.img"), 8192)) },
		func() { l.put("newer tool", "tools/bin/cvd_internal_start") },
		func() { l.put("", "artifacts/p1/vbmeta.img") },
		func() {
			other := l.put("toob", "artifacts/others/boot.img") // of the same size
			must(t, os.Remove(filepath.Join(product, "boot.img")))
			must(t, os.Symlink(other, filepath.Join(product, "boot.img")))
		},
	} {
		change()
		seen[l.key(product)] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d keys", len(seen))
	}
	l.put("hidden", "artifacts/p1/.other")
	if !seen[l.key(product)] {
		t.Error("a hidden file counts")
	}
}

// Ensure what cannot be kept, or placed, is refused with the reason and leaves no template.
func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct {
		spoil func(l *lab, dir string)
		kind  fault.Kind
		text  string
	}{
		"no overlay":    {func(l *lab, dir string) { must(l.t, os.Remove(dir+"/overlay.img")) }, fault.NotFound, "overlay.img"},
		"no composite":  {func(l *lab, dir string) { must(l.t, os.Remove(dir+"/os_composite.img")) }, fault.Unsupported, "no composite disk"},
		"a strange one": {func(l *lab, dir string) { must(l.t, os.WriteFile(dir+"/os_composite.img", []byte("?"), 0o644)) }, fault.Invalid, "not a composite"},
		"a damaged one": {func(l *lab, dir string) {
			must(l.t, os.WriteFile(dir+"/os_composite.img", []byte("composite_disk\x1d\x12\xff"), 0o644))
		}, fault.Invalid, "damaged"},
		"no list":           {func(l *lab, dir string) { must(l.t, os.Remove(dir+"/os_composite_disk_config.txt")) }, fault.NotFound, "disk_config"},
		"a part is missing": {func(l *lab, dir string) { must(l.t, os.Remove(dir+"/misc")) }, fault.NotFound, "misc"},
		"a part is a link": {func(l *lab, dir string) {
			must(l.t, os.Remove(dir+"/misc"))
			must(l.t, os.Symlink("metadata", dir+"/misc"))
		}, fault.Unsupported, "misc: it is not a regular file"},
		"a part is too much": {func(l *lab, dir string) {
			must(l.t, os.WriteFile(dir+"/misc", bytes.Repeat([]byte("x"), 17<<20), 0o644))
		}, fault.Unsupported, "at most"},
		"a strange overlay": {func(l *lab, dir string) { must(l.t, os.WriteFile(dir+"/overlay.img", make([]byte, 1<<17), 0o644)) }, fault.Invalid, "not a qcow2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "1.40.0")
			c := l.device(1, l.product())
			_, err := assemble.Run(c)
			must(t, err)
			is.spoil(l, c.InstanceDir())
			wantKind(t, l.store.Keep(t.Context(), l.key(c.Product), site(c)), is.kind, is.text)
			if left, _ := filepath.Glob(l.dir + "/artifacts/.templates/*"); len(left) > 0 || l.store.Usable(t.Context(), l.key(c.Product)) {
				t.Errorf("left %q", left)
			}
		})
	}
}

func TestWhatIsNotPlaced(t *testing.T) {
	t.Parallel()
	l := newLab(t, "1.40.0")
	key, first := l.booted()
	wantKind(t, l.store.Place(t.Context(), key, site(first)), fault.Conflict, "there already")
	outside := site(l.device(2, first.Product))
	outside.GroupDir = filepath.Join(l.dir, "elsewhere")
	wantKind(t, l.store.Place(t.Context(), key, outside), fault.Conflict, "is not below")
	next := l.device(3, l.product())
	must(t, os.MkdirAll(next.Home, 0o755))
	must(t, os.Remove(filepath.Join(next.Product, "super.img")))
	wantKind(t, l.store.Place(t.Context(), key, site(next)), fault.Conflict, next.Product+"/super.img")
}

// Ensure there is a bound on the number of templates, and that the oldest go.
func TestTheOldestTemplatesGo(t *testing.T) {
	t.Parallel()
	l := newLab(t, "1.40.0")
	_, c := l.booted()
	for i := range 70 {
		must(t, l.store.Keep(t.Context(), fmt.Sprintf("key%d", i), site(c)))
		at := time.Now().Add(time.Duration(i-100) * time.Minute)
		must(t, os.Chtimes(fmt.Sprintf("%s/artifacts/.templates/key%d", l.dir, i), at, at))
	}
	if left, _ := filepath.Glob(l.dir + "/artifacts/.templates/*"); len(left) > 65 || !l.store.Usable(t.Context(), "key69") || l.store.Usable(t.Context(), "key0") {
		t.Errorf("%d are left", len(left))
	}
}
