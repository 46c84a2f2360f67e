package guestfs

import (
	"strings"
	"syscall"
)

const maxLinks = 40 // as Linux follows at most

// place is where a path leads: a node, or the free name in a directory where one could be.
type place struct {
	parent  *node // nil for the root
	name    string
	node    *node // nil if there is nothing of that name
	dirOnly bool  // the path ended in a slash
}

func validName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= maxName && !strings.ContainsAny(name, "/\x00")
}

// walk resolves an absolute path as Linux does: component by component, so that ".." behind a
// symbolic link is the parent of its target. ".." of the root is the root. A link at the end
// is followed if wanted or if a slash follows.
func (t *tree) walk(path string, follow bool) (place, error) {
	if err := checkPath(path); err != nil {
		return place{}, err
	}
	at, links := t.root, 0
	for rest := path; ; {
		rest = strings.TrimLeft(rest, "/")
		if rest == "" {
			return place{parent: at.parent, name: at.name, node: at}, nil
		}
		name, tail, slash := strings.Cut(rest, "/")
		last := strings.Trim(tail, "/") == ""
		if name == "." || name == ".." {
			if name == ".." && at.parent != nil {
				at = at.parent
			}
			rest = tail
			continue
		}
		if len(name) > maxName {
			return place{}, syscall.ENAMETOOLONG
		}
		child := at.children[name]
		switch {
		case child == nil && last:
			return place{parent: at, name: name, dirOnly: slash}, nil
		case child == nil:
			return place{}, syscall.ENOENT
		case child.isLink() && (!last || slash || follow):
			if links++; links > maxLinks {
				return place{}, syscall.ELOOP
			}
			if child.target[0] == '/' {
				at = t.root
			}
			rest = rest[len(name):]
			rest = child.target + rest
		case last && (!slash || child.isDir()):
			return place{parent: at, name: name, node: child, dirOnly: slash}, nil
		case !child.isDir():
			return place{}, syscall.ENOTDIR
		default:
			at, rest = child, tail
		}
	}
}

// find resolves a path that must exist.
func (t *tree) find(path string, follow bool) (*node, error) {
	p, err := t.walk(path, follow)
	if err == nil && p.node == nil {
		err = syscall.ENOENT
	}
	return p.node, err
}

func checkPath(path string) error {
	switch {
	case path == "":
		return syscall.ENOENT
	case path[0] != '/' || strings.ContainsRune(path, 0):
		return syscall.EINVAL
	case len(path) > maxPath:
		return syscall.ENAMETOOLONG
	}
	return nil
}
