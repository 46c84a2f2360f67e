package guestfs

import (
	"fmt"
	"syscall"
)

// batchLimit is the size of the volatile cache for a region, and of records in compaction.
func batchLimit(r region) int64 { return min(4<<20, r.size()/16) }

// capacity is what the tree may cost. The rest of the region is room for the log to grow until
// the next compaction, which therefore always fits.
func capacity(r region) int64 { return r.size()/8*7 - 2*batchLimit(r) }

// wasteful tells whether compaction pays: more garbage than content, or files in many pieces.
func (f *FS) wasteful() bool {
	r := f.log.region
	garbage := f.log.used() - f.tree.cost
	return garbage > max(min(64<<20, r.size()/4), f.tree.cost) ||
		f.tree.pieces > 2*f.compactPieces+1<<16
}

// compact writes the tree as a new log to the other region and makes that current. Until the
// superblock is written the old log counts; after an error nothing has changed. Changes that
// were only in the volatile cache become durable on the way.
func (f *FS) compact() error {
	sb := superblock{generation: f.log.generation + 1, region: 1 - f.regionIndex, size: uint64(f.dev.Size())}
	next := &log{dev: f.dev, region: regionOf(f.dev.Size(), sb.region), generation: sb.generation}
	next.tail = next.region.start
	moved, err := f.copyTree(next)
	if err == nil {
		err = next.sync()
	}
	if err == nil {
		sb.synced = next.seq
		err = sb.write(f.dev)
	}
	if err == nil {
		err = f.dev.Sync()
	}
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	f.log, f.regionIndex = next, sb.region
	for ino, x := range moved {
		n := f.tree.nodes[ino]
		f.tree.setExtents(n, func(extents) extents { return x }, 0)
	}
	f.compactPieces = f.tree.pieces
	return nil
}

// copyTree appends all nodes, their data and their places to the log, and returns where the
// data went.
func (f *FS) copyTree(to *log) (map[uint64]extents, error) {
	moved := map[uint64]extents{}
	nodes := f.tree.sorted()
	for _, n := range nodes {
		o := op{
			code: opNode, ino: n.ino, mode: n.mode, uid: n.uid, gid: n.gid, mtime: n.mtime, size: n.size, name: n.target,
		}
		if err := to.addRoomy(o); err != nil {
			return nil, err
		}
		if len(n.extents) == 0 {
			continue
		}
		x, err := f.copyData(to, n)
		if err != nil {
			return nil, err
		}
		moved[n.ino] = x
	}
	for _, n := range nodes {
		if n.parent == nil {
			continue
		}
		o := op{code: opLink, ino: n.ino, parent: n.parent.ino, name: n.name, mtime: n.parent.mtime}
		if err := to.addRoomy(o); err != nil {
			return nil, err
		}
	}
	return moved, nil
}

// copyData appends the stored bytes of one file.
func (f *FS) copyData(to *log, n *node) (x extents, err error) {
	chunk := min(1<<20, batchLimit(to.region)/2)
	for _, e := range n.extents {
		for done := int64(0); done < e.length; {
			part := min(chunk, e.length-done)
			if err := to.makeRoom(part); err != nil {
				return nil, err
			}
			at := int64(len(to.batch.data))
			buf := to.batch.grow(part)
			if err := f.log.read(buf, e.pos+done); err != nil {
				return nil, err
			}
			to.batch.add(op{code: opExtent, ino: n.ino, off: e.off + done, length: part, data: at, mtime: n.mtime})
			x = x.put(extent{e.off + done, part, to.dataPos() + at})
			done += part
		}
	}
	return x, nil
}

func (l *log) addRoomy(o op) error {
	if err := l.makeRoom(0); err != nil {
		return err
	}
	l.batch.add(o)
	return nil
}

// makeRoom flushes a full batch and checks that n more bytes fit in the region.
func (l *log) makeRoom(n int64) error {
	if l.full(n, batchLimit(l.region)) {
		if err := l.flush(); err != nil {
			return err
		}
	}
	if !l.fits(n) {
		return syscall.ENOSPC
	}
	return nil
}

// grow extends the data of the batch by n bytes and returns them.
func (b *batch) grow(n int64) []byte {
	at := len(b.data)
	b.data = append(b.data, make([]byte, n)...)
	return b.data[at:]
}
