package snapshot_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

func local(t testing.TB) *host.Local {
	t.Helper()
	l, err := host.NewLocal(host.LocalOptions{User: host.DeviceUser{Name: "tester", UID: os.Geteuid(), GID: os.Getegid(), Home: "/"}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, content string, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o640))
	return path
}

func read(t testing.TB, parts ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	must(t, err)
	return string(data)
}

// instance makes the directory of a stopped device whose disk has a text at 1 MiB.
func instance(t testing.TB, text string, style qcow2.Style, size int64) string {
	t.Helper()
	dir := t.TempDir()
	put(t, "composite", dir, "os_composite.img")
	img, err := qcow2.Create(filepath.Join(dir, "overlay.img"), qcow2.Options{Size: size, Backing: filepath.Join(dir, "os_composite.img"), Style: style})
	must(t, err)
	_, err = img.WriteAt([]byte(text), 1<<20)
	must(t, err)
	must(t, img.Close())
	put(t, "sd "+text, dir, "sdcard.img")
	put(t, "zeros", dir, "metadata") // as newer packages call it
	put(t, "frp "+text, dir, "internal", "factory_reset_protected.img")
	put(t, "tpm "+text, dir, "NVChip")
	return dir
}

// onDisk is the text of a device's disk.
func onDisk(t testing.TB, dir string) string {
	t.Helper()
	img, err := qcow2.Open(filepath.Join(dir, "overlay.img"))
	must(t, err)
	defer func() { must(t, img.Close()) }()
	buf := make([]byte, 4)
	_, err = img.ReadAt(buf, 1<<20)
	must(t, err)
	return string(buf)
}

// world is an artifacts directory with a base image.
type world struct {
	artifacts, base string
	home            string // of the host package
	store           *snapshot.Store
	resumes         int
	stuck           error // of a device that does not go on
}

func newWorld(t testing.TB, h host.Host) *world {
	t.Helper()
	w := &world{artifacts: filepath.Join(t.TempDir(), "artifacts"), home: t.TempDir()}
	put(t, "", w.home, "bin", "cvd_internal_start")
	w.base = filepath.Join(w.artifacts, "android-1")
	put(t, "super", w.base, "super.img")
	put(t, "boot", w.base, "boot.img")
	w.store = snapshot.New(snapshot.Options{Host: h, Artifacts: w.artifacts})
	return w
}

func (w *world) source(dir string, how snapshot.Consistency) snapshot.Source {
	return snapshot.Source{
		Sandbox: "dev1", BaseImage: "android-1", ImageDir: w.base, InstanceDir: dir, Flags: []string{"--cpus=2"},
		Images:    []snapshot.File{{Name: "boot.img", Size: 4, SHA256: hexOf("boot")}, {Name: "super.img", Size: 5, SHA256: hexOf("super")}},
		Resources: snapshot.Resources{CPUs: 2, MemoryMB: 2048, DiskGB: 8},
		Quiet: func(context.Context) (snapshot.Quiet, error) {
			return snapshot.Quiet{How: how, Since: time.Now(), Resume: func(context.Context) error { w.resumes++; return w.stuck }}, nil
		},
	}
}

func quietly(sandbox.Progress) {}

// dying is a host whose changes fail from the n-th on, as those of a runner that was killed.
type dying struct {
	host.Host
	n int
}

var errDead = errors.New("the runner is dead")

func (d *dying) change(act func() error) error {
	if d.n--; d.n >= 0 {
		return act()
	}
	return errDead
}

func (d *dying) MkdirAll(ctx context.Context, p string, m fs.FileMode) error {
	return d.change(func() error { return d.Host.MkdirAll(ctx, p, m) })
}

func (d *dying) Symlink(ctx context.Context, target, p string) error {
	return d.change(func() error { return d.Host.Symlink(ctx, target, p) })
}

func (d *dying) Rename(ctx context.Context, from, to string) error {
	return d.change(func() error { return d.Host.Rename(ctx, from, to) })
}

func (d *dying) RemoveAll(ctx context.Context, p string) error {
	return d.change(func() error { return d.Host.RemoveAll(ctx, p) })
}

func (d *dying) WriteFile(ctx context.Context, p string, data []byte, m fs.FileMode) error {
	return d.change(func() error { return d.Host.WriteFile(ctx, p, data, m) })
}

func (d *dying) Overwrite(ctx context.Context, from, to string, n int64) error {
	return d.change(func() error { return d.Host.Overwrite(ctx, from, to, n) })
}

func (d *dying) Create(ctx context.Context, p string, n int64) (w host.Writer, err error) {
	err = d.change(func() error { w, err = d.Host.Create(ctx, p, n); return err })
	return w, err
}

// full is a host with so many bytes free, whose files can be written so often.
type full struct {
	host.Host
	free   int64
	writes int
}

func (f *full) DiskFree(context.Context, string) (total, available int64, err error) {
	return 1 << 40, f.free, nil
}

// filling is a host whose disk has room at the first look only.
type filling struct {
	host.Host
	looks int
}

func (f *filling) DiskFree(context.Context, string) (total, available int64, err error) {
	if f.looks++; f.looks > 1 {
		return 1 << 40, 0, nil
	}
	return 1 << 40, 1 << 40, nil
}

func (f *full) Create(ctx context.Context, p string, n int64) (host.Writer, error) {
	w, err := f.Host.Create(ctx, p, n)
	return &fullWriter{w, f}, err
}

// Copy leaves nothing when it fails, as that of a host.
func (f *full) Copy(ctx context.Context, from, to string) (int64, error) {
	if f.writes--; f.writes < 0 {
		return 0, fault.Wrap(fault.Exhausted, "copy", syscall.ENOSPC)
	}
	return f.Host.Copy(ctx, from, to)
}

func (f *full) WriteFile(ctx context.Context, p string, data []byte, m fs.FileMode) error {
	if f.writes--; f.writes < 0 {
		return fault.Wrap(fault.Exhausted, "write", syscall.ENOSPC)
	}
	return f.Host.WriteFile(ctx, p, data, m)
}

type fullWriter struct {
	host.Writer
	disk *full
}

func (w *fullWriter) WriteAt(p []byte, at int64) (int, error) {
	if w.disk.writes--; w.disk.writes < 0 {
		return 0, &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return w.Writer.WriteAt(p, at)
}

// Copy leaves half a file when it dies, as a kill does.
func (d *dying) Copy(ctx context.Context, from, to string) (copied int64, err error) {
	if d.n == 0 {
		_ = os.WriteFile(to, []byte("half"), 0o600)
	}
	err = d.change(func() error { copied, err = d.Host.Copy(ctx, from, to); return err })
	return copied, err
}
