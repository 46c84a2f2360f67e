package guestfs

import (
	"io/fs"
	"os"
	"sort"
	"strings"
	"syscall"
	"time"
)

// permBits are the bits of a mode that Chmod, Mkdir and OpenFile set.
const permBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// Stat describes what the path leads to; symbolic links are followed.
func (f *FS) Stat(path string) (Info, error) { return f.stat("stat", path, true) }

// Lstat describes what is at the path, a symbolic link itself if it is one.
func (f *FS) Lstat(path string) (Info, error) { return f.stat("lstat", path, false) }

func (f *FS) stat(op, path string, follow bool) (info Info, err error) {
	err = f.read(op, path, func() error {
		n, err := f.tree.find(path, follow)
		if err == nil {
			info = n.info()
		}
		return err
	})
	return info, err
}

// ReadDir lists a directory, sorted by name, without "." and "..". Symbolic links in it are
// described themselves.
func (f *FS) ReadDir(path string) (list []Info, err error) {
	err = f.read("readdir", path, func() error {
		n, err := f.tree.find(path, true)
		if err != nil {
			return err
		}
		if !n.isDir() {
			return syscall.ENOTDIR
		}
		list = make([]Info, 0, len(n.children))
		for _, child := range n.children {
			list = append(list, child.info())
		}
		return nil
	})
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list, err
}

// Readlink returns the target of a symbolic link.
func (f *FS) Readlink(path string) (target string, err error) {
	err = f.read("readlink", path, func() error {
		n, err := f.tree.find(path, false)
		if err != nil {
			return err
		}
		if !n.isLink() {
			return syscall.EINVAL
		}
		target = n.target
		return nil
	})
	return target, err
}

// Mkdir makes a directory; its parent must exist.
func (f *FS) Mkdir(path string, perm fs.FileMode) error {
	return f.change("mkdir", path, func() error {
		p, err := f.tree.walk(path, false)
		if err != nil {
			return err
		}
		if p.node != nil {
			return syscall.EEXIST
		}
		_, err = f.create(p, fs.ModeDir|perm&permBits, "")
		return err
	})
}

// Symlink makes a symbolic link at path that leads to target, which need not exist.
func (f *FS) Symlink(target, path string) error {
	return f.change("symlink", path, func() error {
		switch {
		case target == "":
			return syscall.ENOENT
		case strings.ContainsRune(target, 0):
			return syscall.EINVAL
		case len(target) > maxPath:
			return syscall.ENAMETOOLONG
		}
		p, err := f.tree.walk(path, false)
		switch {
		case err != nil:
			return err
		case p.node != nil:
			return syscall.EEXIST
		case p.dirOnly:
			return syscall.ENOENT
		}
		_, err = f.create(p, fs.ModeSymlink|0o777, target)
		return err
	})
}

// Mkfifo makes a named pipe. Its content is no business of the file system: it can only be
// described, renamed and removed.
func (f *FS) Mkfifo(path string, perm fs.FileMode) error {
	return f.change("mkfifo", path, func() error {
		p, err := f.tree.walk(path, false)
		switch {
		case err != nil:
			return err
		case p.node != nil:
			return syscall.EEXIST
		case p.dirOnly:
			return syscall.ENOENT
		}
		_, err = f.create(p, fs.ModeNamedPipe|perm&permBits, "")
		return err
	})
}

// create makes a node at a free place, owned by root.
func (f *FS) create(p place, mode fs.FileMode, target string) (*node, error) {
	if err := f.afford(nodeCost + int64(len(p.name)+len(target))); err != nil {
		return nil, err
	}
	now, ino := f.now().UnixNano(), f.tree.nextInode
	f.do(op{code: opNode, ino: ino, mode: mode, mtime: now, name: target})
	f.do(op{code: opLink, ino: ino, parent: p.parent.ino, name: p.name, mtime: now})
	return f.tree.nodes[ino], nil
}

// Remove removes a file, a symbolic link or an empty directory. A file that is open stays
// readable and writable until its last Close.
func (f *FS) Remove(path string) error {
	return f.change("remove", path, func() error {
		p, err := f.tree.walk(path, false)
		switch {
		case err != nil:
			return err
		case p.node == nil:
			return syscall.ENOENT
		case p.node == f.tree.root:
			return syscall.EBUSY
		case len(p.node.children) > 0:
			return syscall.ENOTEMPTY
		}
		f.unlink(p.node)
		return nil
	})
}

func (f *FS) unlink(n *node) {
	f.do(op{code: opUnlink, ino: n.ino, mtime: f.now().UnixNano()})
	if n.handles == 0 {
		f.do(op{code: opDrop, ino: n.ino})
	}
}

