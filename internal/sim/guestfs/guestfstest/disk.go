// Package guestfstest has disks in memory, for the tests of what stands on guestfs. It is imported from
// tests only.
//
//	fsys, err := guestfs.Open(guestfstest.NewDisk(64<<20), guestfs.Options{})
package guestfstest

import (
	"io"
	"sync"
)

// Disk is a disk in memory. All methods are safe for concurrent use.
type Disk struct {
	mu   sync.RWMutex
	data []byte
}

// NewDisk makes a disk of size bytes, all zero.
func NewDisk(size int) *Disk { return &Disk{data: make([]byte, size)} }

// Size is in bytes.
func (d *Disk) Size() int64 { return int64(len(d.data)) }

// Sync has nothing to do.
func (d *Disk) Sync() error { return nil }

// ReadAt implements io.ReaderAt.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if n := copy(p, d.data[off:]); n < len(p) {
		return n, io.EOF
	}
	return len(p), nil
}

// WriteAt implements io.WriterAt.
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return copy(d.data[off:], p), nil
}
