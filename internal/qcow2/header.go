// Package qcow2 reads the header of a device's disk, overlay.img, and moves a disk from one device to another.
//
// An overlay names its backing file, the composite of its own device's images, by an absolute path; so a disk that
// was saved cannot simply be put in the place of another. It can be *grafted*: when a fresh overlay, made by the very
// crosvm that will open it, and the saved one agree in their geometry, the fresh one's first cluster before the saved
// one's rest is the saved disk under the fresh path, and in the header style of the crosvm at hand (tried with
// qemu-img 7.2 and both styles of crosvm; its reader is disk/src/qcow/mod.rs).
//
// The package refuses whatever crosvm would not open: other versions than 3, other clusters than 64 KiB, encryption,
// internal snapshots, feature bits. It knows nothing of tables and data.
//
//	fresh, err := qcow2.Parse(firstCluster)
//	if err := saved.Fits(fresh); err != nil { ... } // says what differs
package qcow2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
)

// ClusterSize is the size of what a graft replaces, in bytes.
const ClusterSize = 64 << 10

const (
	magic       = 0x514649fb
	clusterBits = 16
	bareHeader  = 104
	maxBacking  = 1023
)

// Header is the geometry of a disk and where it says that its backing file is. Offsets are bytes in the file.
type Header struct {
	Size                  uint64 `json:"virtualSize"`
	L1Size                uint32 `json:"l1Size"`
	L1Offset              uint64 `json:"l1Offset"`
	RefcountTableOffset   uint64 `json:"refcountTableOffset"`
	RefcountTableClusters uint32 `json:"refcountTableClusters"`

	Backing string `json:"-"`
}

// Read reads the first cluster of an image, and what it says. Invalid where it is shorter, or as Parse says.
func Read(r io.ReaderAt) (first []byte, h Header, err error) {
	first = make([]byte, ClusterSize)
	if _, err := r.ReadAt(first, 0); err != nil {
		return nil, Header{}, fault.Wrap(fault.Invalid, "read the header of a qcow2 image", err)
	}
	h, err = Parse(first)
	return first, h, err
}

// Parse reads the first cluster of an image. Invalid, saying what is wrong, for anything that crosvm would not open.
func Parse(first []byte) (Header, error) {
	if len(first) < ClusterSize || binary.BigEndian.Uint32(first) != magic {
		return Header{}, fault.Invalidf("not a qcow2 image")
	}
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(first[at:]) }
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(first[at:]) }
	for _, field := range []struct {
		name      string
		got, want uint64
	}{
		{"version", uint64(u32(4)), 3},
		{"cluster bits", uint64(u32(20)), clusterBits},
		{"encryption", uint64(u32(32)), 0},
		{"number of internal snapshots", uint64(u32(60)), 0},
		{"incompatible features", u64(72), 0},
		{"refcount order", uint64(u32(96)), 4},
	} {
		if field.got != field.want {
			return Header{}, fault.Invalidf("a qcow2 image whose %s is %d; want %d", field.name, field.got, field.want)
		}
	}
	if length := u32(100); length < bareHeader || length > ClusterSize {
		return Header{}, fault.Invalidf("a qcow2 image with a header of %d bytes", length)
	}
	h := Header{Size: u64(24), L1Size: u32(36), L1Offset: u64(40), RefcountTableOffset: u64(48), RefcountTableClusters: u32(56)}
	offset, length := u64(8), uint64(u32(16))
	if offset > ClusterSize || length > maxBacking || offset+length > ClusterSize {
		return Header{}, fault.Invalidf("a qcow2 image whose backing path lies at %d with %d bytes", offset, length)
	}
	h.Backing = string(first[offset : offset+length])
	if h.Size == 0 || h.L1Offset == 0 || h.RefcountTableOffset == 0 {
		return Header{}, fault.Invalidf("a qcow2 image without size or tables")
	}
	return h, nil
}

// Fits says what keeps a saved disk with this header from being grafted onto a fresh one: Conflict, or nil.
func (h Header) Fits(fresh Header) error {
	var differ []string
	compare := func(what string, saved, fresh uint64) {
		if saved != fresh {
			differ = append(differ, fmt.Sprintf("%s %d, here %d", what, saved, fresh))
		}
	}
	compare("virtual size", h.Size, fresh.Size)
	compare("L1 entries", uint64(h.L1Size), uint64(fresh.L1Size))
	compare("L1 table at", h.L1Offset, fresh.L1Offset)
	compare("refcount table at", h.RefcountTableOffset, fresh.RefcountTableOffset)
	compare("clusters of refcount table", uint64(h.RefcountTableClusters), uint64(fresh.RefcountTableClusters))
	if len(differ) == 0 {
		return nil
	}
	return fault.Conflictf("the saved disk does not fit this device, whose images or disk size differ: %s", strings.Join(differ, "; "))
}

// WithBacking returns an image's first cluster with another backing path, an absolute one, and all else as it is. Invalid
// where the cluster is no image's, or the path is longer than crosvm reads.
func WithBacking(first []byte, path string) ([]byte, error) {
	h, err := Parse(first)
	if err != nil {
		return nil, err
	}
	offset := int(binary.BigEndian.Uint64(first[8:]))
	if len(path) > maxBacking || offset+len(path) > ClusterSize {
		return nil, fault.Invalidf("a backing path of %d bytes; at most %d are read", len(path), maxBacking)
	}
	out := bytes.Clone(first[:ClusterSize])
	clear(out[offset : offset+len(h.Backing)]) // nothing else follows in the cluster
	copy(out[offset:], path)
	binary.BigEndian.PutUint32(out[16:], uint32(len(path)))
	return out, nil
}
