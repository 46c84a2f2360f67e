package vfs

import (
	"bytes"
	"io"
	"io/fs"
	"syscall"
	"time"
)

// Node is a file of the image. Nodes are built once and never changed while in use.
type Node struct {
	mode     fs.FileMode
	uid, gid int
	target   string
	modTime  time.Time
	children func(pid int) map[string]*Node
	open     func(v *View, flag int) (File, error)
}

// Dir is a directory with these entries.
func Dir(perm fs.FileMode, entries map[string]*Node) *Node {
	return Generated(perm, func(int) map[string]*Node { return entries })
}

// Generated is a directory whose entries are made at each look; pid is the process that looks.
func Generated(perm fs.FileMode, entries func(pid int) map[string]*Node) *Node {
	return &Node{mode: fs.ModeDir | perm, children: entries}
}

// Link is a symbolic link.
func Link(target string) *Node { return &Node{mode: fs.ModeSymlink | 0o777, target: target} }

// Text is a read-only file; content is called at each open.
func Text(perm fs.FileMode, content func() []byte) *Node {
	n := &Node{mode: perm}
	n.open = func(_ *View, flag int) (File, error) {
		if writes(flag) {
			return nil, syscall.EROFS
		}
		return &textFile{Reader: bytes.NewReader(content()), info: n.info("")}, nil
	}
	return n
}

// Device is a character device.
func Device(perm fs.FileMode, open func(flag int) (io.ReadWriter, error)) *Node {
	n := &Node{mode: fs.ModeDevice | fs.ModeCharDevice | perm}
	n.open = func(_ *View, flag int) (File, error) {
		rw, err := open(flag)
		if err != nil {
			return nil, err
		}
		return &deviceFile{ReadWriter: rw, info: n.info("")}, nil
	}
	return n
}

// Descriptor is the n-th open file of the process that opens it, as in /dev/fd.
func Descriptor(fd int) *Node {
	n := &Node{mode: fs.ModeDevice | fs.ModeCharDevice | 0o666}
	n.open = func(v *View, flag int) (File, error) {
		if v.Descriptor == nil {
			return nil, syscall.EBADF
		}
		rw, err := v.Descriptor(fd)
		if err != nil {
			return nil, err
		}
		return &deviceFile{ReadWriter: rw, info: n.info("")}, nil
	}
	return n
}

// Owned sets the owner and returns n.
func (n *Node) Owned(uid, gid int) *Node {
	n.uid, n.gid = uid, gid
	return n
}

func (n *Node) info(name string) Info {
	return Info{Name: name, Mode: n.mode, UID: n.uid, GID: n.gid, ModTime: n.modTime, Nlink: 1,
		Target: n.target, Size: int64(len(n.target))}
}

type textFile struct {
	*bytes.Reader
	info Info
}

func (f *textFile) Write([]byte) (int, error) { return 0, syscall.EBADF }
func (f *textFile) Close() error              { return nil }
func (f *textFile) Stat() (Info, error)       { return f.info, nil }

type deviceFile struct {
	io.ReadWriter
	info Info
}

func (f *deviceFile) Close() error        { return nil }
func (f *deviceFile) Stat() (Info, error) { return f.info, nil }
