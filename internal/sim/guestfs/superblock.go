package guestfs

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCorrupt is wrapped by Open when the device holds something that is no file system of this
// package, or one that was damaged beyond a torn tail.
var ErrCorrupt = errors.New("no usable guest file system")

func corruptf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

const (
	superMagic = 0x3172707573666367 // "gcfsupr1"
	superSize  = 64
	superSlot  = 4096          // distance of the two copies
	logStart   = 2 * superSlot // region 0 begins here

	// MinSize is the smallest device in bytes that can be formatted.
	MinSize = 1 << 20
)

// superblock says which region is current. Two slots are written in turn, so that one of them
// is whole at any time; the higher generation wins.
type superblock struct {
	generation uint64
	region     uint64
	size       uint64 // of the device
	synced     uint64 // records of the log that were durable before this was written
}

func (s superblock) encode() []byte {
	b := make([]byte, superSize)
	le := binary.LittleEndian
	le.PutUint64(b[0:], superMagic)
	le.PutUint64(b[8:], s.generation)
	le.PutUint64(b[16:], s.region)
	le.PutUint64(b[24:], s.size)
	le.PutUint64(b[32:], s.synced)
	le.PutUint32(b[superSize-4:], checksum(b[:superSize-4]))
	return b
}

func decodeSuperblock(b []byte) (superblock, bool) {
	le := binary.LittleEndian
	s := superblock{le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:]), le.Uint64(b[32:])}
	ok := le.Uint64(b) == superMagic && le.Uint32(b[superSize-4:]) == checksum(b[:superSize-4])
	return s, ok && s.region < 2 && s.generation > 0
}

// write puts the superblock into its slot.
func (s superblock) write(dev Device) error {
	_, err := dev.WriteAt(s.encode(), int64(s.generation%2)*superSlot)
	return err
}

// readSuperblocks returns the valid superblocks, the newest first. An all-zero head of the
// device means that it is blank.
func readSuperblocks(dev Device) (found []superblock, blank bool, err error) {
	head := make([]byte, logStart)
	if err := readExactly(dev, head, 0); err != nil {
		return nil, false, err
	}
	blank = true
	for _, b := range head {
		if b != 0 {
			blank = false
			break
		}
	}
	for slot := range 2 {
		s, ok := decodeSuperblock(head[slot*superSlot:])
		if !ok || s.size != uint64(dev.Size()) {
			continue
		}
		if len(found) == 1 && s.generation > found[0].generation {
			found = []superblock{s, found[0]}
		} else {
			found = append(found, s)
		}
	}
	return found, blank, nil
}

// region is one half of the device behind the superblocks.
type region struct{ start, end int64 }

func (r region) size() int64 { return r.end - r.start }

func regionOf(deviceSize int64, n uint64) region {
	half := (deviceSize - logStart) / 2 / recordAlign * recordAlign
	start := logStart + int64(n)*half
	return region{start, start + half}
}
