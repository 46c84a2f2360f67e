package guestfs

import (
	"encoding/binary"
	"io/fs"
	"strings"
)

const (
	maxName     = 255
	maxPath     = 4096
	maxFileSize = 1 << 44 // of ext4 with blocks of 4 KiB
)

// opCode is the kind of an operation in the log. The numbers are the format: never reuse one.
type opCode byte

const (
	opNode     opCode = iota + 1 // a new node without a name
	opLink                       // give a node its place in the tree
	opUnlink                     // take it away; open files keep the node
	opExtent                     // data of this record is part of a file
	opTruncate                   // set the size of a file
	opAttr                       // set mode, owner and time
	opDrop                       // forget an unlinked node
)

// op is one change of the tree. Which fields count depends on the code; see fields.
type op struct {
	code     opCode
	ino      uint64
	parent   uint64
	name     string // name in the parent, or target of a new symbolic link
	mode     fs.FileMode
	uid, gid int
	mtime    int64 // of the node; of the parent for link and unlink

	size        int64
	off, length int64
	data        int64 // where the bytes begin in the record's data
}

// fields runs a codec over the fields of an operation in the order of the log.
func (o *op) fields(c codec) {
	c.uint(&o.ino)
	switch o.code {
	case opNode:
		o.attrs(c)
		c.int(&o.size)
		c.text(&o.name, maxPath)
	case opAttr:
		o.attrs(c)
	case opLink:
		c.uint(&o.parent)
		c.text(&o.name, maxName)
		c.int(&o.mtime)
	case opUnlink:
		c.int(&o.mtime)
	case opExtent:
		c.int(&o.off)
		c.int(&o.length)
		c.int(&o.data)
		c.int(&o.mtime)
	case opTruncate:
		c.int(&o.size)
		c.int(&o.mtime)
	case opDrop:
	}
}

func (o *op) attrs(c codec) {
	mode, uid, gid := uint64(o.mode), int64(o.uid), int64(o.gid)
	c.uint(&mode)
	c.int(&uid)
	c.int(&gid)
	c.int(&o.mtime)
	o.mode, o.uid, o.gid = fs.FileMode(mode), int(uid), int(gid)
}

// codec reads or writes the fields it is given.
type codec interface {
	uint(*uint64)
	int(*int64)
	text(s *string, limit int)
}

// encoder appends fields to a buffer.
type encoder struct{ out []byte }

func (e *encoder) uint(v *uint64) { e.out = binary.AppendUvarint(e.out, *v) }
func (e *encoder) int(v *int64)   { e.out = binary.AppendVarint(e.out, *v) }
func (e *encoder) text(s *string, _ int) {
	e.out = append(binary.AppendUvarint(e.out, uint64(len(*s))), *s...)
}

func appendOp(out []byte, o op) []byte {
	e := &encoder{out: append(out, byte(o.code))}
	o.fields(e)
	return e.out
}

// decoder takes fields from a buffer; after the first bad one it yields zeros.
type decoder struct {
	in  []byte
	bad bool
}

func (d *decoder) uint(v *uint64) {
	got, n := binary.Uvarint(d.in)
	*v = got
	d.skip(n)
}

func (d *decoder) int(v *int64) {
	got, n := binary.Varint(d.in)
	*v = got
	d.skip(n)
}

func (d *decoder) text(s *string, limit int) {
	var n uint64
	d.uint(&n)
	if n > uint64(limit) || n > uint64(len(d.in)) {
		d.in, d.bad = nil, true
		return
	}
	*s, d.in = string(d.in[:n]), d.in[n:]
}

// skip moves behind a number of n bytes; 0 and less mean that it was cut off or too long.
func (d *decoder) skip(n int) {
	if n <= 0 {
		d.in, d.bad = nil, true
		return
	}
	d.in = d.in[n:]
}

func (d *decoder) next() (op, bool) {
	o := op{code: opCode(d.in[0])}
	d.in = d.in[1:]
	if o.code < opNode || o.code > opDrop {
		return o, false
	}
	o.fields(d)
	return o, !d.bad
}

// apply makes the change to the tree. dataPos is where the record's data begins on the device.
// The operation must be possible: see check.
func (t *tree) apply(o op, dataPos int64) {
	n := t.nodes[o.ino]
	switch o.code {
	case opNode:
		t.add(&node{
			ino: o.ino, mode: o.mode, uid: o.uid, gid: o.gid, mtime: o.mtime, size: o.size, target: o.name,
		})
	case opLink:
		parent := t.nodes[o.parent]
		t.link(parent, o.name, n)
		parent.mtime = o.mtime
	case opUnlink:
		n.parent.mtime = o.mtime
		t.unlink(n)
	case opExtent:
		t.put(n, extent{o.off, o.length, dataPos + o.data})
		n.mtime = o.mtime
	case opTruncate:
		t.truncate(n, o.size)
		n.mtime = o.mtime
	case opAttr:
		n.mode, n.uid, n.gid, n.mtime = o.mode, o.uid, o.gid, o.mtime
	case opDrop:
		t.drop(n)
	}
}

// check says whether an operation read from a device is possible. dataLen is the size of the
// record's data.
func (t *tree) check(o op, dataLen int64) bool {
	n := t.nodes[o.ino]
	if o.code == opNode {
		return n == nil && checkNode(o)
	}
	if n == nil {
		return false
	}
	switch o.code {
	case opLink:
		return t.checkLink(o, n)
	case opUnlink:
		return n.parent != nil
	case opExtent:
		return n.mode.IsRegular() && o.off >= 0 && o.length > 0 && o.off <= maxFileSize-o.length &&
			o.data >= 0 && o.length <= dataLen && o.data <= dataLen-o.length
	case opTruncate:
		return n.mode.IsRegular() && o.size >= 0 && o.size <= maxFileSize
	case opAttr:
		return o.mode.Type() == n.mode.Type()
	default: // drop
		return n.parent == nil && n.ino != rootInode && len(n.children) == 0
	}
}

func checkNode(o op) bool {
	if o.ino < rootInode || o.ino >= 1<<63 || o.size < 0 || o.size > maxFileSize {
		return false
	}
	switch o.mode.Type() {
	case fs.ModeDir:
		return o.name == ""
	case fs.ModeSymlink:
		return o.ino != rootInode && o.name != "" && !strings.ContainsRune(o.name, 0)
	default:
		return o.ino != rootInode && (o.mode.IsRegular() || o.mode.Type() == fs.ModeNamedPipe) && o.name == ""
	}
}

func (t *tree) checkLink(o op, n *node) bool {
	parent := t.nodes[o.parent]
	if parent == nil || !parent.isDir() || !validName(o.name) || parent.children[o.name] != nil {
		return false
	}
	if n.parent != nil || n.ino == rootInode {
		return false
	}
	return !n.isDir() || !isBelow(parent, n)
}

// isBelow tells whether n is dir or lies below it.
func isBelow(n, dir *node) bool {
	for ; n != nil; n = n.parent {
		if n == dir {
			return true
		}
	}
	return false
}
