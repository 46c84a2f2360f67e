package guestfs

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Options change how a file system behaves. The zero value is fine.
type Options struct {
	// Now is the guest's clock, for times of files and the age of changes. Default time.Now.
	Now func() time.Time
	// FlushBytes is how much may wait in the volatile cache. Default, and at most, 4 MiB or a
	// sixteenth of the device's half.
	FlushBytes int64
	// CommitInterval is the age from which on any call flushes the waiting changes. Default 5 s.
	CommitInterval time.Duration
}

// Info describes one file, directory or symbolic link.
type Info struct {
	Name     string      // last element of its path; "/" for the root
	Size     int64       // bytes; of a symbolic link, the length of the target
	Mode     fs.FileMode // type and permissions, as os.FileInfo has them
	UID, GID int
	ModTime  time.Time
	Inode    uint64
	Nlink    int    // 0 for an open file that was removed
	Target   string // of a symbolic link
}

// FS is an open file system. Its methods may be called at the same time from several
// goroutines; each is atomic, but for a write of more than 1 MiB or FlushBytes. It has no goroutines of its
// own. Errors are *fs.PathError with a syscall.Errno, or with fs.ErrClosed after Close.
type FS struct {
	dev      Device
	now      func() time.Time
	limit    int64
	interval time.Duration

	oldest atomic.Int64 // unix nanoseconds of the oldest change not flushed, 0 if none

	mu            sync.RWMutex
	tree          *tree
	log           *log
	regionIndex   uint64
	compactPieces int // extents of all files after the last compaction
	closed        bool
}

// Open opens the file system on dev, and formats a blank (all-zero) device. An error wraps
// ErrCorrupt if the device holds something else. Only one FS may use a device at a time. To
// forget an FS without Close is a power cut: what was not flushed is lost.
func Open(dev Device, o Options) (*FS, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CommitInterval <= 0 {
		o.CommitInterval = 5 * time.Second
	}
	if dev.Size() < MinSize {
		return nil, fmt.Errorf("open guest file system: a device of %d bytes is smaller than %d", dev.Size(), MinSize)
	}
	supers, blank, err := readSuperblocks(dev)
	if err == nil && blank {
		if err = format(dev, o.Now()); err == nil {
			supers, _, err = readSuperblocks(dev)
		}
	}
	if err == nil && len(supers) == 0 {
		err = corruptf("no valid superblock for a device of %d bytes", dev.Size())
	}
	if err != nil {
		return nil, fmt.Errorf("open guest file system: %w", err)
	}
	t, l, err := load(dev, supers[0])
	if err != nil {
		return nil, fmt.Errorf("open guest file system: %w", err)
	}
	limit := batchLimit(l.region)
	if o.FlushBytes > 0 {
		limit = min(limit, max(o.FlushBytes, 1024))
	}
	return &FS{
		dev: dev, now: o.Now, limit: limit, interval: o.CommitInterval,
		tree: t, log: l, regionIndex: supers[0].region,
	}, nil
}

// Usage tells how many bytes files, names and bookkeeping may take, and how many they take.
// The total is less than half of the device: compaction needs the other half.
func (f *FS) Usage() (total, used int64) {
	f.flushDue()
	f.mu.RLock()
	defer f.mu.RUnlock()
	total = capacity(f.log.region)
	return total, min(total, f.tree.cost)
}

// Sync makes all changes durable.
func (f *FS) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return pathError("sync", "/", f.syncLocked())
}

func (f *FS) syncLocked() error {
	if f.closed {
		return fs.ErrClosed
	}
	err := f.log.sync()
	if f.log.batch.empty() {
		f.oldest.Store(0)
	}
	return err
}

// Close syncs; the FS and its open files are of no use afterwards. It does not close the device.
func (f *FS) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.syncLocked()
	f.closed = true
	return pathError("close", "/", err)
}

// read runs a function that looks at the tree.
func (f *FS) read(op, path string, fn func() error) error {
	f.flushDue()
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return pathError(op, path, fs.ErrClosed)
	}
	return pathError(op, path, fn())
}

// change runs a function that may change the tree, with room for a few operations in the log.
func (f *FS) change(op, path string, fn func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return pathError(op, path, fs.ErrClosed)
	}
	if err := f.admit(0); err != nil {
		return pathError(op, path, err)
	}
	return pathError(op, path, fn())
}

// admit makes room in the volatile cache and in the log for n bytes of data and a few
// operations. It comes before any change, so that a failing device changes nothing.
func (f *FS) admit(n int64) error {
	if f.due() || f.log.full(n, f.limit) {
		if err := f.log.flush(); err != nil {
			return err
		}
		f.oldest.Store(0)
	}
	if f.log.fits(n) && !f.wasteful() {
		return nil
	}
	if err := f.compact(); err != nil {
		return err
	}
	f.oldest.Store(0)
	if !f.log.fits(n) {
		return syscall.ENOSPC
	}
	return nil
}

// afford checks that the tree may cost n bytes more.
func (f *FS) afford(n int64) error {
	if f.tree.cost+n > capacity(f.log.region) {
		return syscall.ENOSPC
	}
	return nil
}

// do makes one change, in memory and in the volatile cache.
func (f *FS) do(o op) {
	f.tree.apply(o, f.log.dataPos())
	f.log.batch.add(o)
	f.oldest.CompareAndSwap(0, f.now().UnixNano())
}

func (f *FS) due() bool {
	oldest := f.oldest.Load()
	return oldest != 0 && f.now().UnixNano()-oldest >= int64(f.interval)
}

// flushDue flushes for a reader. The reader is not to blame for a failing device: the changes
// stay in the cache, and the next writer or Sync is told.
func (f *FS) flushDue() {
	if !f.due() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed && f.log.flush() == nil {
		f.oldest.Store(0)
	}
}

// pathError gives err the shape the package promises.
func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	if known := (*fs.PathError)(nil); errors.As(err, &known) {
		return err
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}
