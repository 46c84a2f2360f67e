package adbd

import (
	"context"
	"errors"
	"io"
	"sync"
)

// errOverrun is a host that sends much more before it was told to.
var errOverrun = errors.New("more WRTE before the OKAY for the first")

// maxOverrun is how much of that is taken. adb 29 does it when its client hangs up while data waits
// (ran): its event loop reads from a socket with POLLHUP even where it should not.
const maxOverrun = 4 * maxPayload

// stream is one open service. Read and Write may each be used by one goroutine at a time, except
// that writes exclude each other.
type stream struct {
	conn          *conn
	local, remote uint32
	max           int           // payload of one WRTE to the host
	ready         chan struct{} // holds the permission to send one WRTE
	closed        chan struct{} // no more traffic

	once    sync.Once
	arrived chan struct{} // wakes Read

	mu     sync.Mutex
	buf    []byte // the one payload that may be on its way, reused
	unread []byte // what of it was not read yet
	ended  bool   // the host closed; Read yields what is left, then EOF
	gone   bool   // CLSE was sent or received
	cancel func() // of the context, if there is one
}

func newStream(c *conn, local, remote uint32, limit int) *stream {
	s := &stream{conn: c, local: local, remote: remote, max: limit, ready: make(chan struct{}, 1),
		closed: make(chan struct{}), arrived: make(chan struct{}, 1)}
	s.ready <- struct{}{} // the OKAY for OPEN is the first permission
	return s
}

// receive reads a payload of n bytes from the connection. The host should only send it when all
// of the payload before was consumed, so that a stream rarely holds more than one.
func (s *stream) receive(r io.Reader, n int) error {
	s.mu.Lock()
	if len(s.unread) > 0 {
		s.mu.Unlock()
		return s.receiveMore(r, n)
	}
	if cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	b := s.buf[:n]
	s.mu.Unlock()
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	s.mu.Lock()
	s.unread = b
	s.mu.Unlock()
	s.wake()
	return nil
}

// receiveMore is receive for a payload that comes too early.
func (s *stream) receiveMore(r io.Reader, n int) error {
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unread)+n > maxOverrun {
		return errOverrun
	}
	s.unread = append(s.unread[:len(s.unread):len(s.unread)], b...)
	s.wake()
	return nil
}

func (s *stream) wake() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// Read reads what the host sent. The host is told to go on once a payload was consumed.
func (s *stream) Read(p []byte) (int, error) {
	for {
		s.mu.Lock()
		n := copy(p, s.unread)
		s.unread = s.unread[n:]
		consumed := n > 0 && len(s.unread) == 0
		ended := s.ended
		s.mu.Unlock()
		if consumed {
			s.acknowledge()
		}
		switch {
		case n > 0 || len(p) == 0:
			return n, nil
		case ended:
			return 0, io.EOF
		}
		select {
		case <-s.arrived:
		case <-s.closed:
			s.mu.Lock()
			s.ended = s.ended || s.gone
			s.mu.Unlock()
		}
	}
}

func (s *stream) acknowledge() {
	if s.conn.server.device.Faults.StallAcks.Load() {
		return
	}
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if !gone {
		s.conn.send(cmdOKAY, s.local, s.remote, nil)
	}
}

// acknowledged is the host's permission to send one more WRTE.
func (s *stream) acknowledged() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Write sends p, as the host permits.
func (s *stream) Write(p []byte) (int, error) { return s.WriteContext(context.Background(), p) }

// WriteContext is Write, given up when ctx is done.
func (s *stream) WriteContext(ctx context.Context, p []byte) (int, error) {
	sent := 0
	for len(p) > 0 {
		n := min(len(p), s.max)
		if err := s.packet(ctx, p[:n]); err != nil {
			return sent, err
		}
		sent += n
		p = p[n:]
	}
	return sent, nil
}

// packet sends p, at most max bytes, in one WRTE.
func (s *stream) packet(ctx context.Context, p []byte) error {
	if err := s.permit(ctx); err != nil {
		return err
	}
	return s.conn.send(cmdWRTE, s.local, s.remote, p)
}

// permit waits for the permission to send one WRTE.
func (s *stream) permit(ctx context.Context) error {
	select {
	case <-s.closed:
		return io.ErrClosedPipe
	default:
	}
	select {
	case <-s.ready:
		return nil
	case <-s.closed:
		return io.ErrClosedPipe
	case <-ctx.Done():
		return ctx.Err()
	}
}

// context is done when the stream has ended. Its caller cancels it.
func (s *stream) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(s.conn.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel = cancel
	if s.gone {
		cancel()
	}
	return ctx, cancel
}

// hostClosed is a CLSE from the host, or the loss of the connection.
func (s *stream) hostClosed() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.Close()
}

// Close ends the stream for both sides. What was written before arrives before it.
func (s *stream) Close() error {
	if s.end() {
		s.conn.flush()
	}
	return nil
}

// end is Close whose packet waits for the next flush. It reports whether it did anything.
func (s *stream) end() (first bool) {
	s.once.Do(func() {
		first = true
		s.mu.Lock()
		s.gone = true
		if s.cancel != nil {
			s.cancel()
		}
		s.mu.Unlock()
		s.conn.forget(s)
		close(s.closed)
		if s.conn.ctx.Err() == nil {
			s.conn.queue(cmdCLSE, s.local, s.remote, nil)
		}
	})
	return first
}

// CloseWith sends p, at most max bytes, and ends the stream.
func (s *stream) CloseWith(p []byte) {
	if s.permit(context.Background()) == nil {
		s.conn.queue(cmdWRTE, s.local, s.remote, p)
	}
	s.Close()
}
