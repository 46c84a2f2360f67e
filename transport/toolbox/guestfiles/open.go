package guestfiles

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// block is how much of a file is held at a time.
	block = 64 << 10
	// stall is how long a device may take for the next piece of a file: some of /proc and /sys never
	// have one.
	stall = time.Minute
	// Unsized is the size of a file that does not tell its own, as most of /proc.
	Unsized = -1
)

var blocks = sync.Pool{New: func() any { return new([block]byte) }}

// Reader is a file on its way from the device. It is for one goroutine; Cancel may be called from others.
type Reader struct {
	Stat adb.FileStat
	Size int64 // how much there is to read, or Unsized

	first  []byte // what has been read already
	whole  bool   // first is all of it
	buf    *[block]byte
	in     io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer // ends ctx when the device is silent
}

// errStall is the cause of a context whose device went silent.
var errStall = fault.Timeoutf("the device sent nothing more of the file for %s", stall)

// Open begins to read a file: the device has opened it, and its first piece is here. The caller closes
// the reader. Invalid for a directory and for what is no regular file, which might never end; NotFound, Forbidden,
// Unavailable as the device says.
func (f *Files) Open(ctx context.Context, name string) (*Reader, error) {
	st, err := f.Regular(ctx, name)
	if err != nil {
		return nil, err
	}
	r := &Reader{Stat: st, Size: st.Size, buf: blocks.Get().(*[block]byte)}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	r.timer = time.AfterFunc(stall, func() { r.cancel(errStall) })
	r.in, err = f.device.Recv(r.ctx, name)
	if err == nil {
		err = r.begin()
	}
	if err != nil {
		err = r.reason(err)
		r.Close()
		return nil, err
	}
	return r, nil
}

// Regular is Stat for a file that can be read.
func (f *Files) Regular(ctx context.Context, name string) (adb.FileStat, error) {
	st, err := f.device.Stat(ctx, name)
	switch {
	case err != nil:
		return st, err
	case st.Mode.IsDir():
		return st, fault.Invalidf("path points to a directory: %s", printable(name))
	case !st.Mode.IsRegular():
		return st, fault.Invalidf("path points to no regular file: %s", printable(name))
	}
	return st, nil
}

// begin reads the first block. A file that ends within it has told its size.
func (r *Reader) begin() error {
	n, err := io.ReadFull(r.in, r.buf[:])
	r.timer.Stop()
	r.first = r.buf[:n]
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		r.Size, r.whole = int64(n), true
	case err != nil:
		return err
	case r.Size <= int64(n):
		r.Size = Unsized
	}
	return nil
}

// reason prefers why reading was ended to what came of that.
func (r *Reader) reason(err error) error {
	if cause := context.Cause(r.ctx); cause != nil {
		return cause
	}
	return err
}

// First is the beginning of the file, up to 64 KiB, until CopyTo is called.
func (r *Reader) First() []byte { return r.first }

// CopyTo writes n bytes of the file, or all when n is Unsized, after skipping some. A file that ends before
// that, or a device that is lost, is an error. It can be called once.
func (r *Reader) CopyTo(w io.Writer, skip, n int64) error {
	piece, ended := r.first, r.whole
	for {
		skipped := min(skip, int64(len(piece)))
		piece, skip = piece[skipped:], skip-skipped
		if n != Unsized {
			piece = piece[:min(n, int64(len(piece)))]
			n -= int64(len(piece))
		}
		if len(piece) > 0 {
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		switch {
		case n == 0, ended && n == Unsized:
			return nil
		case ended:
			return fault.Unavailablef("the file has become shorter while it was read")
		}
		var err error
		if piece, err = r.next(); errors.Is(err, io.EOF) {
			ended = true
		} else if err != nil {
			return r.reason(err)
		}
	}
}

func (r *Reader) next() ([]byte, error) {
	r.timer.Reset(stall)
	n, err := r.in.Read(r.buf[:])
	r.timer.Stop()
	return r.buf[:n], err
}

// Cancel ends a CopyTo under way.
func (r *Reader) Cancel() { r.cancel(context.Canceled) }

// Close ends the transfer. CopyTo must have returned.
func (r *Reader) Close() {
	r.timer.Stop()
	r.cancel(context.Canceled)
	if r.in != nil {
		_ = r.in.Close()
	}
	if r.buf != nil {
		blocks.Put(r.buf)
		r.buf, r.first = nil, nil
	}
}
