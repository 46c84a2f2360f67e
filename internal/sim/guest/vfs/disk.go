package vfs

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guestfs"
)

// Info describes one file; it is the disk's own description.
type Info = guestfs.Info

// File is an open file. Closing it twice is harmless.
type File interface {
	io.Reader
	io.Writer
	io.Closer
	Stat() (Info, error)
}

// Positioned is what files on the disk can do besides, and devices and generated files cannot.
type Positioned interface {
	io.ReaderAt
	io.WriterAt
	io.Seeker
	Truncate(size int64) error
}

// Disk stores what the guest writes. Paths are absolute; permissions are stored, not enforced.
type Disk interface {
	Lstat(path string) (Info, error)
	ReadDir(path string) ([]Info, error)
	OpenFile(path string, flag int, perm fs.FileMode) (File, error)
	Mkdir(path string, perm fs.FileMode) error
	Remove(path string) error
	Rename(from, to string) error
	Symlink(target, path string) error
	Mkfifo(path string, perm fs.FileMode) error
	Readlink(path string) (string, error)
	Chmod(path string, mode fs.FileMode) error
	Chown(path string, uid, gid int) error
	Chtimes(path string, mtime time.Time) error
	Usage() (total, used int64)
	Sync() error
}

// OnDisk makes a Disk of f. The caller keeps f and closes it after the last use of the tree.
func OnDisk(f *guestfs.FS) Disk { return disk{f} }

type disk struct{ *guestfs.FS }

func (d disk) OpenFile(path string, flag int, perm fs.FileMode) (File, error) {
	f, err := d.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Errno is the guest's error number behind err, EIO when it has none.
func Errno(err error) syscall.Errno {
	var no syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &no):
		return no
	case errors.Is(err, fs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, fs.ErrExist):
		return syscall.EEXIST
	case errors.Is(err, fs.ErrPermission):
		return syscall.EACCES
	case errors.Is(err, fs.ErrClosed):
		return syscall.EBADF
	}
	return syscall.EIO
}

// Reason words err as the guest's C library would: "No such file or directory".
func Reason(err error) string {
	text := Errno(err).Error()
	if text[0] >= 'a' && text[0] <= 'z' {
		return string(text[0]-'a'+'A') + text[1:]
	}
	return text
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: Errno(err)}
}
