package adb

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

// serverRead is how much is read at once: as much as an adb server writes at once, and no more
// memory than a payload of a direct connection.
const serverRead = 256 << 10

// serverStream is a stream through an adb server: the link of a connection of its own. When a
// context ends a wait, the stream ends.
type serverStream struct {
	conn   *serverConn
	nc     net.Conn
	closed atomic.Bool
	buf    []byte
	filled bool // by the last read
}

var (
	_ link  = (*serverStream)(nil)
	_ timed = (*serverStream)(nil)
)

func (s *serverStream) next(ctx context.Context) ([]byte, error) {
	if s.buf == nil {
		s.buf = make([]byte, smallPayload) // most commands print a line or nothing
	} else if s.filled && len(s.buf) < serverRead {
		s.buf = make([]byte, min(8*len(s.buf), serverRead))
	}
	stop := s.endWith(ctx)
	n, err := s.nc.Read(s.buf)
	s.filled = n == len(s.buf)
	err = s.explain(ctx, stop(), err)
	if n > 0 {
		return s.buf[:n], nil // the error comes again
	}
	return nil, err
}

func (s *serverStream) release(context.Context) error { return nil }

func (s *serverStream) write(ctx context.Context, p []byte) (int, error) {
	stop := s.endWith(ctx)
	n, err := s.nc.Write(p)
	return n, s.explain(ctx, stop(), err)
}

// endWith ends the stream with ctx. A context that never ends costs nothing.
func (s *serverStream) endWith(ctx context.Context) (stop func() bool) {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return closeWith(ctx, s.nc)
}

func (s *serverStream) explain(ctx context.Context, whole bool, err error) error {
	switch {
	case err == nil:
		return nil
	case s.closed.Load():
		return io.ErrClosedPipe
	case !whole:
		return context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errDeadline
	}
	if ended := s.conn.Err(); ended != nil {
		return ended
	}
	return lostError(s.conn.serial, err)
}

func (s *serverStream) ready() bool            { return false }
func (s *serverStream) room() int              { return wire.MaxPayload }
func (s *serverStream) name() string           { return s.conn.serial }
func (s *serverStream) hangUp(context.Context) { _ = s.Close() }

func (s *serverStream) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.conn.forget(s)
	return s.nc.Close()
}

func (s *serverStream) setDeadline(read, write bool, t time.Time) error {
	switch {
	case read && write:
		return s.nc.SetDeadline(t)
	case read:
		return s.nc.SetReadDeadline(t)
	}
	return s.nc.SetWriteDeadline(t)
}
