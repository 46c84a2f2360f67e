package guestfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// File is an open file. Its methods may be called at the same time from several goroutines;
// Read, Write and Seek share one position.
type File struct {
	fsys *FS
	node *node
	name string
	flag int

	mu     sync.Mutex // guards pos; taken before FS.mu
	pos    int64
	closed bool // guarded by FS.mu
}

var (
	_ io.ReadWriteSeeker = (*File)(nil)
	_ io.ReaderAt        = (*File)(nil)
	_ io.WriterAt        = (*File)(nil)
	_ io.Closer          = (*File)(nil)
)

// Name is the path given to OpenFile.
func (h *File) Name() string { return h.name }

// Stat describes the file, also after it was renamed or removed.
func (h *File) Stat() (info Info, err error) {
	err = h.read("stat", func() error {
		info = h.node.info()
		return nil
	})
	return info, err
}

// Read reads from the position on and moves it. At the end it returns 0, io.EOF.
func (h *File) Read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, err := h.readAt(p, h.pos)
	h.pos += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// ReadAt implements io.ReaderAt.
func (h *File) ReadAt(p []byte, off int64) (int, error) { return h.readAt(p, off) }

func (h *File) readAt(p []byte, off int64) (n int, err error) {
	atEnd := false
	err = h.read("read", func() error {
		switch {
		case !reads(h.flag):
			return syscall.EBADF
		case h.node.isDir():
			return syscall.EISDIR
		case off < 0:
			return syscall.EINVAL
		}
		n = int(max(0, min(int64(len(p)), h.node.size-off)))
		atEnd = n < len(p)
		return h.fsys.readData(h.node, p[:n], off)
	})
	if err != nil {
		return 0, err
	}
	if atEnd {
		return n, io.EOF
	}
	return n, nil
}

// readData fills p from inside the file; holes are zeros.
func (f *FS) readData(n *node, p []byte, off int64) error {
	end := off + int64(len(p))
	for _, e := range n.extents[n.extents.from(off):] {
		if e.off >= end {
			break
		}
		if e.off > off {
			clear(p[:e.off-off])
			p, off = p[e.off-off:], e.off
		}
		part := min(e.end(), end) - off
		if err := f.log.read(p[:part], e.pos+off-e.off); err != nil {
			return err
		}
		p, off = p[part:], off+part
	}
	clear(p)
	return nil
}

// Write writes at the position, or at the end with O_APPEND, and moves it.
func (h *File) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, end, err := h.write(p, h.pos, h.flag&os.O_APPEND != 0)
	h.pos = end
	return n, err
}

// WriteAt implements io.WriterAt. Like that of os.File, it refuses files opened with O_APPEND.
func (h *File) WriteAt(p []byte, off int64) (int, error) {
	if h.flag&os.O_APPEND != 0 || off < 0 {
		return 0, pathError("write", h.name, syscall.EINVAL)
	}
	n, _, err := h.write(p, off, false)
	return n, err
}

// write stores p in parts that fit the volatile cache. It returns how much was written and
// where that ended.
func (h *File) write(p []byte, off int64, atEnd bool) (done int, end int64, err error) {
	for {
		part := p[done:min(len(p), done+int(min(1<<20, h.fsys.limit)))]
		err = h.change("write", func() error {
			if atEnd {
				off = h.node.size
			}
			return h.fsys.writeData(h.node, part, off)
		})
		if err != nil {
			return done, off, err
		}
		done += len(part)
		off += int64(len(part))
		if done == len(p) {
			return done, off, nil
		}
	}
}

// writeData appends p to the log as a part of the file.
func (f *FS) writeData(n *node, p []byte, off int64) error {
	length := int64(len(p))
	switch {
	case length == 0:
		return nil
	case off > maxFileSize-length:
		return syscall.EFBIG
	}
	// Writing over what is stored is free: compaction joins the pieces again.
	if more := length - n.extents.covered(off, off+length); more > 0 {
		if err := f.afford(more + 2*extentCost); err != nil {
			return err
		}
	}
	if err := f.admit(length); err != nil {
		return err
	}
	at := int64(len(f.log.batch.data))
	f.log.batch.data = append(f.log.batch.data, p...)
	f.do(op{code: opExtent, ino: n.ino, off: off, length: length, data: at, mtime: f.now().UnixNano()})
	return nil
}

// Seek implements io.Seeker.
func (h *File) Seek(offset int64, whence int) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.read("seek", func() error {
		switch whence {
		case io.SeekStart:
		case io.SeekCurrent:
			offset += h.pos
		case io.SeekEnd:
			offset += h.node.size
		default:
			return syscall.EINVAL
		}
		if offset < 0 {
			return syscall.EINVAL
		}
		h.pos = offset
		return nil
	})
	return h.pos, err
}

// Truncate sets the size; what is new reads as zeros. The position stays.
func (h *File) Truncate(size int64) error {
	return h.change("truncate", func() error {
		switch {
		case size < 0:
			return syscall.EINVAL
		case size > maxFileSize:
			return syscall.EFBIG
		}
		if err := h.fsys.afford(0); err != nil && size > h.node.size {
			return err
		}
		h.fsys.do(op{code: opTruncate, ino: h.node.ino, size: size, mtime: h.fsys.now().UnixNano()})
		return nil
	})
}

// Close ends the use of the file, and the life of a removed one. It flushes nothing.
func (h *File) Close() error {
	f := h.fsys
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.closed || f.closed {
		return pathError("close", h.name, fs.ErrClosed)
	}
	h.closed = true
	n := h.node
	n.handles--
	if n.handles > 0 || n.parent != nil || n == f.tree.root {
		return nil
	}
	if f.log.fits(0) && !f.log.full(0, f.limit) {
		f.do(op{code: opDrop, ino: n.ino})
	} else {
		f.tree.drop(n) // the next replay drops it as well, for it has no name
	}
	return nil
}

// read runs a function that looks at the file.
func (h *File) read(op string, fn func() error) error {
	return h.fsys.read(op, h.name, func() error {
		if h.closed {
			return fs.ErrClosed
		}
		return fn()
	})
}

// change runs a function that changes the file's content.
func (h *File) change(op string, fn func() error) error {
	return h.fsys.change(op, h.name, func() error {
		switch {
		case h.closed:
			return fs.ErrClosed
		case !writes(h.flag):
			return syscall.EBADF
		}
		return fn()
	})
}
