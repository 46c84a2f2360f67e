package guestfs

import (
	"io/fs"
	"sort"
	"time"
)

const (
	rootInode = 2 // as in ext4

	// What a node and an extent may cost in the log beyond data, names and targets. The sum
	// of these costs is never below the size of the compacted log.
	nodeCost   = 128
	extentCost = 64
)

// node is a file, directory or symbolic link.
type node struct {
	ino      uint64
	mode     fs.FileMode
	uid, gid int
	mtime    int64 // unix nanoseconds
	size     int64
	target   string
	extents  extents

	name     string
	parent   *node // nil for the root and what was unlinked
	children map[string]*node
	subdirs  int
	handles  int // open files; an unlinked node lives as long as it has some
}

func (n *node) isDir() bool  { return n.mode.IsDir() }
func (n *node) isLink() bool { return n.mode&fs.ModeSymlink != 0 }

// stored is the number of data bytes in the log.
func (n *node) stored() (sum int64) {
	for _, e := range n.extents {
		sum += e.length
	}
	return sum
}

func (n *node) info() Info {
	i := Info{
		Name: n.name, Size: n.size, Mode: n.mode, UID: n.uid, GID: n.gid,
		ModTime: time.Unix(0, n.mtime), Inode: n.ino, Nlink: 1, Target: n.target,
	}
	switch {
	case n.isDir():
		i.Nlink, i.Size = 2+n.subdirs, 4096
	case n.isLink():
		i.Size = int64(len(n.target))
	}
	if n.parent == nil {
		if n.ino == rootInode {
			i.Name = "/"
		} else {
			i.Nlink = 0
		}
	}
	return i
}

// tree is all nodes, and what they cost in the log.
type tree struct {
	nodes     map[uint64]*node
	root      *node
	nextInode uint64
	cost      int64
	pieces    int // extents of all files
}

func newTree() *tree { return &tree{nodes: map[uint64]*node{}, nextInode: rootInode} }

func (t *tree) add(n *node) {
	t.nodes[n.ino] = n
	t.nextInode = max(t.nextInode, n.ino+1)
	t.cost += nodeCost + int64(len(n.target))
	if n.isDir() {
		n.children = map[string]*node{}
	}
	if n.ino == rootInode {
		t.root = n
	}
}

func (t *tree) link(parent *node, name string, n *node) {
	n.parent, n.name = parent, name
	parent.children[name] = n
	if n.isDir() {
		parent.subdirs++
	}
	t.cost += int64(len(name))
}

func (t *tree) unlink(n *node) {
	delete(n.parent.children, n.name)
	if n.isDir() {
		n.parent.subdirs--
	}
	t.cost -= int64(len(n.name))
	n.parent = nil
}

func (t *tree) put(n *node, e extent) {
	t.setExtents(n, func(x extents) extents { return x.put(e) }, e.length-n.extents.covered(e.off, e.end()))
	n.size = max(n.size, e.end())
}

func (t *tree) truncate(n *node, size int64) {
	less := n.extents.covered(size, maxFileSize)
	t.setExtents(n, func(x extents) extents { return x.cut(size, maxFileSize) }, -less)
	n.size = size
}

// setExtents keeps the sums right over a change that stores more bytes than before.
func (t *tree) setExtents(n *node, change func(extents) extents, more int64) {
	before := len(n.extents)
	n.extents = change(n.extents)
	grown := len(n.extents) - before
	t.pieces += grown
	t.cost += more + int64(grown)*extentCost
}

// drop forgets an unlinked node and its data.
func (t *tree) drop(n *node) {
	delete(t.nodes, n.ino)
	t.pieces -= len(n.extents)
	t.cost -= nodeCost + int64(len(n.target)) + n.stored() + int64(len(n.extents))*extentCost
}

// dropUnreachable forgets what is not below the root: files that were unlinked but still open
// when the power went.
func (t *tree) dropUnreachable() {
	reached := map[uint64]bool{rootInode: true}
	for todo := []*node{t.root}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, child := range n.children {
			reached[child.ino] = true
			todo = append(todo, child)
		}
	}
	for ino, n := range t.nodes {
		if reached[ino] {
			continue
		}
		if n.parent != nil {
			t.unlink(n)
		}
		t.drop(n)
	}
}

// sorted returns the nodes in the order of their inode numbers.
func (t *tree) sorted() []*node {
	out := make([]*node, 0, len(t.nodes))
	for _, n := range t.nodes {
		out = append(out, n)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ino < out[j].ino })
	return out
}
