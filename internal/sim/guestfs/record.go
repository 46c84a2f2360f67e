package guestfs

import (
	"encoding/binary"
	"hash/crc32"
)

// A record in the log, little-endian, starting at a multiple of recordAlign:
//
//	header (64 bytes) | data (file contents) | meta (operations)
//
// The header's checksum covers header and meta. The data has a checksum of its own, which is
// looked at only for records that may not have been synced: replay need not read all data.
const (
	recordMagic  = 0x31676f6c73666367 // "gcfslog1"
	headerSize   = 64
	recordAlign  = 512
	maxMeta      = 2 << 20
	maxBatchData = 8 << 20
)

// crcTable is never written after its initialisation.
var crcTable = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, crcTable) }

// header describes one record.
type header struct {
	generation uint64 // of the region's current use
	seq        uint64 // counts up by one within a generation, from 1
	synced     uint64 // highest seq known to be durable when this record was written
	dataLen    uint32
	metaLen    uint32
	dataSum    uint32
	previous   uint32 // metaSum of the record before: keeps leftovers from joining the log
	metaSum    uint32
}

// encode renders the header and fills metaSum.
func (h *header) encode(meta []byte) []byte {
	b := make([]byte, headerSize)
	le := binary.LittleEndian
	le.PutUint64(b[0:], recordMagic)
	le.PutUint64(b[8:], h.generation)
	le.PutUint64(b[16:], h.seq)
	le.PutUint64(b[24:], h.synced)
	le.PutUint32(b[32:], h.dataLen)
	le.PutUint32(b[36:], h.metaLen)
	le.PutUint32(b[40:], h.dataSum)
	le.PutUint32(b[44:], h.previous)
	h.metaSum = crc32.Update(checksum(b[:headerSize-4]), crcTable, meta)
	le.PutUint32(b[headerSize-4:], h.metaSum)
	return b
}

// decodeHeader reads a header whose checksum is still to be verified; false means that these
// bytes are no header of a record with acceptable lengths.
func decodeHeader(b []byte) (header, bool) {
	le := binary.LittleEndian
	h := header{
		generation: le.Uint64(b[8:]), seq: le.Uint64(b[16:]), synced: le.Uint64(b[24:]),
		dataLen: le.Uint32(b[32:]), metaLen: le.Uint32(b[36:]), dataSum: le.Uint32(b[40:]),
		previous: le.Uint32(b[44:]), metaSum: le.Uint32(b[headerSize-4:]),
	}
	return h, le.Uint64(b) == recordMagic && h.dataLen <= maxBatchData && h.metaLen <= maxMeta
}

// length is the space the record takes in the log.
func (h header) length() int64 {
	return alignUp(headerSize+int64(h.dataLen)+int64(h.metaLen), recordAlign)
}

func alignUp(n, to int64) int64 { return (n + to - 1) / to * to }
