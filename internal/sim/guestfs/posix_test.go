package guestfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// errnoOf is the number below any wrapping, 0 for nil.
func errnoOf(err error) syscall.Errno {
	var n syscall.Errno
	if err != nil && !errors.As(err, &n) {
		return syscall.Errno(9999)
	}
	return n
}

// TestBehavesLikeTheKernel makes the same calls here and in a real directory. Targets of links
// are relative, so that they mean the same in both.
func TestBehavesLikeTheKernel(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		root := filepath.Join(base, fmt.Sprint(round))
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		dev := newDisk(4 << 20)
		f := mustOpen(t, dev, Options{FlushBytes: 2000})
		real := func(path string) string { return root + path }
		path := rapid.Custom(func(t *rapid.T) string {
			names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "l", "m", "."}), 1, 4).Draw(t, "names")
			return "/" + strings.Join(names, "/") + rapid.SampledFrom([]string{"", "", "", "", "", "/"}).Draw(t, "slash")
		})
		same := func(t *rapid.T, what string, ours, theirs error) {
			t.Helper()
			if a, b := errnoOf(ours), errnoOf(theirs); a != b {
				t.Fatalf("%s: here %v, kernel %v", what, ours, theirs)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"mkdir": func(t *rapid.T) {
				p := strings.TrimSuffix(path.Draw(t, "path"), "/")
				same(t, "mkdir "+p, f.Mkdir(p, 0o755), syscall.Mkdir(real(p), 0o755))
			},
			"symlink": func(t *rapid.T) {
				p := strings.TrimSuffix(path.Draw(t, "path"), "/")
				target := strings.Trim(path.Draw(t, "target"), "/")
				if target == "." {
					target = "a" // keeps the walk inside of the root in both worlds
				}
				same(t, "symlink "+p, f.Symlink(target, p), syscall.Symlink(target, real(p)))
			},
			"rename": func(t *rapid.T) {
				// Paths that end in "." are refused by the kernel and cleaned here.
				from, to := path.Draw(t, "from"), path.Draw(t, "to")
				if endsInDot(from) || endsInDot(to) {
					t.Skip("cleaned here")
				}
				from, to = strings.TrimSuffix(from, "/"), strings.TrimSuffix(to, "/")
				same(t, "rename "+from+" "+to, f.Rename(from, to), syscall.Rename(real(from), real(to)))
			},
			"remove": func(t *rapid.T) {
				p := strings.TrimSuffix(path.Draw(t, "path"), "/")
				if endsInDot(p) {
					t.Skip("cleaned here")
				}
				theirs := syscall.Unlink(real(p))
				if theirs == syscall.EISDIR {
					theirs = syscall.Rmdir(real(p))
				}
				same(t, "remove "+p, f.Remove(p), theirs)
			},
			"write": func(t *rapid.T) {
				p := path.Draw(t, "path")
				if endsInDot(p) {
					t.Skip("cleaned here")
				}
				flag := os.O_RDWR
				for _, bit := range []int{os.O_CREATE, os.O_CREATE, os.O_TRUNC, os.O_EXCL, os.O_APPEND} {
					if rapid.Bool().Draw(t, "flag") {
						flag |= bit
					}
				}
				if flag&os.O_CREATE == 0 {
					flag &^= os.O_EXCL // means nothing without
				}
				ours, err := f.OpenFile(p, flag, 0o644)
				fd, theirErr := syscall.Open(real(p), flag|syscall.O_CLOEXEC, 0o644)
				same(t, fmt.Sprintf("open %s %#x", p, flag), err, theirErr)
				if err != nil {
					return
				}
				data := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.IntRange(0, 1500).Draw(t, "n"))
				theirs := os.NewFile(uintptr(fd), p)
				defer theirs.Close()
				if flag&os.O_APPEND == 0 {
					off := int64(rapid.IntRange(0, 3000).Draw(t, "off"))
					if _, err := ours.Seek(off, io.SeekStart); err != nil {
						t.Fatal(err)
					}
					if _, err := theirs.Seek(off, io.SeekStart); err != nil {
						t.Fatal(err)
					}
				}
				_, err = ours.Write(data)
				_, theirErr = syscall.Write(fd, data)
				same(t, "write", err, theirErr)
				if rapid.Bool().Draw(t, "truncate") {
					size := int64(rapid.IntRange(0, 4000).Draw(t, "size"))
					same(t, "truncate", ours.Truncate(size), theirs.Truncate(size))
				}
				same(t, "close", ours.Close(), nil)
			},
			"chmod": func(t *rapid.T) {
				p := path.Draw(t, "path")
				mode := rapid.Uint32Range(0o600, 0o777).Draw(t, "mode") | 0o700
				same(t, "chmod "+p, f.Chmod(p, fs.FileMode(mode)), syscall.Chmod(real(p), mode))
			},
			"reopen": func(t *rapid.T) {
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				f = mustOpen(t, dev, Options{FlushBytes: 2000})
			},
			"compact": func(t *rapid.T) {
				if err := f.compact(); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				checkBooks(t, f)
				compareTrees(t, f, root)
			},
		})
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
	})
}

