package vfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs/guestfstest"
)

// newTree is a tree with /data on the disk (owned by 1000) and a small image beside it.
func newTree(t testing.TB) *vfs.FS {
	t.Helper()
	fsys, err := guestfs.Open(guestfstest.NewDisk(16<<20), guestfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fsys.Close() })
	disk := vfs.OnDisk(fsys)
	for _, dir := range []string{"/data", "/data/tmp", "/data/secret"} {
		if err := errors.Join(disk.Mkdir(dir, 0o755), disk.Chown(dir, 1000, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(disk.Chown("/data/tmp", 2000, 2000), disk.Chmod("/data/secret", 0o700)); err != nil {
		t.Fatal(err)
	}
	image := vfs.Dir(0o755, map[string]*vfs.Node{
		"etc":  vfs.Dir(0o755, map[string]*vfs.Node{"motd": vfs.Text(0o644, func() []byte { return []byte("hi") })}),
		"tmp":  vfs.Link("/data/tmp"),
		"loop": vfs.Link("/loop"),
	})
	return vfs.New(disk, image, "data")
}

func write(v *vfs.View, path, text string) error {
	f, err := v.Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.WriteString(f, text)
	return err
}

func read(v *vfs.View, path string) (string, error) {
	f, err := v.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	return string(text), err
}

func TestPathsLeadAcrossTheLayers(t *testing.T) {
	t.Parallel()
	v := newTree(t).As(vfs.Cred{UID: 2000, GID: 2000})
	if err := write(v, "/tmp/../data/./tmp//a", "text"); err == nil {
		t.Error("/tmp/.. is /data, where this user may not write below data/")
	}
	if err := errors.Join(write(v, "/tmp/a", "text"), v.Symlink("../../etc/motd", "/tmp/l"), v.Symlink("new", "/tmp/dangling")); err != nil {
		t.Fatal(err)
	}
	if err := write(v, "/tmp/dangling", "through"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/data/tmp/a": "text", "/tmp/l": "hi", "/tmp/new": "through", "/etc/../tmp/./a": "text", "/../../data/tmp/a": "text",
	} {
		if got, err := read(v, path); got != want || err != nil {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if got, err := v.RealPath("/tmp/l"); got != "/etc/motd" || err != nil {
		t.Errorf("real path %q, %v", got, err)
	}
	list, err := v.ReadDir("/")
	if err != nil || len(list) != 4 || list[0].Name != "data" {
		t.Errorf("root: %v, %v", list, err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	tree := newTree(t)
	shell, root := tree.As(vfs.Cred{UID: 2000, GID: 2000}), tree.As(vfs.Cred{})
	if err := errors.Join(write(root, "/data/secret/x", "x"), write(root, "/data/mine", "x"), root.Chmod("/data/mine", 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		err  error
		want syscall.Errno
	}{
		{"a loop of links", stat(shell, "/loop/x"), syscall.ELOOP},
		{"a file as directory", stat(shell, "/etc/motd/x"), syscall.ENOTDIR},
		{"a file with a slash", stat(shell, "/etc/motd/"), syscall.ENOTDIR},
		{"a missing file", stat(shell, "/data/none"), syscall.ENOENT},
		{"a relative path", stat(shell, "data"), syscall.ENOENT},
		{"a NUL", stat(shell, "/data\x00"), syscall.ENOENT},
		{"a path too long", stat(shell, "/"+strings.Repeat("a/", 3000)), syscall.ENAMETOOLONG},
		{"a name too long", write(shell, "/tmp/"+strings.Repeat("a", 256), ""), syscall.ENAMETOOLONG},
		{"another's directory", stat(shell, "/data/secret/x"), syscall.EACCES},
		{"another's file", second(read(shell, "/data/mine")), syscall.EACCES},
		{"writing where one may not", write(shell, "/data/new", ""), syscall.EACCES},
		{"writing the image as root", write(root, "/etc/new", ""), syscall.EROFS},
		{"writing an image's file as root", write(root, "/etc/motd", ""), syscall.EROFS},
		{"removing a root of the disk", root.Remove("/data"), syscall.EROFS},
		{"removing what is full", root.Remove("/data/secret"), syscall.ENOTEMPTY},
		{"giving away", shell.Chown("/tmp", 0, 0), syscall.EPERM},
		{"another's mode", shell.Chmod("/data/mine", 0o777), syscall.EPERM},
		{"a directory twice", root.Mkdir("/data/tmp", 0o777), syscall.EEXIST},
		{"opening a directory", second(read(root, "/data")), syscall.EISDIR},
	} {
		var path *fs.PathError
		if vfs.Errno(c.err) != c.want || !errors.As(c.err, &path) {
			t.Errorf("%s: got %v, want %v", c.name, c.err, c.want)
		}
	}
	if got := vfs.Reason(stat(shell, "/none")); got != "No such file or directory" {
		t.Errorf("reason %q", got)
	}
}

func stat(v *vfs.View, path string) error {
	_, err := v.Stat(path)
	return err
}

func second[T any](_ T, err error) error { return err }

func TestModesRoundTrip(t *testing.T) {
	t.Parallel()
	for bits := range uint32(0o10000) {
		if got := vfs.UnixMode(vfs.FileMode(bits)) & 0o7777; got != bits {
			t.Fatalf("%o became %o", bits, got)
		}
	}
	if got := vfs.ModeString(vfs.FileMode(0o6751) | fs.ModeDir); got != "drwsr-s--x" {
		t.Errorf("got %s", got)
	}
}

func FuzzWalk(f *testing.F) {
	for _, path := range []string{"/tmp/../a", "/loop", "//", "/data/tmp/a/b", "../..", "/etc/motd/."} {
		f.Add(path)
	}
	v := newTree(f).As(vfs.Cred{UID: 2000, GID: 2000})
	f.Fuzz(func(t *testing.T, path string) {
		real, err := v.RealPath(path)
		if err != nil {
			return
		}
		if again, err := v.RealPath(real); err != nil || again != real {
			t.Errorf("%q leads to %q, which leads to %q, %v", path, real, again, err)
		}
	})
}

func TestALinkLeavesItsTargetAlone(t *testing.T) {
	t.Parallel()
	tree := newTree(t)
	shell := tree.As(vfs.Cred{UID: 2000, GID: 2000})
	if err := shell.Symlink("/data/secret", "/tmp/s"); err != nil {
		t.Fatal(err)
	}
	if info, err := tree.As(vfs.Cred{}).Stat("/data/secret"); err != nil || info.UID != 1000 {
		t.Errorf("%+v, %v", info, err)
	}
}