// Rename moves a file, symbolic link or directory, and replaces what is at the new path if
// POSIX allows it. An error is about the path it names.
func (f *FS) Rename(from, to string) error {
	return f.change("rename", from, func() error {
		src, err := f.tree.walk(from, false)
		if err != nil {
			return err
		}
		dst, err := f.tree.walk(to, false)
		if err != nil {
			return pathError("rename", to, err)
		}
		if src.node == nil { // Linux looks into both directories before it asks for this
			return syscall.ENOENT
		}
		if err = f.checkRename(src, dst); err == nil {
			err = f.afford(max(0, int64(len(dst.name)-len(src.name))))
		}
		if err != nil || dst.node == src.node {
			return pathError("rename", to, err)
		}
		f.rename(src.node, dst)
		return nil
	})
}

func (f *FS) checkRename(src, dst place) error {
	switch {
	case src.node == f.tree.root || dst.node == f.tree.root:
		return syscall.EBUSY
	case src.node == dst.node:
		return nil
	case src.node.isDir() && isBelow(dst.parent, src.node):
		return syscall.EINVAL
	case dst.dirOnly && !src.node.isDir():
		return syscall.ENOTDIR
	case dst.node == nil:
		return nil
	case src.node.isDir() && !dst.node.isDir():
		return syscall.ENOTDIR
	case len(dst.node.children) > 0 && (src.node.isDir() || isBelow(src.parent, dst.node)):
		return syscall.ENOTEMPTY // Linux looks at this before EISDIR if the one is in the other
	case !src.node.isDir() && dst.node.isDir():
		return syscall.EISDIR
	}
	return nil
}

func (f *FS) rename(n *node, dst place) {
	if dst.node != nil {
		f.unlink(dst.node)
	}
	now := f.now().UnixNano()
	f.do(op{code: opUnlink, ino: n.ino, mtime: now})
	f.do(op{code: opLink, ino: n.ino, parent: dst.parent.ino, name: dst.name, mtime: now})
}

// Chmod sets the permission bits, setuid, setgid and sticky; links are followed.
func (f *FS) Chmod(path string, mode fs.FileMode) error {
	return f.setAttr("chmod", path, func(o *op) { o.mode = o.mode&^permBits | mode&permBits })
}

// Chown sets owner and group; links are followed. -1 leaves the old value.
func (f *FS) Chown(path string, uid, gid int) error {
	return f.setAttr("chown", path, func(o *op) {
		if uid != -1 {
			o.uid = uid
		}
		if gid != -1 {
			o.gid = gid
		}
	})
}

// Chtimes sets the modification time; links are followed.
func (f *FS) Chtimes(path string, mtime time.Time) error {
	return f.setAttr("chtimes", path, func(o *op) { o.mtime = mtime.UnixNano() })
}

func (f *FS) setAttr(name, path string, set func(*op)) error {
	return f.change(name, path, func() error {
		n, err := f.tree.find(path, true)
		if err != nil {
			return err
		}
		o := op{code: opAttr, ino: n.ino, mode: n.mode, uid: n.uid, gid: n.gid, mtime: n.mtime}
		set(&o)
		f.do(o)
		return nil
	})
}

// OpenFile opens a file with the flags of os.OpenFile; perm counts if it is created. A
// directory can be opened for Stat only. The caller closes the file.
func (f *FS) OpenFile(path string, flag int, perm fs.FileMode) (file *File, err error) {
	err = f.change("open", path, func() error {
		n, err := f.openNode(path, flag, perm)
		if err != nil {
			return err
		}
		n.handles++
		file = &File{fsys: f, node: n, name: path, flag: flag}
		return nil
	})
	return file, err
}

func (f *FS) openNode(path string, flag int, perm fs.FileMode) (*node, error) {
	exclusive := flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0
	slash := flag&os.O_CREATE != 0 && strings.HasSuffix(path, "/")
	if slash { // Linux creates nothing there, and does not look at what the last name leads to
		path = "/" + strings.Trim(path, "/")
	}
	p, err := f.tree.walk(path, !exclusive && !slash)
	switch {
	case err != nil:
		return nil, err
	case slash:
		return nil, syscall.EISDIR
	case p.node == nil && flag&os.O_CREATE == 0:
		return nil, syscall.ENOENT
	case p.node == nil:
		return f.create(p, perm&permBits, "")
	case exclusive:
		return nil, syscall.EEXIST
	case p.node.isDir() && (writes(flag) || flag&(os.O_CREATE|os.O_TRUNC) != 0):
		return nil, syscall.EISDIR
	case p.node.mode&fs.ModeNamedPipe != 0:
		return nil, syscall.ENXIO
	}
	if flag&os.O_TRUNC != 0 {
		f.do(op{code: opTruncate, ino: p.node.ino, mtime: f.now().UnixNano()})
	}
	return p.node, nil
}

const accessMode = os.O_RDONLY | os.O_WRONLY | os.O_RDWR

func writes(flag int) bool { return flag&accessMode != os.O_RDONLY }
func reads(flag int) bool  { return flag&accessMode != os.O_WRONLY }