func endsInDot(p string) bool {
	p = strings.TrimRight(p, "/")
	return p == "" || strings.HasSuffix(p, "/.")
}

// compareTrees walks the real directory and the file system at once.
func compareTrees(t *rapid.T, f *FS, root string) {
	t.Helper()
	count := 0
	err := filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		count++
		guest := "/" + strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		info, err := f.Lstat(guest)
		if err != nil {
			return err
		}
		if guest != "/" && (uint32(info.Mode.Perm()) != st.Mode&0o777 || info.Mode.IsDir() != (st.Mode&unix.S_IFMT == unix.S_IFDIR)) {
			return fmt.Errorf("%s: mode %v, kernel %o", guest, info.Mode, st.Mode)
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			want, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			got, err := f.readFile(guest)
			if err != nil || !bytes.Equal(got, want) {
				return fmt.Errorf("%s: %d bytes (%w), kernel %d", guest, len(got), err, len(want))
			}
		case unix.S_IFLNK:
			want, _ := os.Readlink(p)
			if info.Target != want || info.Size != st.Size {
				return fmt.Errorf("%s: leads to %q, kernel %q", guest, info.Target, want)
			}
		}
		_, ours := f.Stat(guest)
		theirs := unix.Stat(p, &st)
		if errnoOf(ours) != errnoOf(theirs) {
			return fmt.Errorf("stat %s: %w, kernel %w", guest, ours, theirs)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.tree.nodes); n != count {
		t.Fatalf("%d nodes, kernel has %d", n, count)
	}
}

