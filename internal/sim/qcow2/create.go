package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Options describe a new image.
type Options struct {
	// Size is the virtual size in bytes: a multiple of 512, at most MaxSize.
	Size int64
	// Backing is the path written to the header, at most MaxBacking bytes. Empty means none.
	Backing string
	// Style is how the header names the backing file, if there is one.
	Style Style
}

func (o Options) check() error {
	if o.Size <= 0 || o.Size > MaxSize || o.Size%sectorSize != 0 {
		return fmt.Errorf("virtual size %d: want a multiple of %d up to %d", o.Size, sectorSize, int64(MaxSize))
	}
	if len(o.Backing) > MaxBacking || strings.ContainsRune(o.Backing, 0) {
		return fmt.Errorf("backing path %.64q of %d bytes: want at most %d and no NUL",
			o.Backing, len(o.Backing), MaxBacking)
	}
	return nil
}

// Create makes a new image at path, replacing the content of an existing file. It fails if another process has the image open. The caller closes it.
func Create(path string, o Options) (*Image, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("create image %s: %w", path, err)
	}
	file, err := openLocked(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("create image: %w", err)
	}
	h := newHeader(o)
	if err := layOut(file, h); err != nil {
		return nil, errors.Join(fmt.Errorf("create image %s: %w", path, err), os.Remove(path), closeLocked(file))
	}
	img := newImage(file, h)
	img.l1 = make([]uint64, h.L1Size)
	img.refTable = make([]uint64, h.RefcountTableClusters*l2Entries)
	img.refTable[0] = refBlockStart
	img.end = firstFree
	return img, nil
}

// layOut writes an empty image. The header comes last: an unfinished file is no image at all.
func layOut(file *os.File, h Header) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	if err := file.Truncate(firstFree); err != nil {
		return err
	}
	counts := make([]byte, 2*firstFree/clusterSize)
	for i := 0; i < len(counts); i += 2 {
		binary.BigEndian.PutUint16(counts[i:], 1)
	}
	if _, err := file.WriteAt(counts, refBlockStart); err != nil {
		return err
	}
	if err := writeEntry(file, refTableStart, refBlockStart); err != nil {
		return err
	}
	_, err := file.WriteAt(h.encode(), 0)
	return err
}

// openLocked opens the file and takes an exclusive flock on it: two writers would destroy the
// tables. The lock ends with the descriptor. qemu-img uses locks of another kind.
func openLocked(path string, flag int) (*os.File, error) {
	file, err := os.OpenFile(path, flag, 0o644)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is not a regular file", path), err, file.Close())
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use: %w", path, err), file.Close())
	}
	return file, nil
}

// closeLocked gives up the lock before the descriptor: a process that another goroutine is just
// starting may hold a copy of the descriptor, and with it the lock, until its exec.
func closeLocked(file *os.File) error {
	return errors.Join(unix.Flock(int(file.Fd()), unix.LOCK_UN), file.Close())
}

// writeEntry writes one 8-byte table entry in a single call, which a kill cannot tear.
func writeEntry(file *os.File, at int64, v uint64) error {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	_, err := file.WriteAt(b[:], at)
	return err
}
