package image_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/image"
)

// more adds images whose names end in what a registry would call a tag.
func (w world) more(t testing.TB) world {
	t.Helper()
	for _, name := range []string{"android-base", "android-base-1.0", "plain"} {
		put(t, raw+name, w.artifacts, name, "super.img")
	}
	return w
}

func (w world) dir(name string) string { return filepath.Join(w.artifacts, name) }

func (w world) refs() string { return filepath.Join(w.artifacts, "snapshots", ".refs") }

func wantDir(t testing.TB, c *image.Catalog, name, dir string) {
	t.Helper()
	base, err := c.Resolve(t.Context(), name)
	if err != nil || base.Dir != dir || base.Name != name {
		t.Errorf("%s: got %s at %q, %v, want %q", name, base.Name, base.Dir, err, dir)
	}
}

// wantRefs looks for what is left half.
func (w world) wantRefs(t testing.TB, n int) {
	t.Helper()
	entries, _ := os.ReadDir(w.refs())
	if len(entries) != n {
		t.Errorf("got %v, want %d references", entries, n)
	}
}

func TestSourceFindsWhatDaytonaMeans(t *testing.T) {
	t.Parallel()
	w := newWorld(t).more(t)
	put(t, raw, w.artifacts, "snapshots", "org", "snap", "super.img")
	hash := inspect(t, w.catalog, "plain").Hash
	_, err := w.catalog.Link(t.Context(), "plain", "exact:1.0")
	must(t, err)
	for ref, want := range map[string]string{
		"plain":                       "plain",
		"org/snap":                    "snapshots/org/snap",
		"exact:1.0":                   "plain",
		"android-base:1.0":            "android-base-1.0",
		"docker.io/android-base:1.0":  "android-base-1.0",
		"docker.io/a/android-base:2":  "android-base",
		"android-base:latest":         "android-base",
		"android:LATEST":              "cf_vm",
		"localhost:5000/plain:latest": "plain",
		"127.0.0.1:15000/daytona/daytona-" + hash + ":daytona": "plain",
		"daytona-" + hash: "plain",
	} {
		fresh := image.NewCatalog(local(t), w.artifacts, w.home)
		base, err := fresh.Source(t.Context(), ref)
		if err != nil || base.Dir != w.dir(want) || base.Name != ref {
			t.Errorf("%s: got %s at %q, %v, want %s", ref, base.Name, base.Dir, err, want)
		}
	}
	id, err := w.catalog.InspectSource(t.Context(), "docker.io/plain:1.0")
	if err != nil || id.Hash != hash || id.Name != "docker.io/plain:1.0" {
		t.Errorf("got %+v, %v", id, err)
	}
}

func TestSourceSaysWhatExists(t *testing.T) {
	t.Parallel()
	w := newWorld(t).more(t)
	const known = "there are android-LATEST, android-base, android-base-1.0, cf_vm, plain"
	for ref, says := range map[string]string{
		"ubuntu:22.04":           "want a directory ubuntu-22.04 or ubuntu in " + w.artifacts,
		"docker.io/x/snapshots:": "want a directory snapshots- or snapshots in",
		"localhost:5000/plain":   "does not exist",
		"localhost:5000/":        "does not exist",
		"a/daytona-" + strings.Repeat("0", 64) + ":daytona": "no base image in " + w.artifacts + " has the hash 0000",
		"android-base@sha256:00":                            "want a directory",
		"plain/..:x":                                        "want a directory",
	} {
		_, err := w.catalog.Source(t.Context(), ref)
		wantError(t, err, fault.NotFound, says, known)
	}
	_, err := w.catalog.Source(t.Context(), "docker.io/library/plain")
	wantError(t, err, fault.Invalid)
}

func TestSourceLooksForAHashWhereItWasReadBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t).more(t)
	host, catalog := w.read(t)
	ref := "reg/p/daytona-" + inspect(t, catalog, "plain").Hash + ":daytona"
	before := host.files.Load()
	_, err := catalog.Source(t.Context(), ref)
	if now := host.files.Load(); err != nil || now != before {
		t.Errorf("%d more files were read, %v", now-before, err)
	}
}

func TestSourcePassesOverImagesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t).more(t)
	put(t, "\x3a\xff\x26\xed"+raw, w.artifacts, "a-sparse", "super.img")
	ref := "daytona-" + inspect(t, w.catalog, "plain").Hash
	_, err := w.catalog.Source(t.Context(), ref)
	must(t, err)
	_, err = w.catalog.Source(t.Context(), "daytona-"+strings.Repeat("f", 64))
	wantError(t, err, fault.NotFound, "not looked at: resolve image a-sparse", "simg2img")
	_, err = w.catalog.Source(t.Context(), "a:sparse")
	wantError(t, err, fault.Conflict, "simg2img")
}

func TestLinkGivesAnImageAnotherName(t *testing.T) {
	t.Parallel()
	w := newWorld(t).more(t)
	want := inspect(t, w.catalog, "android-LATEST")
	ref := "host:5000/p/daytona-" + want.Hash + ":daytona"
	for range 2 { // repeating it is success
		id, err := w.catalog.Link(t.Context(), "android-LATEST", ref)
		if err != nil || id.Hash != want.Hash || id.Bytes != want.Bytes || id.Name != ref {
			t.Fatalf("got %+v, %v", id, err)
		}
		wantDir(t, w.catalog, ref, w.images)
	}
	_, err := w.catalog.Link(t.Context(), ref, ref) // as on the second runner
	must(t, err)
	must(t, os.Remove(w.dir("android-LATEST")))
	must(t, os.Symlink("plain", w.dir("android-LATEST")))
	wantDir(t, w.catalog, ref, w.images) // did not move on
	w.wantRefs(t, 1)
}

func TestLinkMovesAReferenceThatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t).more(t)
	for _, name := range []string{"plain", "android-base", "cf_vm"} {
		_, err := w.catalog.Link(t.Context(), name, "x:1")
		must(t, err)
		wantDir(t, w.catalog, "x:1", w.dir(name))
	}
	must(t, os.RemoveAll(w.images)) // the link leads nowhere now
	if ok, err := w.catalog.Exists(t.Context(), "x:1"); ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
	_, err := w.catalog.Link(t.Context(), "plain", "x:1")
	must(t, err)
	wantDir(t, w.catalog, "x:1", w.dir("plain"))
	w.wantRefs(t, 1)
}

func TestLinkOfABaseImageToItsOwnNameDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t).more(t)
	for _, name := range []string{"cf_vm", "android-LATEST"} {
		id, err := w.catalog.Link(t.Context(), "android-LATEST", name)
		if err != nil || id.Name != name {
			t.Errorf("%s: got %+v, %v", name, id, err)
		}
	}
	w.wantRefs(t, 0)
}

func TestLinkRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t).more(t)
	for _, tc := range []struct {
		name, source, ref string
		kind              fault.Kind
		says              string
	}{
		{"an unlawful reference", "plain", "x: y", fault.Invalid, "printable"},
		{"an unlawful name", "plain", "../x", fault.Invalid, "image name"},
		{"a new name without a tag", "plain", "new", fault.Invalid, `image name "new" has no tag`},
		{"a new name with an organisation", "plain", "org/new", fault.Invalid, "has no tag"},
		{"the name of another image", "plain", "cf_vm", fault.Conflict, "image name cf_vm is taken"},
		{"a source that is not there", "missing", "x:1", fault.NotFound, "there are android-LATEST"},
		{"the hash of another image", "plain", "p/daytona-" + strings.Repeat("a", 64) + ":daytona", fault.Conflict, "inspect it again"},
	} {
		_, err := w.catalog.Link(t.Context(), tc.source, tc.ref)
		if !fault.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v (%v), want %v with %q", tc.name, err, fault.KindOf(err), tc.kind, tc.says)
		}
	}
	w.wantRefs(t, 0)
}

