package vfs

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links one path may lead through, as in Linux.
const maxLinks = 40

// FS is the device's file tree. It is safe for concurrent use as far as its Disk is.
type FS struct {
	disk  Disk
	image *Node
	roots []string
	fifos fifos
}

// New puts the disk's top-level directories named roots beside the image's.
func New(disk Disk, image *Node, roots ...string) *FS {
	return &FS{disk: disk, image: image, roots: roots}
}

// Disk is what the tree stores files on.
func (f *FS) Disk() Disk { return f.disk }

// place is where a path leads: a node of the image, or a file on the disk.
type place struct {
	path string
	node *Node
	info Info
}

func (p place) onDisk() bool { return p.node == nil }

func (f *FS) root() place { return place{path: "/", node: f.image, info: f.image.info("/")} }

// child looks name up in directory dir.
func (f *FS) child(dir place, name string, pid int) (place, error) {
	full := path.Join(dir.path, name)
	if dir.onDisk() || dir.path == "/" && slices.Contains(f.roots, name) {
		info, err := f.disk.Lstat(full)
		if err != nil {
			return place{}, Errno(err)
		}
		return place{path: full, info: info}, nil
	}
	if dir.node.children == nil {
		return place{}, syscall.ENOTDIR
	}
	n := dir.node.children(pid)[name]
	if n == nil {
		return place{}, syscall.ENOENT
	}
	return place{path: full, node: n, info: n.info(name)}, nil
}

// walk follows p from the root. A final link is followed only if follow is set.
func (v *View) walk(p string, follow bool) (place, error) {
	if !path.IsAbs(p) || strings.ContainsRune(p, 0) {
		return place{}, syscall.ENOENT
	}
	if len(p) > 4095 {
		return place{}, syscall.ENAMETOOLONG
	}
	trail := []place{v.fs.root()}
	rest := split(p)
	mustBeDir := strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		here := trail[len(trail)-1]
		if !here.info.Mode.IsDir() {
			return place{}, syscall.ENOTDIR
		}
		if !v.may(here.info, search) {
			return place{}, syscall.EACCES
		}
		if name == ".." {
			trail = trail[:max(1, len(trail)-1)]
			continue
		}
		next, err := v.fs.child(here, name, v.PID)
		if err != nil {
			return place{}, err
		}
		if next.info.Mode&fs.ModeSymlink == 0 || len(rest) == 0 && !follow && !mustBeDir {
			trail = append(trail, next)
			continue
		}
		if links++; links > maxLinks {
			return place{}, syscall.ELOOP
		}
		rest = append(split(next.info.Target), rest...)
		if path.IsAbs(next.info.Target) {
			trail = trail[:1]
		}
	}
	end := trail[len(trail)-1]
	if mustBeDir && !end.info.Mode.IsDir() {
		return place{}, syscall.ENOTDIR
	}
	return end, nil
}

func split(p string) []string {
	return slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" || s == "." })
}

// parent is the directory that p's last name is looked up in, and that name.
func (v *View) parent(p string) (place, string, error) {
	p = strings.TrimRight(p, "/")
	dirPath, name := path.Split(p)
	switch name {
	case "":
		return place{}, "", syscall.EEXIST
	case ".", "..":
		return place{}, "", syscall.EINVAL
	}
	dir, err := v.walk(dirPath, true)
	if err != nil {
		return place{}, "", err
	}
	if len(name) > 255 {
		return place{}, "", syscall.ENAMETOOLONG
	}
	return dir, name, nil
}

// changeable is the path on the disk of p's last name, if this user may create or remove it there.
func (v *View) changeable(p string) (string, error) {
	dir, name, err := v.parent(p)
	if err != nil {
		return "", err
	}
	full := path.Join(dir.path, name)
	switch {
	case !v.may(dir.info, write|search):
		return "", syscall.EACCES
	case !dir.onDisk() || slices.Contains(v.fs.roots, strings.TrimPrefix(full, "/")):
		return "", syscall.EROFS
	}
	return full, nil
}
