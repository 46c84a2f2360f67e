package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Open opens an existing image for reading and writing. It checks the header and all tables
// first, and takes back clusters that a killed process leaked; a clean image is not written
// to. It fails with ErrFormat on an image of another dialect or with tables that contradict
// each other, and if another process has the image open. The caller closes it.
func Open(path string) (*Image, error) {
	file, err := openLocked(path, os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	img, err := load(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open image %s: %w", path, err), closeLocked(file))
	}
	return img, nil
}

func load(file *os.File) (*Image, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	first := make([]byte, clusterSize)
	n, err := file.ReadAt(first, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	h, err := parseHeader(first[:n], info.Size())
	if err != nil {
		return nil, err
	}
	img := newImage(file, h)
	if img.l1, err = readEntries(file, h.L1Offset, h.L1Size); err != nil {
		return nil, fmt.Errorf("read L1 table: %w", err)
	}
	if img.refTable, err = readEntries(file, h.RefcountTableOffset, h.RefcountTableClusters*l2Entries); err != nil {
		return nil, fmt.Errorf("read refcount table: %w", err)
	}
	used, err := img.survey(info.Size())
	if err != nil {
		return nil, err
	}
	if err := img.reclaim(used); err != nil {
		return nil, err
	}
	img.end = used.end()
	if info.Size() != img.end {
		return img, file.Truncate(img.end)
	}
	return img, nil
}

func readEntries(file *os.File, off int64, n int) ([]uint64, error) {
	raw := make([]byte, 8*n)
	if err := readFull(file, raw, off); err != nil {
		return nil, err
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = binary.BigEndian.Uint64(raw[8*i:])
	}
	return out, nil
}

// usage says which clusters of the file have a user.
type usage []bool

func (u usage) end() int64 {
	for i := len(u) - 1; i >= 0; i-- {
		if u[i] {
			return int64(i+1) * clusterSize
		}
	}
	return 0
}

// claim notes the user of n bytes at off. Clusters have one user each.
func (u usage) claim(what string, off, n int64) error {
	if off <= 0 || off%clusterSize != 0 || off >= int64(len(u))*clusterSize {
		return formatErrorf("%s at %#x is outside of the file", what, off)
	}
	for c := off / clusterSize; c < (off+n+clusterSize-1)/clusterSize; c++ {
		if c >= int64(len(u)) || u[c] {
			return formatErrorf("%s at %#x is outside of the file or overlaps something else", what, off)
		}
		u[c] = true
	}
	return nil
}

// survey walks all tables and notes who uses which cluster of the file.
func (img *Image) survey(fileSize int64) (usage, error) {
	used := make(usage, (fileSize+clusterSize-1)/clusterSize)
	used[0] = true
	if err := used.claim("L1 table", img.header.L1Offset, int64(img.header.L1Size)*8); err != nil {
		return nil, err
	}
	refLen := int64(img.header.RefcountTableClusters) * clusterSize
	if err := used.claim("refcount table", img.header.RefcountTableOffset, refLen); err != nil {
		return nil, err
	}
	for _, e := range img.refTable {
		if e == 0 {
			continue
		}
		if err := used.claim("refcount block", int64(e), clusterSize); err != nil {
			return nil, err
		}
	}
	raw := make([]byte, clusterSize)
	for i, e := range img.l1 {
		if e == 0 {
			continue
		}
		if err := img.surveyL2(used, raw, i, entry(e)); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// surveyL2 checks one L2 table. A used cluster without the copied flag would be shared, which
// happens with internal snapshots only.
func (img *Image) surveyL2(used usage, raw []byte, index int, e entry) error {
	if uint64(e)&^uint64(offsetMask) != copiedFlag {
		return formatErrorf("L1 entry %d is %#x", index, uint64(e))
	}
	if err := used.claim("L2 table", e.host(), clusterSize); err != nil {
		return err
	}
	if err := readFull(img.file, raw, e.host()); err != nil {
		return fmt.Errorf("read L2 table %d: %w", index, err)
	}
	for slot, e := range decodeTable(raw) {
		switch flags := uint64(e) &^ uint64(offsetMask) &^ zeroFlag; {
		case e.host() == 0 && flags == 0:
			continue
		case flags != copiedFlag:
			return formatErrorf("L2 entry %d of table %d is %#x", slot, index, uint64(e))
		}
		if err := used.claim("cluster", e.host(), clusterSize); err != nil {
			return err
		}
	}
	return nil
}

// reclaim compares the refcounts with the users and sets those of leaked clusters to 0. A user
// without a refcount is damage that no ordered write leaves behind, and refused.
func (img *Image) reclaim(used usage) error {
	raw := make([]byte, clusterSize)
	for i, host := range img.refTable {
		base := int64(i) * blockEntries
		if host == 0 {
			if base < int64(len(used)) && used[base:min(int64(len(used)), base+blockEntries)].end() > 0 {
				return formatErrorf("clusters from %#x have no refcount block", base*clusterSize)
			}
			continue
		}
		if err := readFull(img.file, raw, int64(host)); err != nil {
			return fmt.Errorf("read refcount block %d: %w", i, err)
		}
		leaks, err := freeLeaks(raw, used, base)
		if err != nil {
			return err
		}
		if leaks == 0 {
			continue
		}
		if _, err := img.file.WriteAt(raw, int64(host)); err != nil {
			return fmt.Errorf("free %d leaked clusters: %w", leaks, err)
		}
	}
	return nil
}

// freeLeaks clears the counts of unused clusters in one refcount block, which starts with the
// cluster base, and returns how many there were.
func freeLeaks(block []byte, used usage, base int64) (leaks int, err error) {
	for i := range int64(blockEntries) {
		count := binary.BigEndian.Uint16(block[2*i:])
		inUse := base+i < int64(len(used)) && used[base+i]
		switch {
		case inUse && count != 1:
			return 0, formatErrorf("cluster at %#x is used once and counted %d times", (base+i)*clusterSize, count)
		case !inUse && count != 0:
			binary.BigEndian.PutUint16(block[2*i:], 0)
			leaks++
		}
	}
	return leaks, nil
}
