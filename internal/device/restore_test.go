package device

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
	"github.com/daytonaio/runner-android/internal/image"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

// Ensure a device is not made of other base images than those of its snapshot, whatever their times and sizes are, and that
// what differs is said.
func TestADeviceHasTheImagesOfItsSnapshot(t *testing.T) {
	t.Parallel()
	artifacts := t.TempDir()
	dir := filepath.Join(artifacts, "cf")
	for _, file := range []string{"cf/super.img", "cf/boot.img", "cf/fetcher_config.json", "bin/cvd_internal_start"} {
		path := filepath.Join(artifacts, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(filepath.Base(file)), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	h, err := host.NewLocal(host.LocalOptions{User: host.DeviceUser{Name: "tester", UID: os.Geteuid(), GID: os.Getegid(), Home: "/"}})
	if err != nil {
		t.Fatal(err)
	}
	d := devicesOn(t, h, 1)[0]
	d.o.Images = image.NewCatalog(h, artifacts, artifacts)
	base, err := d.o.Images.Resolve(t.Context(), "cf")
	if err != nil {
		t.Fatal(err)
	}
	read, err := d.o.Images.Digest(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	var want []snapshot.File
	for _, f := range read.Files {
		want = append(want, snapshot.File{Name: f.Name, Size: f.Size, SHA256: f.SHA256})
	}
	for name, tc := range map[string]struct {
		want []snapshot.File
		says string
	}{
		"the same":             {want, ""},
		"an unknown manifest":  {nil, ""},
		"an image too many":    {want[:len(want)-1], "there is a base image super.img"},
		"an image too few":     {append([]snapshot.File{{Name: "vendor.img", SHA256: "00"}}, want...), "base image vendor.img in"},
		"a text file too many": {append(want[:1:1], want[2:]...), ""},
	} {
		if err := d.haveImages(t.Context(), base, tc.want); (err == nil) != (tc.says == "") || err != nil && (!fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := errors.Join(os.WriteFile(dir+"/super.img", []byte("SUPER.IMG"), 0o644), os.Chtimes(dir+"/super.img", base.Files[2].ModTime, base.Files[2].ModTime)); err != nil {
		t.Fatal(err)
	}
	if err := d.haveImages(t.Context(), base, want); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "base image super.img") {
		t.Errorf("with another image of the same size and time: %v", err)
	}
}

// Ensure a guest that does not answer is not taken for one that has lost its data.
func TestAGuestThatDoesNotSayWhatItHas(t *testing.T) {
	t.Parallel()
	h, err := host.NewLocal(host.LocalOptions{User: host.DeviceUser{Name: "tester", UID: os.Geteuid(), GID: os.Getegid(), Home: "/"}})
	if err != nil {
		t.Fatal(err)
	}
	d := devicesOn(t, h, 1)[0]
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := d.findSentinel(ctx, snapshot.Manifest{Sentinel: "acme/golden"}); !fault.Is(err, fault.Unavailable) || errors.Is(err, errOtherData) {
		t.Errorf("got %v", err)
	}
	if err := d.findSentinel(ctx, snapshot.Manifest{}); err != nil {
		t.Errorf("without a sentinel: %v", err)
	}
}

// Ensure a device does not get the data of another snapshot that has taken its own's place, nor of none.
func TestASnapshotThatIsReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	h, err := host.NewLocal(host.LocalOptions{User: host.DeviceUser{Name: "tester", UID: os.Geteuid(), GID: os.Getegid(), Home: "/"}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	manifest := func(source string) {
		text := `{"name":"golden","orgId":"acme","formatVersion":1,"qcow2":{},"sourceSandbox":"` + source + `"}`
		if err := os.WriteFile(dir+"/manifest.json", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := devicesOn(t, h, 1)[0]
	d.o.Snapshots = snapshot.New(snapshot.Options{Host: h, Artifacts: t.TempDir()})
	manifest("dev1")
	_, of, err := d.o.Snapshots.Read(t.Context(), dir)
	if err != nil || of == "" {
		t.Fatalf("%q, %v", of, err)
	}
	d.rec.Restore, d.rec.RestoreOf = dir, of
	if m, err := d.toRestore(t.Context()); err != nil || m.Source != "dev1" {
		t.Errorf("its own: %+v, %v", m, err)
	}
	manifest("dev2")
	if _, err := d.toRestore(t.Context()); !errors.Is(err, snapshot.ErrRemoved) || !fault.Is(err, fault.Conflict) {
		t.Errorf("another in its place: %v", err)
	}
	d.rec.RestoreOf = "" // as an older runner recorded it
	if m, err := d.toRestore(t.Context()); err != nil || m.Source != "dev2" {
		t.Errorf("not known which: %+v, %v", m, err)
	}
	if err := os.Remove(dir + "/manifest.json"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.toRestore(t.Context()); !errors.Is(err, snapshot.ErrRemoved) {
		t.Errorf("none: %v", err)
	}
}
