package qcow2

import (
	"container/list"
	"encoding/binary"
)

// entry is one L1 or L2 table entry.
type entry uint64

const (
	copiedFlag     = 1 << 63 // refcount is 1: the cluster may be written in place
	compressedFlag = 1 << 62
	zeroFlag       = 1 << 0 // L2 only: reads as zeros, whatever the backing says
	offsetMask     = 0x00fffffffffffe00
)

func (e entry) host() int64 { return int64(e & offsetMask) }
func (e entry) zero() bool  { return e&zeroFlag != 0 }

// table is an L2 table in memory.
type table struct {
	index   int   // in the L1 table
	host    int64 // file offset
	entries []entry
}

func decodeTable(raw []byte) []entry {
	out := make([]entry, len(raw)/8)
	for i := range out {
		out[i] = entry(binary.BigEndian.Uint64(raw[8*i:]))
	}
	return out
}

// maxCachedTables bounds the L2 tables kept in memory: 64 KiB each, 512 MiB of guest disk.
const maxCachedTables = 64

// tableCache keeps the L2 tables used last. They are written through, so dropping is free.
type tableCache struct {
	byIndex map[int]*list.Element
	recent  *list.List // of *table, most recent first
}

func newTableCache() tableCache {
	return tableCache{byIndex: map[int]*list.Element{}, recent: list.New()}
}

func (c *tableCache) get(index int) *table {
	el, ok := c.byIndex[index]
	if !ok {
		return nil
	}
	c.recent.MoveToFront(el)
	return el.Value.(*table)
}

func (c *tableCache) put(t *table) {
	c.byIndex[t.index] = c.recent.PushFront(t)
	if c.recent.Len() > maxCachedTables {
		oldest := c.recent.Back()
		delete(c.byIndex, c.recent.Remove(oldest).(*table).index)
	}
}