func TestErrorsOfPaths(t *testing.T) {
	t.Parallel()
	f := mustOpen(t, newDisk(1<<20), Options{})
	must(t, f.Mkdir("/dir", 0o755))
	must(t, f.writeFile("/dir/file", []byte("x")))
	must(t, f.Symlink("/loop2", "/loop1"))
	must(t, f.Symlink("/loop1", "/loop2"))
	must(t, f.Symlink("../../../dir/file", "/dir/up"))
	long := strings.Repeat("n", 256)
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"a path that is not absolute", second(f.Stat("dir")), syscall.EINVAL},
		{"an empty path", second(f.Stat("")), syscall.ENOENT},
		{"NUL in a path", second(f.Stat("/a\x00")), syscall.EINVAL},
		{"a name of 256 bytes", f.Mkdir("/"+long, 0o755), syscall.ENAMETOOLONG},
		{"a name of 255 bytes", f.Mkdir("/"+long[1:], 0o755), nil},
		{"a path of more than 4096 bytes", second(f.Stat(strings.Repeat("/dir/..", 600))), syscall.ENAMETOOLONG},
		{"links in a circle", second(f.Stat("/loop1")), syscall.ELOOP},
		{"lstat of such a link", second(f.Lstat("/loop1")), nil},
		{"a file as a directory", second(f.Stat("/dir/file/x")), syscall.ENOTDIR},
		{"a slash behind a file", second(f.Stat("/dir/file/")), syscall.ENOTDIR},
		{"dots above the root", second(f.Stat("/../../dir/../../dir/file")), nil},
		{"a link above the root", second(f.Stat("/dir/up")), nil},
		{"the root as victim", f.Remove("/"), syscall.EBUSY},
		{"the root on the move", f.Rename("/", "/x"), syscall.EBUSY},
		{"a directory that is not empty", f.Remove("/dir"), syscall.ENOTEMPTY},
		{"a directory into itself", f.Rename("/dir", "/dir/sub"), syscall.EINVAL},
		{"writing to a directory", second(f.OpenFile("/dir", os.O_WRONLY, 0)), syscall.EISDIR},
		{"what is not there", f.Remove("/none"), fs.ErrNotExist},
		{"what is there already", f.Mkdir("/dir", 0o755), fs.ErrExist},
		{"exclusive over a link that leads nowhere", second(f.OpenFile("/loop1", os.O_CREATE|os.O_EXCL, 0)), syscall.EEXIST},
		{"readlink of a file", second(f.Readlink("/dir/file")), syscall.EINVAL},
		{"readdir of a file", second(f.ReadDir("/dir/file")), syscall.ENOTDIR},
		{"a link without target", f.Symlink("", "/l"), syscall.ENOENT},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
		if known := (*fs.PathError)(nil); c.err != nil && !errors.As(c.err, &known) {
			t.Errorf("%s: %T is no *fs.PathError", c.name, c.err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestAttributesSurvive(t *testing.T) {
	t.Parallel()
	dev := newDisk(1 << 20)
	f := mustOpen(t, dev, Options{})
	must(t, f.writeFile("/a", []byte("hello")))
	must(t, f.Chmod("/a", 0o4711|fs.ModeSetuid|fs.ModeDir))
	must(t, f.Chown("/a", 10086, -1))
	when := time.Unix(1_234_567_890, 987_654_321)
	must(t, f.Chtimes("/a", when))
	must(t, f.Symlink("a", "/link"))
	before, err := f.Stat("/link")
	must(t, err)
	must(t, f.Close())
	f = mustOpen(t, dev, Options{})
	got, err := f.Stat("/link")
	must(t, err)
	want := Info{Name: "a", Size: 5, Mode: 0o711 | fs.ModeSetuid, UID: 10086, ModTime: when, Inode: before.Inode, Nlink: 1}
	if got.ModTime.Equal(want.ModTime) {
		got.ModTime = want.ModTime
	}
	if got != want || before.Inode == 0 {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	root, err := f.Stat("/")
	if err != nil || root.Name != "/" || root.Inode != rootInode || root.Nlink != 2 {
		t.Errorf("root is %+v, %v", root, err)
	}
}

func TestFileHandles(t *testing.T) {
	t.Parallel()
	dev := newDisk(1 << 20)
	f := mustOpen(t, dev, Options{})
	h, err := f.OpenFile("/gone", os.O_CREATE|os.O_RDWR, 0o600)
	must(t, err)
	_, err = h.Write([]byte("still here"))
	must(t, err)
	must(t, f.Remove("/gone"))
	must(t, f.compact())
	_, err = h.WriteAt([]byte("STILL"), 0)
	must(t, err)
	got := make([]byte, 20)
	if n, err := h.ReadAt(got, 0); string(got[:n]) != "STILL here" || !errors.Is(err, io.EOF) {
		t.Errorf("a removed open file reads %q, %v", got[:n], err)
	}
	if info, err := h.Stat(); err != nil || info.Nlink != 0 || info.Size != 10 {
		t.Errorf("a removed open file is %+v, %v", info, err)
	}
	if _, err := h.Seek(-1, io.SeekStart); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("seek to -1: %v", err)
	}
	must(t, h.Close())
	if err := h.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
	if _, err := h.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if n := len(f.tree.nodes); n != 1 {
		t.Errorf("%d nodes are left, want the root only", n)
	}
	must(t, f.writeFile("/ro", []byte("1")))
	ro, err := f.OpenFile("/ro", os.O_RDONLY, 0)
	must(t, err)
	if _, err := ro.Write([]byte("x")); !errors.Is(err, syscall.EBADF) {
		t.Errorf("write to a read-only file: %v", err)
	}
	ap, err := f.OpenFile("/ro", os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	if _, err := ap.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("WriteAt with O_APPEND: %v", err)
	}
	if _, err := ap.Read(make([]byte, 1)); !errors.Is(err, syscall.EBADF) {
		t.Errorf("read of a write-only file: %v", err)
	}
	must(t, f.Close())
	if _, err := f.Stat("/"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("stat after Close: %v", err)
	}
	if err := ro.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("file close after Close: %v", err)
	}
	checkBooks(t, mustOpen(t, dev, Options{}))
}
