package vfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Cred is a user with its groups. UID 0 may do everything.
type Cred struct {
	UID, GID int
	Groups   []int
}

// The ways a file can be used; their bits are those of a mode's last octal digit.
const (
	search = 1
	write  = 2
	read   = 4
)

// View is the tree as one process sees it. Paths are absolute. A View is safe for concurrent use
// while its fields are left alone.
type View struct {
	Cred
	Umask fs.FileMode
	// PID is the process that looks, for /proc/self.
	PID int
	// Descriptor opens /dev/fd/N of that process; nil means it has none.
	Descriptor func(n int) (io.ReadWriter, error)
	// Ctx ends what waits: the opening of a named pipe, and reads from it. Nil waits for ever.
	Ctx context.Context

	fs *FS
}

// As is the tree as c sees it.
func (f *FS) As(c Cred) *View { return &View{Cred: c, Umask: 0o022, fs: f} }

func (v *View) may(info Info, want fs.FileMode) bool {
	perm := info.Mode.Perm()
	switch {
	case v.UID == 0:
		return true
	case v.UID == info.UID:
		perm >>= 6
	case v.GID == info.GID || slices.Contains(v.Groups, info.GID):
		perm >>= 3
	}
	return perm&want == want
}

// Access checks mode (4 read, 2 write, 1 execute or search) on the file p leads to.
func (v *View) Access(p string, mode uint32) error {
	at, err := v.walk(p, true)
	want := fs.FileMode(mode) & 7
	switch {
	case err != nil:
	case !v.may(at.info, want):
		err = syscall.EACCES
	case want&search != 0 && !at.info.Mode.IsDir() && at.info.Mode.Perm()&0o111 == 0:
		err = syscall.EACCES
	case want&write != 0 && !at.onDisk() && at.info.Mode&fs.ModeDevice == 0:
		err = syscall.EROFS
	}
	return pathError("access", p, err)
}

// Stat describes what p leads to.
func (v *View) Stat(p string) (Info, error) { return v.stat(p, true) }

// Lstat describes p itself, also when it is a link.
func (v *View) Lstat(p string) (Info, error) { return v.stat(p, false) }

func (v *View) stat(p string, follow bool) (Info, error) {
	at, err := v.walk(p, follow)
	if err != nil {
		return Info{}, pathError("stat", p, err)
	}
	at.info.Name = path.Base(p)
	return at.info, nil
}

// RealPath is p with every link and dot resolved.
func (v *View) RealPath(p string) (string, error) {
	at, err := v.walk(p, true)
	return at.path, pathError("realpath", p, err)
}

// Readlink is the target of link p.
func (v *View) Readlink(p string) (string, error) {
	at, err := v.walk(p, false)
	if err == nil && at.info.Mode&fs.ModeSymlink == 0 {
		err = syscall.EINVAL
	}
	return at.info.Target, pathError("readlink", p, err)
}

