package qcow2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The dialect crosvm writes and this package reads.
const (
	clusterBits = 16
	clusterSize = 1 << clusterBits

	l2Entries    = clusterSize / 8
	l2Span       = l2Entries * clusterSize // guest bytes under one L2 table
	blockEntries = clusterSize / 2         // 16-bit refcounts in one refcount block

	l1Start       = 1 * clusterSize
	refTableStart = 2 * clusterSize
	refBlockStart = 3 * clusterSize
	firstFree     = 4 * clusterSize
)

const (
	// MaxSize is the largest virtual size, the reach of an L1 table of one cluster.
	MaxSize = l2Entries * l2Span

	// MaxBacking is the longest backing path in bytes, the limit of the format and of crosvm.
	MaxBacking = 1023

	sectorSize = 512
)

const (
	magic           = 0x514649fb // "QFI\xfb"
	version3        = 3
	bareHeaderSize  = 104
	typedHeaderSize = 112 // with the compression type qemu adds
	refcountOrder   = 4
	maxRefClusters  = 16

	// extFormat is the backing format extension of crosvm (since its commit 69abc27). It is not
	// the number of the qcow2 specification, 0xE2792ACA; qemu skips it as unknown.
	extFormat = 0xe279268f
	// formatComposite is what crosvm puts into the extension for a composite disk.
	formatComposite = "composite"
)

// ErrFormat is wrapped by every error that says the file is not an image of this dialect.
var ErrFormat = errors.New("not a usable qcow2 image")

func formatErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// Style is the way crosvm's header names its backing file.
type Style int

// Old is a header without extensions, the backing path at 0x70. New has the format extension,
// the path at 0x88; a crosvm that writes it opens no other image that has a backing file.
const (
	Old Style = iota
	New
)

// String names the style in lower case.
func (s Style) String() string {
	if s == New {
		return "new"
	}
	return "old"
}

// Header is what the first cluster of an image says. Offsets are bytes in the file.
type Header struct {
	Size                  int64 // virtual size in bytes
	L1Size                int   // entries
	L1Offset              int64
	RefcountTableOffset   int64
	RefcountTableClusters int
	HeaderLength          int

	BackingOffset int64  // 0 if there is no backing file
	Backing       string // path as written, "" if there is none
	Format        string // content of crosvm's format extension, "" if absent
	Style         Style  // New if the format extension is there
}

// l1EntriesFor is the number of L1 entries that cover size bytes.
func l1EntriesFor(size int64) int { return int((size + l2Span - 1) / l2Span) }

// newHeader lays out the header of a fresh image.
func newHeader(o Options) Header {
	h := Header{
		Size: o.Size, L1Size: l1EntriesFor(o.Size), L1Offset: l1Start,
		RefcountTableOffset: refTableStart, RefcountTableClusters: 1,
		HeaderLength: bareHeaderSize, Backing: o.Backing,
	}
	if o.Backing == "" {
		return h
	}
	h.BackingOffset = bareHeaderSize + 8
	if o.Style == New {
		h.Style, h.Format = New, formatComposite
		h.BackingOffset += 8 + 16
	}
	return h
}

// encode renders the whole first cluster.
func (h Header) encode() []byte {
	b := make([]byte, clusterSize)
	be := binary.BigEndian
	be.PutUint32(b[0:], magic)
	be.PutUint32(b[4:], version3)
	be.PutUint64(b[8:], uint64(h.BackingOffset))
	be.PutUint32(b[16:], uint32(len(h.Backing)))
	be.PutUint32(b[20:], clusterBits)
	be.PutUint64(b[24:], uint64(h.Size))
	be.PutUint32(b[36:], uint32(h.L1Size))
	be.PutUint64(b[40:], uint64(h.L1Offset))
	be.PutUint64(b[48:], uint64(h.RefcountTableOffset))
	be.PutUint32(b[56:], uint32(h.RefcountTableClusters))
	be.PutUint32(b[96:], refcountOrder)
	be.PutUint32(b[100:], bareHeaderSize)
	if h.Format != "" {
		be.PutUint32(b[104:], extFormat)
		be.PutUint32(b[108:], uint32(len(h.Format)))
		copy(b[112:], h.Format)
	}
	copy(b[h.BackingOffset:], h.Backing) // offset 0 comes with an empty path
	return b
}

