package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
)

// The functions of this file run with Image.mu held.

// lookup finds the L2 entry of a guest offset; 0 means not mapped.
func (img *Image) lookup(off int64) (entry, error) {
	t, err := img.l2Table(int(off / l2Span))
	if err != nil || t == nil {
		return 0, err
	}
	return t.entries[off%l2Span/clusterSize], nil
}

// l2Table returns an L2 table, nil if the L1 table has none.
func (img *Image) l2Table(index int) (*table, error) {
	host := entry(img.l1[index]).host()
	if host == 0 {
		return nil, nil
	}
	if t := img.l2.get(index); t != nil {
		return t, nil
	}
	raw := make([]byte, clusterSize)
	if err := readFull(img.file, raw, host); err != nil {
		return nil, fmt.Errorf("read L2 table %d: %w", index, err)
	}
	t := &table{index: index, host: host, entries: decodeTable(raw)}
	img.l2.put(t)
	return t, nil
}

// link maps the guest cluster of off to the file cluster at host, whose data is in place.
func (img *Image) link(off, host int64) error {
	index, slot := int(off/l2Span), off%l2Span/clusterSize
	t, err := img.l2Table(index)
	if err != nil {
		return err
	}
	e := entry(host) | copiedFlag
	if t == nil {
		return img.linkTable(index, slot, e)
	}
	if err := writeEntry(img.file, t.host+8*slot, uint64(e)); err != nil {
		return err
	}
	t.entries[slot] = e
	return nil
}

// linkTable adds a new L2 table that holds the one entry e.
func (img *Image) linkTable(index int, slot int64, e entry) error {
	host, err := img.allocate()
	if err != nil {
		return err
	}
	raw := make([]byte, clusterSize)
	binary.BigEndian.PutUint64(raw[8*slot:], uint64(e))
	if _, err = img.file.WriteAt(raw, host); err == nil {
		err = writeEntry(img.file, img.header.L1Offset+8*int64(index), uint64(host)|copiedFlag)
	}
	if err != nil {
		return errors.Join(err, img.release(host))
	}
	img.l1[index] = uint64(host) | copiedFlag
	img.l2.put(&table{index: index, host: host, entries: decodeTable(raw)})
	return nil
}

// allocate takes the next cluster behind the end of the file and sets its refcount.
func (img *Image) allocate() (int64, error) {
	if img.broken != nil {
		return 0, img.broken
	}
	if err := img.ensureBlock(); err != nil {
		return 0, fmt.Errorf("add refcount block: %w", err)
	}
	host := img.end
	if err := img.setRefcount(host, 1); err != nil {
		return 0, fmt.Errorf("count cluster at %#x: %w", host, err)
	}
	img.end += clusterSize
	return host, nil
}

// ensureBlock makes sure that the cluster at img.end has a refcount block. A new block lies in
// the range it counts, and so counts itself.
func (img *Image) ensureBlock() error {
	index := img.end / clusterSize / blockEntries
	if index >= int64(len(img.refTable)) {
		return fmt.Errorf("refcount table of %d entries is full: %w", len(img.refTable), syscall.ENOSPC)
	}
	if img.refTable[index] != 0 {
		return nil
	}
	host := img.end
	block := make([]byte, clusterSize)
	binary.BigEndian.PutUint16(block[2*(host/clusterSize%blockEntries):], 1)
	if _, err := img.file.WriteAt(block, host); err != nil {
		return err
	}
	if err := writeEntry(img.file, img.header.RefcountTableOffset+8*index, uint64(host)); err != nil {
		return err
	}
	img.refTable[index] = uint64(host)
	img.end += clusterSize
	return nil
}

func (img *Image) setRefcount(host int64, n uint16) error {
	cluster := host / clusterSize
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	_, err := img.file.WriteAt(b[:], int64(img.refTable[cluster/blockEntries])+2*(cluster%blockEntries))
	return err
}

// release gives back a cluster that was allocated but not linked because of an error, such as
// a full host disk. A cluster that can not be taken back makes the image read-only.
func (img *Image) release(host int64) error {
	err := img.setRefcount(host, 0)
	if err == nil && host+clusterSize == img.end {
		// The next user of this place relies on reading zeros.
		if err = img.file.Truncate(host); err == nil {
			img.end = host
		}
	}
	if err != nil {
		img.broken = fmt.Errorf("image is read-only after an error: %w", err)
	}
	return err
}