// ReadDir lists directory p by name, without . and ..; links are not followed.
func (v *View) ReadDir(p string) ([]Info, error) {
	at, err := v.walk(p, true)
	switch {
	case err != nil:
	case !at.info.Mode.IsDir():
		err = syscall.ENOTDIR
	case !v.may(at.info, read):
		err = syscall.EACCES
	}
	if err != nil {
		return nil, pathError("readdir", p, err)
	}
	if at.onDisk() {
		list, err := v.fs.disk.ReadDir(at.path)
		return list, pathError("readdir", p, err)
	}
	var list []Info
	for name, n := range at.node.children(v.PID) {
		list = append(list, n.info(name))
	}
	if at.path == "/" {
		for _, name := range v.fs.roots {
			if info, err := v.fs.disk.Lstat("/" + name); err == nil {
				info.Name = name
				list = append(list, info)
			}
		}
	}
	slices.SortFunc(list, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func writes(flag int) bool { return flag&(os.O_WRONLY|os.O_RDWR|os.O_TRUNC|os.O_APPEND) != 0 }

// Open opens p with the flags of package os. A new file belongs to the user and gets perm less
// the umask.
func (v *View) Open(p string, flag int, perm fs.FileMode) (File, error) {
	f, err := v.open(p, flag, perm)
	return f, pathError("open", p, err)
}

func (v *View) open(p string, flag int, perm fs.FileMode) (File, error) {
	at, err := v.walk(p, flag&os.O_EXCL == 0)
	if errors.Is(err, syscall.ENOENT) && flag&os.O_CREATE != 0 {
		return v.create(p, flag, perm)
	}
	if err != nil {
		return nil, err
	}
	want := fs.FileMode(read)
	if writes(flag) {
		want = write
		if flag&os.O_RDWR != 0 {
			want |= read
		}
	}
	switch {
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, syscall.EEXIST
	case at.info.Mode.IsDir():
		return nil, syscall.EISDIR
	case !v.may(at.info, want):
		return nil, syscall.EACCES
	case !at.onDisk():
		return at.node.open(v, flag)
	case at.info.Mode&fs.ModeNamedPipe != 0:
		return v.fs.fifos.open(v.Ctx, at.info, flag)
	}
	return v.fs.disk.OpenFile(at.path, flag&^(os.O_CREATE|os.O_EXCL), 0)
}

func (v *View) create(p string, flag int, perm fs.FileMode) (File, error) {
	if strings.HasSuffix(p, "/") {
		return nil, syscall.EISDIR
	}
	// A dangling link is created through, as open(2) does.
	if at, err := v.walk(p, false); err == nil && at.info.Mode&fs.ModeSymlink != 0 {
		target := at.info.Target
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(at.path), target)
		}
		if target == p {
			return nil, syscall.ELOOP
		}
		dir, err := v.walk(path.Dir(target), true)
		if err != nil {
			return nil, err
		}
		p = path.Join(dir.path, path.Base(target))
		if _, err := v.walk(p, false); err == nil {
			return nil, syscall.ELOOP
		}
	}
	full, err := v.changeable(p)
	if err != nil {
		return nil, err
	}
	f, err := v.fs.disk.OpenFile(full, flag, perm.Perm()&^v.Umask)
	if err != nil {
		return nil, err
	}
	if err := v.own(full); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// own gives the new file at full to the user, and to the directory's group where that is sticky.
func (v *View) own(full string) error {
	gid := v.GID
	if dir, err := v.fs.disk.Lstat(path.Dir(full)); err == nil && dir.Mode&fs.ModeSetgid != 0 {
		gid = dir.GID
	}
	return v.fs.disk.Chown(full, v.UID, gid)
}

// Mkdir makes one directory.
func (v *View) Mkdir(p string, perm fs.FileMode) error {
	if _, err := v.walk(p, false); err == nil {
		return pathError("mkdir", p, syscall.EEXIST)
	}
	full, err := v.changeable(p)
	if err == nil {
		err = v.fs.disk.Mkdir(full, perm&(fs.ModePerm|fs.ModeSticky|fs.ModeSetgid)&^v.Umask)
	}
	if err == nil {
		err = v.own(full)
	}
	return pathError("mkdir", p, err)
}

// Mkfifo makes a named pipe.
func (v *View) Mkfifo(p string, perm fs.FileMode) error {
	if _, err := v.walk(p, false); err == nil {
		return pathError("mkfifo", p, syscall.EEXIST)
	}
	full, err := v.changeable(p)
	if err == nil && strings.HasPrefix(full, "/storage/") {
		err = syscall.EPERM // the emulated sdcard has none
	}
	if err == nil {
		err = v.fs.disk.Mkfifo(full, perm.Perm()&^v.Umask)
	}
	if err == nil {
		err = v.own(full)
	}
	return pathError("mkfifo", p, err)
}

// Symlink makes p a link to target. Links belong to root: the disk cannot change a link's owner,
// only that of what it leads to.
func (v *View) Symlink(target, p string) error {
	full, err := v.changeable(p)
	if err == nil {
		err = v.fs.disk.Symlink(target, full)
	}
	return pathError("symlink", p, err)
}

// Remove removes a file, a link or an empty directory.
func (v *View) Remove(p string) error {
	if _, err := v.walk(p, false); err != nil {
		return pathError("remove", p, err)
	}
	full, err := v.changeable(p)
	if err == nil {
		err = v.fs.disk.Remove(full)
	}
	return pathError("remove", p, err)
}

// Rename moves from to the name to, replacing a file there.
func (v *View) Rename(from, to string) error {
	if _, err := v.walk(from, false); err != nil {
		return pathError("rename", from, err)
	}
	src, err := v.changeable(from)
	if err != nil {
		return pathError("rename", from, err)
	}
	dst, err := v.changeable(to)
	if err != nil {
		return pathError("rename", to, err)
	}
	return pathError("rename", to, v.fs.disk.Rename(src, dst))
}

// Chmod sets the permission, set-id and sticky bits of what p leads to.
func (v *View) Chmod(p string, mode fs.FileMode) error {
	return v.setAttr("chmod", p, true, func(at place) error { return v.fs.disk.Chmod(at.path, mode) })
}

// Chown sets the owner of what p leads to; -1 keeps one. Only root may give files away.
func (v *View) Chown(p string, uid, gid int) error {
	return v.setAttr("chown", p, true, func(at place) error {
		givesAway := uid >= 0 && uid != v.UID || gid >= 0 && gid != v.GID && !slices.Contains(v.Groups, gid)
		if v.UID != 0 && givesAway {
			return syscall.EPERM
		}
		if uid < 0 {
			uid = at.info.UID
		}
		if gid < 0 {
			gid = at.info.GID
		}
		return v.fs.disk.Chown(at.path, uid, gid)
	})
}

// Chtimes sets the modification time of what p leads to.
func (v *View) Chtimes(p string, mtime time.Time) error {
	return v.setAttr("utimes", p, false, func(at place) error { return v.fs.disk.Chtimes(at.path, mtime) })
}

// setAttr checks that the user owns p. Shared storage refuses modes and owners (fixed), as the
// emulated sdcard of a device does.
func (v *View) setAttr(op, p string, fixed bool, set func(place) error) error {
	at, err := v.walk(p, true)
	switch {
	case err != nil:
	case !at.onDisk():
		err = syscall.EROFS
	case v.UID != 0 && v.UID != at.info.UID && (op != "utimes" || !v.may(at.info, write)):
		err = syscall.EPERM
	case v.UID != 0 && fixed && strings.HasPrefix(at.path, "/storage/"):
		err = syscall.EPERM
	default:
		err = set(at)
	}
	return pathError(op, p, err)
}

// Usage is the size of the disk and how much of it is used, in bytes.
func (v *View) Usage() (total, used int64) { return v.fs.disk.Usage() }

// Sync writes everything to the disk.
func (v *View) Sync() error { return pathError("sync", "/", v.fs.disk.Sync()) }

// Abs is p as seen from directory dir, uncleaned: dots matter where links are.
func Abs(dir, p string) string {
	if p == "" || path.IsAbs(p) {
		return p
	}
	return strings.TrimSuffix(dir, "/") + "/" + p
}
