package guestfs

import (
	"io/fs"
	"time"
)

// format writes an empty tree to a blank device. The superblock comes last: a device whose
// formatting was interrupted is still blank.
func format(dev Device, now time.Time) error {
	sb := superblock{generation: 1, size: uint64(dev.Size()), synced: 1}
	l := &log{dev: dev, region: regionOf(dev.Size(), 0), generation: 1}
	l.tail = l.region.start
	l.batch.add(op{code: opNode, ino: rootInode, mode: fs.ModeDir | 0o755, mtime: now.UnixNano()})
	if err := l.sync(); err != nil {
		return err
	}
	if err := sb.write(dev); err != nil {
		return err
	}
	return dev.Sync()
}

// load reads the tree that the newest superblock names. There is no going back to the other
// region: it was whole before the superblock was written, and is out of date since.
func load(dev Device, sb superblock) (*tree, *log, error) {
	start := &log{
		dev: dev, region: regionOf(dev.Size(), sb.region), generation: sb.generation, synced: sb.synced,
	}
	start.tail = start.region.start

	// The first pass learns how much of the log is known to be durable, the second applies it.
	probe := *start
	if err := probe.scan(func(h header, _ []byte) (bool, error) {
		probe.synced = max(probe.synced, min(h.synced, h.seq))
		return true, nil
	}); err != nil {
		return nil, nil, err
	}
	l, t := start, newTree()
	l.synced = min(probe.synced, probe.seq)
	if err := l.scan(func(h header, meta []byte) (bool, error) { return l.replay(t, h, meta) }); err != nil {
		return nil, nil, err
	}
	if t.root == nil {
		return nil, nil, corruptf("the log at %d has no root directory", start.region.start)
	}
	t.dropUnreachable()
	l.unsynced = boundUnsynced(l)
	return t, l, nil
}

// boundUnsynced makes sure that the next sync reaches the device if the log has records that
// may not be durable.
func boundUnsynced(l *log) int64 {
	if l.seq > l.synced {
		return recordAlign
	}
	return 0
}

// scan walks the records from the tail on while they are whole, belong together and visit
// wants more, and moves the tail behind them. The record visit refuses stays out of the log.
func (l *log) scan(visit func(h header, meta []byte) (bool, error)) error {
	raw := make([]byte, headerSize)
	var meta []byte
	for l.tail+headerSize <= l.region.end {
		if err := readExactly(l.dev, raw, l.tail); err != nil {
			return err
		}
		h, ok := decodeHeader(raw)
		if !ok || h.generation != l.generation || h.seq != l.seq+1 || h.previous != l.previous ||
			l.tail+h.length() > l.region.end {
			return nil
		}
		if cap(meta) < int(h.metaLen) {
			meta = make([]byte, h.metaLen)
		}
		meta = meta[:h.metaLen]
		if err := readExactly(l.dev, meta, l.dataPos()+int64(h.dataLen)); err != nil {
			return err
		}
		if sum := h.metaSum; string(h.encode(meta)) != string(raw) || sum != h.metaSum {
			return nil
		}
		if more, err := visit(h, meta); err != nil || !more {
			return err
		}
		l.seq, l.previous = h.seq, h.metaSum
		l.tail += h.length()
	}
	return nil
}

// replay applies one record to the tree, or refuses it if its data is torn.
func (l *log) replay(t *tree, h header, meta []byte) (bool, error) {
	if h.seq > l.synced {
		data := make([]byte, h.dataLen)
		if err := readExactly(l.dev, data, l.dataPos()); err != nil {
			return false, err
		}
		if checksum(data) != h.dataSum {
			return false, nil
		}
	}
	for d := (&decoder{in: meta}); len(d.in) > 0; {
		o, ok := d.next()
		if !ok || !t.check(o, int64(h.dataLen)) {
			return false, corruptf("record %d at %d has an impossible operation (%d on inode %d)",
				h.seq, l.tail, o.code, o.ino)
		}
		t.apply(o, l.dataPos())
	}
	return true, nil
}
