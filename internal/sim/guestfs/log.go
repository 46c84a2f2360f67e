package guestfs

import (
	"fmt"
	"syscall"
)

const (
	// opSlack is more than any single operation takes in the meta part of a record.
	opSlack = maxPath + 128
	// syncEvery bounds the data that replay has to verify.
	syncEvery = 64 << 20
)

// log appends records to one region of the device. The batch is the record in the making: its
// place is known already, so extents can point to data that is not yet written.
type log struct {
	dev        Device
	region     region
	generation uint64
	seq        uint64 // of the last record written
	synced     uint64 // of the last record known to be durable
	unsynced   int64  // bytes written since
	tail       int64  // where the next record goes
	previous   uint32 // metaSum of the last record
	batch      batch
}

// batch is the volatile cache: changes that are visible but not on the device.
type batch struct {
	data []byte
	meta []byte
	held op // last extent, kept back because the next may extend it; code 0 if none
}

func (b *batch) empty() bool { return len(b.meta) == 0 && b.held.code == 0 }
func (b *batch) size() int64 { return int64(len(b.data) + len(b.meta)) }

func (b *batch) add(o op) {
	if h := &b.held; o.code == opExtent && h.code == opExtent && h.ino == o.ino &&
		h.off+h.length == o.off && h.data+h.length == o.data {
		h.length += o.length
		h.mtime = o.mtime
		return
	}
	b.release()
	if o.code == opExtent {
		b.held = o
		return
	}
	b.meta = appendOp(b.meta, o)
}

func (b *batch) release() {
	if b.held.code != 0 {
		b.meta = appendOp(b.meta, b.held)
		b.held = op{}
	}
}

// reset empties the batch and keeps its memory.
func (b *batch) reset() { *b = batch{data: b.data[:0], meta: b.meta[:0]} }

// dataPos is where the data of the batch will be on the device.
func (l *log) dataPos() int64 { return l.tail + headerSize }

// used is the space taken in the region, garbage included.
func (l *log) used() int64 { return l.tail - l.region.start }

// fits tells whether the batch, n more bytes and a few operations find room in the region.
func (l *log) fits(n int64) bool {
	return l.tail+alignUp(headerSize+l.batch.size()+n+4*opSlack, recordAlign) <= l.region.end
}

// full tells whether n more bytes and a few operations would make the batch too big.
func (l *log) full(n, limit int64) bool {
	return l.batch.size()+n > limit || int64(len(l.batch.meta))+4*opSlack > maxMeta
}

// flush writes the batch as one record. After an error the batch is as before.
func (l *log) flush() error {
	b := &l.batch
	b.release()
	if b.empty() {
		return nil
	}
	if err := l.append(); err != nil {
		return fmt.Errorf("write record %d: %w", l.seq+1, err)
	}
	b.reset()
	if l.unsynced >= syncEvery {
		return l.sync()
	}
	return nil
}

func (l *log) append() error {
	b := &l.batch
	h := header{
		generation: l.generation, seq: l.seq + 1, synced: l.synced, previous: l.previous,
		dataLen: uint32(len(b.data)), metaLen: uint32(len(b.meta)), dataSum: checksum(b.data),
	}
	if l.tail+h.length() > l.region.end {
		return syscall.ENOSPC
	}
	raw := h.encode(b.meta)
	if _, err := l.dev.WriteAt(b.data, l.dataPos()); err != nil {
		return err
	}
	if _, err := l.dev.WriteAt(b.meta, l.dataPos()+int64(len(b.data))); err != nil {
		return err
	}
	if _, err := l.dev.WriteAt(raw, l.tail); err != nil { // last: it makes the record valid
		return err
	}
	l.seq, l.previous = h.seq, h.metaSum
	l.tail += h.length()
	l.unsynced += h.length()
	return nil
}

// sync makes everything up to now durable.
func (l *log) sync() error {
	if err := l.flush(); err != nil {
		return err
	}
	if l.unsynced == 0 {
		return nil
	}
	if err := l.dev.Sync(); err != nil {
		return fmt.Errorf("sync the device: %w", err)
	}
	l.synced, l.unsynced = l.seq, 0
	return nil
}

// read reads file data at a place on the device, which may still be in the batch.
func (l *log) read(p []byte, pos int64) error {
	if at := pos - l.dataPos(); at >= 0 && at < int64(len(l.batch.data)) {
		copy(p, l.batch.data[at:])
		return nil
	}
	return readExactly(l.dev, p, pos)
}
