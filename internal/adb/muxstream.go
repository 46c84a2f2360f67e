package adb

import (
	"context"
	"io"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

// smallPayload is what a stream can hold without an allocation: enough for the exit packet and
// the few lines that most commands print.
const smallPayload = 512

// muxStream is a conversation with a service over a Conn: the link of a direct connection.
// One goroutine may take payloads while another writes and a third closes.
type muxStream struct {
	conn     *Conn
	id       uint32
	readable chan struct{} // poked when a reader should look again
	writable chan struct{} // poked when a writer should look again

	// Guarded by conn.mu.
	remote    uint32 // the device's id; 0 until it accepted, then fixed
	credit    bool   // one WRTE may be sent
	full      bool   // data holds a payload that was not acknowledged
	ended     bool   // the device sent CLSE
	closed    bool   // Close was called
	clseSent  bool
	abandoned bool  // nobody waits for the acceptance any more
	err       error // the connection was lost
	data      []byte
	early     [][]byte // payloads behind data that came before our OKAY

	big   []byte // the read loop's, while full is false
	small [smallPayload]byte
}

var _ link = (*muxStream)(nil)

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *muxStream) wake() {
	wake(s.readable)
	wake(s.writable)
}

// buffer returns room for the next payload. It is reused from payload to payload: there is
// never more than one that came in its turn.
func (s *muxStream) buffer(n int) []byte {
	if n <= len(s.small) {
		return s.small[:n]
	}
	if n > cap(s.big) {
		s.big = make([]byte, n)
	}
	return s.big[:n]
}

// awaitAccept waits until the device has answered our OPEN.
func (s *muxStream) awaitAccept(ctx context.Context) error {
	c := s.conn
	for {
		c.mu.Lock()
		switch {
		case s.remote != 0:
			c.mu.Unlock()
			return nil
		case s.ended:
			c.mu.Unlock()
			return ErrRefused
		case s.err != nil:
			err := s.err
			c.mu.Unlock()
			return err
		case ctx.Err() != nil:
			s.abandoned = true
			c.mu.Unlock()
			return ctx.Err()
		}
		c.mu.Unlock()
		select {
		case <-s.writable:
		case <-ctx.Done():
		}
	}
}

// next waits for a payload and returns it. It stays valid until release.
func (s *muxStream) next(ctx context.Context) ([]byte, error) {
	for {
		data, err := s.poll()
		if data != nil || err != nil {
			return data, err
		}
		select {
		case <-s.readable:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (s *muxStream) poll() ([]byte, error) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	switch {
	case s.closed:
		return nil, io.ErrClosedPipe
	case s.full:
		return s.data, nil
	case s.ended:
		s.answerCloseLocked()
		return nil, io.EOF
	default:
		return nil, s.err
	}
}

// answerCloseLocked sends our CLSE unless it was sent.
func (s *muxStream) answerCloseLocked() {
	if !s.clseSent && s.remote != 0 {
		s.clseSent = true
		s.conn.postLocked(wire.CLSE, s.id, s.remote)
	}
}

// forgetEarlyLocked gives back what nobody will read.
func (s *muxStream) forgetEarlyLocked() {
	for _, payload := range s.early {
		s.conn.early -= len(payload)
	}
	s.early = nil
}

// release gives the slot back and tells the device that it may send again.
func (s *muxStream) release(ctx context.Context) error {
	c := s.conn
	c.mu.Lock()
	s.full, s.data = len(s.early) > 0, nil
	if s.full {
		s.data, s.early = s.early[0], s.early[1:]
		c.early -= len(s.data)
	}
	gone := s.ended || s.closed || s.err != nil
	remote := s.remote
	c.mu.Unlock()
	if gone {
		return nil
	}
	return c.send(ctx, wire.Header{Command: wire.OKAY, Arg0: s.id, Arg1: remote}, nil)
}

// ready reports whether next would return at once.
func (s *muxStream) ready() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.full || s.ended || s.closed || s.err != nil
}

func (s *muxStream) room() int    { return s.conn.maxPayload }
func (s *muxStream) name() string { return s.conn.serial }

// write sends p in packets as large as the device takes, each after the device has taken the
// one before, and returns when the last is on its way. When ctx ends first, what was not sent
// can be sent later.
func (s *muxStream) write(ctx context.Context, p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		remote, err := s.takeCredit(ctx)
		if err != nil {
			return sent, err
		}
		part := p[sent:min(len(p), sent+s.conn.maxPayload)]
		err = s.conn.send(ctx, wire.Header{Command: wire.WRTE, Arg0: s.id, Arg1: remote}, part)
		if err != nil {
			s.returnCredit()
			return sent, err
		}
		sent += len(part)
	}
	return sent, nil
}

// takeCredit waits until one WRTE may be sent.
func (s *muxStream) takeCredit(ctx context.Context) (remote uint32, err error) {
	c := s.conn
	for {
		c.mu.Lock()
		ready := s.credit
		switch {
		case s.closed || s.ended:
			err = io.ErrClosedPipe
		case s.err != nil:
			err = s.err
		case ready:
			s.credit = false
		}
		remote = s.remote
		c.mu.Unlock()
		if ready || err != nil {
			return remote, err
		}
		select {
		case <-s.writable:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// returnCredit undoes takeCredit. After a loss of the connection nobody looks at it.
func (s *muxStream) returnCredit() {
	s.conn.mu.Lock()
	s.credit = true
	s.conn.mu.Unlock()
	wake(s.writable)
}

// Close ends the conversation and drops what was not read. It returns at once, ends a Read or
// Write under way, and may be called again. A shell command gets SIGHUP, nothing else does.
func (s *muxStream) Close() error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.forgetEarlyLocked()
	delete(s.conn.streams, s.id)
	s.answerCloseLocked()
	s.wake()
	return nil
}

// hangUp is Close for a device that has just been heard of: it writes from this goroutine,
// which saves starting one.
func (s *muxStream) hangUp(ctx context.Context) {
	c := s.conn
	c.mu.Lock()
	owe := !s.closed && !s.clseSent && s.err == nil
	s.closed, s.clseSent = true, true
	s.forgetEarlyLocked()
	delete(c.streams, s.id)
	s.wake()
	c.mu.Unlock()
	if owe && c.send(ctx, wire.Header{Command: wire.CLSE, Arg0: s.id, Arg1: s.remote}, nil) != nil {
		c.post(wire.CLSE, s.id, s.remote) // our turn did not come before ctx ended
	}
}