// parseHeader reads the first cluster (or less, of a short file) of a file of fileSize bytes.
// It trusts nothing: every offset and length it returns lies inside the file.
func parseHeader(b []byte, fileSize int64) (Header, error) {
	if len(b) < bareHeaderSize {
		return Header{}, formatErrorf("%d bytes are too short for a header", len(b))
	}
	if err := checkDialect(b); err != nil {
		return Header{}, err
	}
	be := binary.BigEndian
	h := Header{HeaderLength: int(be.Uint32(b[100:]))}
	var err error
	if h.Size, err = parseSize(be.Uint64(b[24:]), fileSize); err != nil {
		return Header{}, err
	}
	l1Size, refClusters := be.Uint32(b[36:]), be.Uint32(b[56:])
	if int64(l1Size) < int64(l1EntriesFor(h.Size)) || l1Size > l2Entries {
		return Header{}, formatErrorf("%d L1 entries for %d bytes", l1Size, h.Size)
	}
	if refClusters < 1 || refClusters > maxRefClusters {
		return Header{}, formatErrorf("%d refcount table clusters", refClusters)
	}
	h.L1Size, h.RefcountTableClusters = int(l1Size), int(refClusters)
	if h.L1Offset, err = parseTable("L1 table", be.Uint64(b[40:]), int64(l1Size)*8, fileSize); err != nil {
		return Header{}, err
	}
	refLen := int64(refClusters) * clusterSize
	if h.RefcountTableOffset, err = parseTable("refcount table", be.Uint64(b[48:]), refLen, fileSize); err != nil {
		return Header{}, err
	}
	if err := h.parseExtensions(b); err != nil {
		return Header{}, err
	}
	if err := h.parseBacking(b); err != nil {
		return Header{}, err
	}
	return h, nil
}

// checkDialect compares the fields that have one acceptable value.
func checkDialect(b []byte) error {
	fields := []struct {
		name  string
		at    int
		bytes int
		want  uint64
	}{
		{"magic", 0, 4, magic},
		{"version", 4, 4, version3},
		{"cluster bits", 20, 4, clusterBits},
		{"encryption method", 32, 4, 0},
		{"number of snapshots", 60, 4, 0},
		{"snapshots offset", 64, 8, 0},
		{"incompatible features", 72, 8, 0},
		{"compatible features", 80, 8, 0},
		{"autoclear features", 88, 8, 0},
		{"refcount order", 96, 4, refcountOrder},
	}
	for _, f := range fields {
		got := uint64(binary.BigEndian.Uint32(b[f.at:]))
		if f.bytes == 8 {
			got = binary.BigEndian.Uint64(b[f.at:])
		}
		if got != f.want {
			return formatErrorf("%s is %#x, want %#x", f.name, got, f.want)
		}
	}
	switch n := binary.BigEndian.Uint32(b[100:]); {
	case n == bareHeaderSize:
	case n == typedHeaderSize && len(b) >= typedHeaderSize && binary.BigEndian.Uint64(b[104:]) == 0:
	default:
		return formatErrorf("header length %d is not supported", n)
	}
	return nil
}

func parseSize(v uint64, fileSize int64) (int64, error) {
	if v == 0 || v > MaxSize || v%sectorSize != 0 {
		return 0, formatErrorf("virtual size %d", v)
	}
	// A file much longer than its guest could ever fill would only cost memory to check.
	if fileSize > 2*int64(v)+64<<20 {
		return 0, formatErrorf("the file has %d bytes for a virtual size of %d", fileSize, v)
	}
	return int64(v), nil
}

func parseTable(name string, off uint64, length, fileSize int64) (int64, error) {
	if off == 0 || off%clusterSize != 0 || off > uint64(fileSize) || int64(off)+length > fileSize {
		return 0, formatErrorf("%s of %d bytes at %#x is outside of the file", name, length, off)
	}
	return int64(off), nil
}

// parseExtensions walks the header extensions up to the end marker.
func (h *Header) parseExtensions(b []byte) error {
	for at := h.HeaderLength; ; {
		if at+8 > len(b) {
			return formatErrorf("header extensions have no end")
		}
		kind, n := binary.BigEndian.Uint32(b[at:]), int64(binary.BigEndian.Uint32(b[at+4:]))
		if kind == 0 {
			return nil
		}
		at += 8
		if n > int64(len(b)-at) {
			return formatErrorf("header extension %#x of %d bytes leaves the header", kind, n)
		}
		if kind == extFormat {
			h.Style, h.Format = New, string(b[at:at+int(n)])
		}
		at += int(n+7) &^ 7
	}
}

func (h *Header) parseBacking(b []byte) error {
	off, n := binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint32(b[16:])
	switch {
	case off == 0 && n == 0:
		return nil
	case n > MaxBacking:
		return formatErrorf("backing path of %d bytes", n)
	case off < uint64(h.HeaderLength) || off > uint64(len(b)) || off+uint64(n) > uint64(len(b)):
		return formatErrorf("backing path at %#x is outside of the header cluster", off)
	}
	path := b[off : off+uint64(n)]
	if n == 0 || bytes.IndexByte(path, 0) >= 0 {
		return formatErrorf("backing path %q", path)
	}
	h.BackingOffset, h.Backing = int64(off), string(path)
	return nil
}