func TestALinkThatFailsHalfWayLeavesTheFormerOne(t *testing.T) {
	t.Parallel()
	for n := range 5 {
		t.Run(fmt.Sprintf("change %d", n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t).more(t)
			_, err := w.catalog.Link(t.Context(), "plain", "x:1")
			must(t, err)
			failing := image.NewCatalog(&dying{Host: local(t), n: n}, w.artifacts, w.home)
			want := w.images
			if _, err := failing.Link(t.Context(), "cf_vm", "x:1"); err != nil {
				wantError(t, err, fault.Exhausted, "no space left on device")
				want = w.dir("plain")
			}
			wantDir(t, w.catalog, "x:1", want)
			if got, err := w.catalog.Count(t.Context()); got != 6 || err != nil {
				t.Errorf("got %d, %v, want 6", got, err)
			}
			_, err = w.catalog.Link(t.Context(), "cf_vm", "x:1")
			must(t, err)
			wantDir(t, w.catalog, "x:1", w.images)
			_, err = w.catalog.Link(t.Context(), "plain", "x:1") // clears what the failure left
			must(t, err)
			w.wantRefs(t, 1)
		})
	}
}

func TestUnlinkRemovesReferencesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t).more(t)
	_, err := w.catalog.Link(t.Context(), "plain", "x:1")
	must(t, err)
	put(t, raw, w.artifacts, "snapshots", "org", "snap", "super.img")
	for _, name := range []string{"plain", "cf_vm", "android-LATEST", "org/snap", "missing", "missing:1", "docker.io/org/img"} {
		if removed, err := w.catalog.Unlink(t.Context(), name); removed || err != nil {
			t.Errorf("%s: got %v, %v, want false", name, removed, err)
		}
	}
	for _, want := range []bool{true, false} {
		if removed, err := w.catalog.Unlink(t.Context(), "x:1"); removed != want || err != nil {
			t.Errorf("got %v, %v, want %v", removed, err, want)
		}
	}
	for _, name := range []string{"plain", "cf_vm", "android-LATEST", "org/snap"} {
		if ok, err := w.catalog.Exists(t.Context(), name); !ok || err != nil {
			t.Errorf("%s: got %v, %v", name, ok, err)
		}
	}
	w.wantRefs(t, 0)
	_, err = w.catalog.Unlink(t.Context(), "x: y")
	wantError(t, err, fault.Invalid)
}

func TestAnImageAtTheNameOfAReferenceIsNeitherReplacedNorRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t).more(t)
	_, err := w.catalog.Link(t.Context(), "plain", "x:1")
	must(t, err)
	entries, err := os.ReadDir(w.refs())
	must(t, err)
	place := filepath.Join(w.refs(), entries[0].Name())
	must(t, os.Remove(place))
	put(t, raw, place, "super.img")
	_, err = w.catalog.Link(t.Context(), "plain", "x:1")
	wantError(t, err, fault.Conflict, place, "move it away")
	if removed, err := w.catalog.Unlink(t.Context(), "x:1"); removed || err != nil {
		t.Errorf("got %v, %v, want false", removed, err)
	}
	wantDir(t, w.catalog, "x:1", place)
}

func TestCountCountsWhatCanBeAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	count := func(want int) {
		t.Helper()
		if got, err := w.catalog.Count(t.Context()); got != want || err != nil {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
	count(2)
	for _, ref := range []string{"x:1", "x:2"} {
		_, err := w.catalog.Link(t.Context(), "cf_vm", ref)
		must(t, err)
	}
	count(4)
	must(t, os.Symlink("nowhere", filepath.Join(w.refs(), strings.Repeat("0", 64))))
	must(t, os.Symlink(w.images, filepath.Join(w.refs(), ".new-"+strings.Repeat("0", 64))))
	count(4)
	must(t, os.RemoveAll(w.artifacts))
	count(0)
}
