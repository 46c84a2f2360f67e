package adb

import (
	"context"
	"net"
	"strings"
	"sync"
	"time"
)

// Stream is a conversation with a service of the device: a net.Conn. All methods are safe for
// concurrent use.
//
// The device is told that data was taken only when Read has returned the last of it, so a
// reader that stops reading stops the device.
//
// There is no half close: closing is the only way to say that nothing more will be written, and
// it drops what the device has still to say. Whoever forwards the end of some input must keep
// the stream open until the device closes it.
//
// After the device closed, Read returns what is left, then io.EOF, and Write returns
// io.ErrClosedPipe; so do both after Close. When the connection is lost, Read returns what is
// left; then both return an Unavailable error that wraps ErrClosed. Through an adb server a
// lost device looks like one that closed. A deadline that passes is a net.Error with
// Timeout, of kind Timeout; the stream can be used on with another deadline.
type Stream struct {
	link link
	addr Addr

	rmu  sync.Mutex // one Read at a time
	rest []byte     // what Read has not handed out yet
	wmu  sync.Mutex // one Write at a time

	readBy, writeBy *deadline // nil when the link has its own
}

var _ net.Conn = (*Stream)(nil)

func openStream(ctx context.Context, s session, service string) (*Stream, error) {
	l, err := s.openLink(ctx, append(make([]byte, 0, len(service)+1), service...))
	if err != nil {
		return nil, err
	}
	return newStream(l, service), nil
}

func newStream(l link, service string) *Stream {
	s := &Stream{link: l, addr: Addr{l.name(), serviceName(service)}}
	if _, own := l.(timed); !own {
		s.readBy, s.writeBy = newDeadline(), newDeadline()
	}
	return s
}

// Read reads what the device sent.
func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.rmu.Lock()
	defer s.rmu.Unlock()
	ctx := until(s.readBy)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if len(s.rest) == 0 {
		data, err := s.link.next(ctx)
		if err != nil {
			return 0, err
		}
		s.rest = data
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	if len(s.rest) == 0 {
		// A failure here ended the connection; the next Read says so.
		_ = s.link.release(context.Background())
	}
	return n, nil
}

// Write sends p in packets as large as the device takes, each after the device has taken the
// one before. It returns when the last is on its way.
func (s *Stream) Write(p []byte) (int, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	ctx := until(s.writeBy)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return s.link.write(ctx, p)
}

func until(d *deadline) context.Context {
	if d == nil {
		return context.Background()
	}
	return d
}

// Close ends the conversation and drops what was not read. It returns at once, ends a Read or
// Write under way, and may be called again. A shell command gets SIGHUP, nothing else does.
func (s *Stream) Close() error { return s.link.Close() }

// timed is a link with deadlines of its own.
type timed interface {
	setDeadline(read, write bool, t time.Time) error
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (s *Stream) SetDeadline(t time.Time) error { return s.setDeadline(true, true, t) }

// SetReadDeadline ends a Read under way, and those that follow, at t. The zero t is never.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.setDeadline(true, false, t) }

// SetWriteDeadline ends the waiting of a Write under way, and of those that follow, at t. The
// zero t is never. A packet that is being written is written to its end.
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.setDeadline(false, true, t) }

func (s *Stream) setDeadline(read, write bool, t time.Time) error {
	if own, ok := s.link.(timed); ok {
		return own.setDeadline(read, write, t)
	}
	if read {
		s.readBy.set(t)
	}
	if write {
		s.writeBy.set(t)
	}
	return nil
}

// LocalAddr is the same as RemoteAddr: a stream has no name of its own.
func (s *Stream) LocalAddr() net.Addr { return s.addr }

// RemoteAddr names the device and the service.
func (s *Stream) RemoteAddr() net.Addr { return s.addr }

// Addr is where a Stream leads.
type Addr struct {
	Serial  string
	Service string // the name alone ("shell", "tcp"): what follows may be a user's command
}

// Network returns "adb".
func (a Addr) Network() string { return "adb" }

// String returns serial and service.
func (a Addr) String() string { return a.Serial + "/" + a.Service }

// serviceName is what may be told of a service.
func serviceName(service string) string {
	name, _, _ := strings.Cut(service[:min(len(service), 64)], ":")
	return name
}
