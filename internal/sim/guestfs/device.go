package guestfs

import (
	"fmt"
	"io"
)

// Device is the byte range a file system lives in. Reads and writes inside [0, Size) succeed
// in full or return an error; what was never written reads as zeros. What was written before
// Sync returned survives a power cut.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Size() int64
	Sync() error
}

// Range is the part of disk from off on that is length bytes long, such as one partition.
func Range(disk Device, off, length int64) (Device, error) {
	if off < 0 || length < 0 || off > disk.Size() || length > disk.Size()-off {
		return nil, fmt.Errorf("range of %d bytes at %d leaves a disk of %d bytes", length, off, disk.Size())
	}
	return &partition{disk: disk, off: off, length: length}, nil
}

type partition struct {
	disk        Device
	off, length int64
}

func (p *partition) Size() int64 { return p.length }
func (p *partition) Sync() error { return p.disk.Sync() }

func (p *partition) ReadAt(b []byte, off int64) (int, error) {
	return io.NewSectionReader(p.disk, p.off, p.length).ReadAt(b, off)
}

func (p *partition) WriteAt(b []byte, off int64) (int, error) {
	if off < 0 || off > p.length || int64(len(b)) > p.length-off {
		return 0, fmt.Errorf("write %d bytes at %d of a partition of %d bytes", len(b), off, p.length)
	}
	return p.disk.WriteAt(b, p.off+off)
}

// readExactly fills b from r.
func readExactly(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes of the device at %d: %w", len(b), off, err)
}
