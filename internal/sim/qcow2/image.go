package qcow2

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Image is an open virtual disk. Offsets of ReadAt and WriteAt are guest offsets. All methods
// may be called at the same time from several goroutines; writes to the same bytes are not
// ordered among each other. One Image owns the file: a second open of it is refused.
type Image struct {
	file    *os.File
	header  Header
	backing io.ReaderAt

	// mu guards the tables. A mapped cluster stays where it is while the image is open, so its
	// data is read and written without the lock.
	mu       sync.Mutex
	l1       []uint64
	refTable []uint64
	l2       tableCache
	end      int64 // first file offset behind the last used cluster
	broken   error // set when the tables and the file may disagree; no write after that
}

func newImage(file *os.File, h Header) *Image {
	return &Image{file: file, header: h, l2: newTableCache()}
}

// SetBacking gives the content of clusters the image does not hold itself; bytes behind its
// end read as zeros. Nil, the default, means zeros. Call it before the first read or write.
// The image neither closes nor writes it.
func (img *Image) SetBacking(r io.ReaderAt) { img.backing = r }

// Size is the virtual size in bytes.
func (img *Image) Size() int64 { return img.header.Size }

// Header tells what the first cluster said when the image was opened.
func (img *Image) Header() Header { return img.header }

// Sync makes everything written so far durable.
func (img *Image) Sync() error {
	if err := img.file.Sync(); err != nil {
		return fmt.Errorf("sync image: %w", err)
	}
	return nil
}

// Close syncs and releases the file.
func (img *Image) Close() error {
	return errors.Join(img.Sync(), closeLocked(img.file))
}

// ReadAt implements io.ReaderAt on the virtual disk.
func (img *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read image at %d: negative offset", off)
	}
	if off >= img.header.Size {
		return 0, io.EOF
	}
	var atEnd error
	if left := img.header.Size - off; int64(len(p)) > left {
		p, atEnd = p[:left], io.EOF
	}
	for done := 0; done < len(p); {
		part := p[done:min(len(p), done+int(clusterRest(off+int64(done))))]
		if err := img.readPart(part, off+int64(done)); err != nil {
			return done, fmt.Errorf("read image at %d: %w", off+int64(done), err)
		}
		done += len(part)
	}
	return len(p), atEnd
}

// WriteAt implements io.WriterAt on the virtual disk. It never grows the disk.
func (img *Image) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > img.header.Size || int64(len(p)) > img.header.Size-off {
		return 0, fmt.Errorf("write %d bytes to image at %d: outside of %d bytes", len(p), off, img.header.Size)
	}
	for done := 0; done < len(p); {
		part := p[done:min(len(p), done+int(clusterRest(off+int64(done))))]
		if err := img.writePart(part, off+int64(done)); err != nil {
			return done, fmt.Errorf("write image at %d: %w", off+int64(done), err)
		}
		done += len(part)
	}
	return len(p), nil
}

// clusterRest is the number of bytes from off to the end of its cluster.
func clusterRest(off int64) int64 { return clusterSize - off%clusterSize }

// readPart reads a range inside one cluster.
func (img *Image) readPart(p []byte, off int64) error {
	img.mu.Lock()
	entry, err := img.lookup(off)
	img.mu.Unlock()
	switch {
	case err != nil:
		return err
	case entry.zero():
		clear(p)
		return nil
	case entry.host() == 0:
		return img.readBacking(p, off)
	}
	return readFull(img.file, p, entry.host()+off%clusterSize)
}

// writePart writes a range inside one cluster.
func (img *Image) writePart(p []byte, off int64) error {
	img.mu.Lock()
	entry, err := img.lookup(off)
	if err != nil {
		img.mu.Unlock()
		return err
	}
	if entry.host() != 0 && !entry.zero() {
		img.mu.Unlock()
		_, err := img.file.WriteAt(p, entry.host()+off%clusterSize)
		return err
	}
	defer img.mu.Unlock()
	return img.writeNew(p, off, entry)
}

// writeNew maps the cluster of off and writes its first content: p over what was seen there
// before. The mapping is published only after the data is in the file.
func (img *Image) writeNew(p []byte, off int64, old entry) error {
	if img.broken != nil {
		return img.broken
	}
	host := old.host()
	if host == 0 {
		var err error
		if host, err = img.allocate(); err != nil {
			return err
		}
	}
	err := img.fill(host, p, off, old)
	if err == nil {
		err = img.link(off, host)
	}
	if err != nil && old.host() == 0 {
		return errors.Join(err, img.release(host))
	}
	return err
}

// fill writes the first content of the file cluster at host.
func (img *Image) fill(host int64, p []byte, off int64, old entry) error {
	fresh := old.host() == 0 // behind the end of the file: a hole, reads as zeros
	if len(p) == clusterSize {
		_, err := img.file.WriteAt(p, host)
		return err
	}
	if fresh && (old.zero() || img.backing == nil) {
		if err := img.file.Truncate(host + clusterSize); err != nil {
			return err
		}
		_, err := img.file.WriteAt(p, host+off%clusterSize)
		return err
	}
	whole := make([]byte, clusterSize)
	if !old.zero() {
		if err := img.readBacking(whole, off-off%clusterSize); err != nil {
			return err
		}
	}
	copy(whole[off%clusterSize:], p)
	_, err := img.file.WriteAt(whole, host)
	return err
}

// readBacking reads guest bytes the image does not hold.
func (img *Image) readBacking(p []byte, off int64) error {
	if img.backing == nil {
		clear(p)
		return nil
	}
	return readFull(img.backing, p, off)
}

// readFull fills p; what lies behind the end of r is zeros. A copy of an image may lack the
// tail of its last cluster, and a backing file may be shorter than the disk.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	clear(p[n:])
	return nil
}
