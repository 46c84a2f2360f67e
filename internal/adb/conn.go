package adb

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// maxStreams bounds what one connection can hold, opens that nobody waits for included.
	maxStreams = 1024
	// pingReserve lets pings through when the streams are used up: it is the pings that find
	// out that a device answers no more.
	pingReserve = 8

	defaultHandshake = 10 * time.Second // as long as adb itself waits
	defaultWrite     = 10 * time.Second
)

// ConnOptions are the few things that differ between connections.
type ConnOptions struct {
	Serial    string        // names the device in errors
	Handshake time.Duration // limit for the CNXN exchange; 0 = 10 s
	Write     time.Duration // limit for one packet to be taken by the socket; 0 = 10 s

	// Keys are tried in this order when the device demands one; when it knows none, the public
	// half of the first is offered, and who sits at the device has the rest of Handshake to
	// accept it.
	Keys []*Key
}

// Conn is one connection to a device, shared by any number of streams. All methods are safe
// for concurrent use. It owns one goroutine, which ends with the connection.
type Conn struct {
	nc     net.Conn
	serial string
	in     *wire.Reader // the reading goroutine's, once connected

	// What the handshake settled.
	banner     wire.Banner
	maxPayload int
	checksums  bool

	// turn is the right to write: who put the token in may use the fields below.
	turn       chan struct{}
	writeLimit time.Duration
	stuck      *time.Timer // closes the connection when a write takes too long
	out        []byte
	parts      [2][]byte
	vector     net.Buffers

	mu      sync.Mutex // guards what follows and the state of every stream; never held over I/O
	streams map[uint32]*muxStream
	lastID  uint32
	posted  []byte // control packets that wait for the next writer
	early   int    // bytes of payloads that came before their turn
	err     error  // why the connection ended; nil while it lives

	done chan struct{}
	wg   sync.WaitGroup
}

// Connect introduces us to the device at the other end of nc and returns when it has done the
// same. It owns nc from the call on and closes it on error; nc should not delay small packets
// (Go's TCP connections have TCP_NODELAY set). The end of ctx ends the handshake,
// not the connection. Errors are Unavailable (see ErrTLSRequired), Forbidden (see
// ErrAuthRequired) or, when ctx was cancelled, Cancelled.
func Connect(ctx context.Context, nc net.Conn, opts ConnOptions) (*Conn, error) {
	c := &Conn{
		nc:         nc,
		serial:     opts.Serial,
		in:         wire.NewReader(nc, wire.MaxPayload),
		turn:       make(chan struct{}, 1),
		writeLimit: orDefault(opts.Write, defaultWrite),
		streams:    make(map[uint32]*muxStream),
		done:       make(chan struct{}),
	}
	if err := c.handshake(ctx, orDefault(opts.Handshake, defaultHandshake), opts.Keys); err != nil {
		return nil, err
	}
	c.stuck = time.AfterFunc(time.Hour, func() { c.fail(errStuck) })
	c.stuck.Stop()
	c.wg.Add(1)
	go c.readLoop()
	return c, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// Banner returns how the device introduced itself. Its slice is shared: never modify it.
func (c *Conn) Banner() wire.Banner { return c.banner }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, wrapping ErrClosed; nil while it lives.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection and all its streams, and returns when its goroutine is gone. It
// may be called again.
func (c *Conn) Close() error {
	c.fail(errHandedIn)
	c.wg.Wait()
	return nil
}

// fail ends the connection. The first cause stays.
func (c *Conn) fail(cause error) {
	c.mu.Lock()
	first := c.endLocked(cause)
	c.mu.Unlock()
	if first {
		_ = c.nc.Close() // the cause is what matters
	}
}

// endLocked reports whether it was this call that ended the connection; its caller then closes
// the socket, without the lock.
func (c *Conn) endLocked(cause error) bool {
	if c.err != nil {
		return false
	}
	c.err = lostError(c.serial, cause)
	for _, s := range c.streams {
		s.err = c.err
		s.wake()
	}
	clear(c.streams)
	c.posted = nil
	close(c.done)
	return true
}

// endIfIdle ends a connection that has no stream, and had none since it was asked with what the
// last call returned. It reports whether the connection has ended.
func (c *Conn) endIfIdle(since uint32) (now uint32, ended bool) {
	c.mu.Lock()
	first := false
	if c.lastID == since && len(c.streams) == 0 {
		first = c.endLocked(errIdle)
	}
	now, ended = c.lastID, c.err != nil
	c.mu.Unlock()
	if first {
		_ = c.nc.Close()
	}
	return now, ended
}

// Open starts a conversation with a service of the device and returns when the device has
// accepted. The end of ctx ends the waiting, not the stream; an acceptance that comes later
// is closed at once. A write under way is not abandoned, so that a device which takes no data
// can hold the call up to the write limit. The caller closes the stream.
//
// Errors: Unavailable wrapping ErrRefused or ErrClosed, Exhausted with too many streams,
// TooLarge for a service string over one payload, Timeout or Cancelled with ctx.
func (c *Conn) Open(ctx context.Context, service string) (*Stream, error) {
	return openStream(ctx, c, service)
}

// openLink takes the service without a NUL behind it.
func (c *Conn) openLink(ctx context.Context, service []byte) (link, error) {
	s, err := c.open(ctx, append(service, 0), maxStreams)
	if err != nil {
		return nil, err // and no link that is not nil
	}
	return s, nil
}

func (c *Conn) name() string { return c.serial }

func (c *Conn) via() Mode { return Direct }

// open takes the service with the NUL that devices before Android 9 need.
func (c *Conn) open(ctx context.Context, payload []byte, limit int) (*muxStream, error) {
	s, err := c.register(payload, limit)
	if err == nil {
		err = c.send(ctx, wire.Header{Command: wire.OPEN, Arg0: s.id}, payload)
		if err != nil {
			c.forget(s)
		} else {
			err = s.awaitAccept(ctx)
		}
	}
	if err != nil {
		return nil, openError(c.serial, payload, err)
	}
	return s, nil
}

func (c *Conn) register(payload []byte, limit int) (*muxStream, error) {
	if len(payload) < 2 {
		return nil, fault.Invalidf("the service is empty")
	}
	if len(payload) > c.maxPayload {
		return nil, fault.New(fault.TooLarge, "the service has %d bytes, the device takes %d: send it on stdin",
			len(payload)-1, c.maxPayload-1)
	}
	s := &muxStream{conn: c, readable: make(chan struct{}, 1), writable: make(chan struct{}, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	if len(c.streams) >= limit {
		return nil, fault.Exhaustedf("%d streams are open on one connection", len(c.streams))
	}
	s.id = c.freeID()
	c.streams[s.id] = s
	return s, nil
}

// freeID returns an id that is not zero and not in use, also after the counter wrapped.
func (c *Conn) freeID() uint32 {
	for {
		c.lastID++
		if _, taken := c.streams[c.lastID]; c.lastID != 0 && !taken {
			return c.lastID
		}
	}
}

func (c *Conn) forget(s *muxStream) {
	c.mu.Lock()
	delete(c.streams, s.id)
	c.mu.Unlock()
}

// Ping asks the device for a sign of life: it opens a service that no device has. Nil means
// that adbd answered.
func (c *Conn) Ping(ctx context.Context) error {
	s, err := c.open(ctx, []byte("ping:\x00"), maxStreams+pingReserve)
	switch {
	case err == nil:
		return s.Close()
	case errors.Is(err, ErrRefused):
		return nil
	default:
		return err
	}
}
