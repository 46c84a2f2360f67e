package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/fault"
)

// wholeFile is the most that ReadFile returns without a limit.
const wholeFile = 16 << 20

// ready checks what every method of [Files] demands.
func ready(ctx context.Context, paths ...string) error {
	for _, path := range paths {
		if err := checkPath(path); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ended(ctx, "reach "+paths[0])
	}
	return nil
}

func checkPath(path string) error {
	if !filepath.IsAbs(path) || strings.IndexByte(path, 0) >= 0 {
		return fault.Invalidf("path %q: want an absolute path without NUL", path)
	}
	return nil
}

// ReadFile returns the file or its end; see [Files]. Pipes and devices are refused: they have
// no end to read from, and opening them may wait for ever.
func (l *Local) ReadFile(ctx context.Context, path string, limit int64) ([]byte, error) {
	if err := ready(ctx, path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, wrap("", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, wrap("", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fault.Invalidf("read %s: not a regular file", path)
	}
	if limit <= 0 {
		return readWhole(f, path)
	}
	if info.Size() > limit {
		if _, err := f.Seek(info.Size()-limit, io.SeekStart); err != nil {
			return nil, wrap("", err)
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	return data, wrap("", err)
}

func readWhole(f *os.File, path string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, wholeFile+1))
	if err != nil {
		return nil, wrap("", err)
	}
	if len(data) > wholeFile {
		return nil, fault.New(fault.TooLarge, "read %s: more than %d bytes", path, wholeFile)
	}
	return data, nil
}

// WriteFile replaces path durably; see [Files]. The temporary file is named "." + base name +
// digits, beside path; only a kill in the midst leaves it behind.
func (l *Local) WriteFile(ctx context.Context, path string, data []byte, perm fs.FileMode) error {
	if err := ready(ctx, path); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithStaticPermissions(perm))
	if err != nil {
		return wrap("", err)
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(wrap("", err), f.Cleanup())
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return errors.Join(wrap("", err), f.Cleanup())
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return wrap("", err)
	}
	defer d.Close()
	return wrap("", d.Sync())
}

// Stat follows links; see [Files].
func (l *Local) Stat(ctx context.Context, path string) (FileInfo, error) {
	if err := ready(ctx, path); err != nil {
		return FileInfo{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return FileInfo{}, wrap("", err)
	}
	return fileInfo(info), nil
}

// Lstat does not follow links; see [Files].
func (l *Local) Lstat(ctx context.Context, path string) (FileInfo, error) {
	if err := ready(ctx, path); err != nil {
		return FileInfo{}, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return FileInfo{}, wrap("", err)
	}
	return fileInfo(info), nil
}

func fileInfo(info fs.FileInfo) FileInfo {
	f := FileInfo{Name: info.Name(), Size: info.Size(), Mode: info.Mode(), ModTime: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		f.Blocks, f.Device, f.Inode, f.UID = st.Blocks, st.Dev, st.Ino, int(st.Uid)
		f.Changed = time.Unix(st.Ctim.Unix())
	}
	return f
}

// ReadDir lists a directory by name, links as links; see [Files].
func (l *Local) ReadDir(ctx context.Context, path string) ([]FileInfo, error) {
	if err := ready(ctx, path); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, wrap("", err)
	}
	infos := make([]FileInfo, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // vanished meanwhile
		}
		if err != nil {
			return nil, wrap("", err)
		}
		infos = append(infos, fileInfo(info))
	}
	return infos, nil
}

// MkdirAll makes a directory and its parents, durably; see [Files].
func (l *Local) MkdirAll(ctx context.Context, path string, perm fs.FileMode) error {
	if err := ready(ctx, path); err != nil {
		return err
	}
	var fresh []string // directories that gain a name, the deepest first
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		fresh = append(fresh, filepath.Dir(dir))
	}
	if err := os.MkdirAll(path, perm); err != nil {
		return wrap("", err)
	}
	for _, dir := range fresh {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// Symlink makes path a link to target; see [Files].
func (l *Local) Symlink(ctx context.Context, target, path string) error {
	if err := ready(ctx, path); err != nil {
		return err
	}
	return wrap("", os.Symlink(target, path))
}

// EvalSymlinks returns the path without links; see [Files].
func (l *Local) EvalSymlinks(ctx context.Context, path string) (string, error) {
	if err := ready(ctx, path); err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	return real, wrap("", err)
}

// Rename moves a file or directory within its file system, durably; see [Files].
func (l *Local) Rename(ctx context.Context, from, to string) error {
	if err := ready(ctx, from, to); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return wrap("", err)
	}
	return syncDir(filepath.Dir(to))
}

// RemoveAll removes path and what is below it; see [Files]. It refuses the root.
func (l *Local) RemoveAll(ctx context.Context, path string) error {
	if err := ready(ctx, path); err != nil {
		return err
	}
	if filepath.Clean(path) == "/" {
		return fault.Internalf("remove /: refused")
	}
	return wrap("", os.RemoveAll(path))
}

// CreateSparse makes a file of holes; see [Files].
func (l *Local) CreateSparse(ctx context.Context, path string, size int64, perm fs.FileMode) error {
	if err := ready(ctx, path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return wrap("", err)
	}
	err = errors.Join(f.Chmod(perm), f.Truncate(size), f.Sync(), f.Close())
	if err != nil {
		return errors.Join(wrap("", err), os.Remove(path))
	}
	return nil
}

// Chtimes sets the modification time and leaves the time of access; see [Files].
func (l *Local) Chtimes(ctx context.Context, path string, mtime time.Time) error {
	if err := ready(ctx, path); err != nil {
		return err
	}
	return wrap("", os.Chtimes(path, time.Time{}, mtime))
}

// GiveToDeviceUser changes the owner of path, of a link itself; see [Files]. A runner that is
// not root is the device user, and what it made is that user's already.
func (l *Local) GiveToDeviceUser(ctx context.Context, path string) error {
	if err := ready(ctx, path); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return wrap("", os.Lchown(path, l.user.UID, l.user.GID))
}

// DiskFree asks the file system; see [Files]. Available leaves out what is kept for root.
func (l *Local) DiskFree(ctx context.Context, path string) (total, available int64, err error) {
	if err := ready(ctx, path); err != nil {
		return 0, 0, err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, wrap("statfs "+path, err)
	}
	return int64(st.Blocks) * st.Frsize, int64(st.Bavail) * st.Frsize, nil
}

// SHA256 returns the hex digest; see [Files]. It stops soon after ctx ends.
func (l *Local) SHA256(ctx context.Context, path string) (string, error) {
	if err := ready(ctx, path); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", wrap("", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.CopyBuffer(sum, &whileLive{ctx: ctx, r: f}, make([]byte, 1<<20)); err != nil {
		return "", wrap("digest "+path, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// whileLive reads until its context ends.
type whileLive struct {
	ctx context.Context
	r   io.Reader
}

// Read fails once the context has ended.
func (w *whileLive) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}
