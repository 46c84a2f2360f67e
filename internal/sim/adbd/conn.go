package adbd

import (
	"bufio"
	"context"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// conn is one connection from a host.
type conn struct {
	server *server
	nc     net.Conn
	ctx    context.Context
	cancel context.CancelFunc
	in     *bufio.Reader

	running sync.WaitGroup // streams

	wmu     sync.Mutex // guards what is written
	room    *sync.Cond // queued shrinks, or flushing ends
	queued  []byte     // packets that wait for the next write
	written []byte     // the buffer of the write before, used again
	writing bool
	failed  error // of a write; nothing is written after it
	sent    int64
	withSum bool

	token []byte // the serving goroutine's: what was sent to be signed last

	mu        sync.Mutex
	connected bool
	limit     uint32 // payload the host takes
	streams   map[uint32]*stream
	last      uint32
}

func newConn(ctx context.Context, s *server, nc net.Conn) *conn {
	c := &conn{server: s, nc: nc, limit: handshakePayload, withSum: true, streams: map[uint32]*stream{}}
	c.in = bufio.NewReaderSize(answering{c}, 64<<10)
	c.room = sync.NewCond(&c.wmu)
	c.ctx, c.cancel = context.WithCancel(ctx)
	if tcp, ok := nc.(*net.TCPConn); ok {
		tcp.SetNoDelay(true)
	}
	return c
}

// serve reads packets until the connection ends, and then ends its streams.
func (c *conn) serve() {
	stop := context.AfterFunc(c.ctx, func() { c.nc.Close() })
	defer stop()
	for c.next() == nil {
	}
	c.cancel()
	c.nc.Close()
	c.reset()
	c.running.Wait()
}

// next handles one packet. An error means that the connection is over.
func (c *conn) next() error {
	h, err := readHeader(c.in, maxPayload)
	if err != nil {
		return err
	}
	if err := c.server.device.Gate.Wait(c.ctx); err != nil {
		return err
	}
	if c.server.device.Faults.Silent.Load() {
		return c.skip(h.length)
	}
	c.mu.Lock()
	connected, s := c.connected, c.streams[h.arg1]
	c.mu.Unlock()
	switch {
	case h.command == cmdCNXN:
		return c.handshake(h)
	case h.command == cmdAUTH:
		return c.auth(h)
	case !connected:
		return c.skip(h.length)
	case h.command == cmdWRTE && s != nil && s.remote == h.arg0 && h.length > 0:
		return s.receive(c.in, int(h.length))
	case h.command == cmdOPEN:
		return c.open(h)
	}
	if err := c.skip(h.length); err != nil {
		return err
	}
	switch {
	case h.command == cmdOKAY && s != nil && s.remote == h.arg0:
		s.acknowledged()
	case h.command == cmdOKAY:
		return c.send(cmdCLSE, h.arg1, h.arg0, nil)
	case h.command == cmdCLSE && s != nil && (h.arg0 == 0 || h.arg0 == s.remote):
		s.hostClosed()
	}
	return nil
}

func (c *conn) skip(n uint32) error {
	_, err := c.in.Discard(int(n))
	return err
}

// answering reads from the connection; what was queued meanwhile is written before a wait.
type answering struct{ c *conn }

func (a answering) Read(p []byte) (int, error) {
	if err := a.c.flush(); err != nil {
		return 0, err
	}
	return a.c.nc.Read(p)
}

// maxQueued is from how many bytes on packets wait for those before them to be written.
const maxQueued = maxPayload

// queue leaves a packet to the next flush.
func (c *conn) queue(command, arg0, arg1 uint32, payload []byte) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	for c.writing && len(c.queued) > maxQueued {
		c.room.Wait()
	}
	c.queued = appendPacket(c.queued, command, arg0, arg1, payload, c.withSum)
}

// send writes one packet, and with it what others want to write at the same time.
func (c *conn) send(command, arg0, arg1 uint32, payload []byte) error {
	c.queue(command, arg0, arg1, payload)
	return c.flush()
}

// flush writes what is queued, or leaves it to the goroutine that is writing. It lets others who
// can run now queue theirs first: a write is the dearest part of a small packet.
func (c *conn) flush() error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	for !c.writing && len(c.queued) > 0 && c.failed == nil {
		c.writing = true
		c.wmu.Unlock()
		runtime.Gosched()
		c.wmu.Lock()
		b := c.queued
		c.queued, c.written = c.written[:0], nil
		c.wmu.Unlock()
		err := c.write(b)
		c.wmu.Lock()
		c.written, c.writing, c.failed = b, false, err
		c.room.Broadcast()
	}
	return c.failed
}

// write is for the one goroutine that set writing.
func (c *conn) write(b []byte) error {
	if err := c.server.device.Gate.Wait(c.ctx); err != nil {
		return err
	}
	if limit := c.server.device.Faults.DropAfter.Load(); limit > 0 && c.sent+int64(len(b)) > limit {
		c.nc.Write(b[:max(0, limit-c.sent)])
		c.cancel()
		return io.ErrClosedPipe
	}
	n, err := c.nc.Write(b)
	c.sent += int64(n)
	if err != nil {
		c.cancel()
	}
	return err
}

// drain waits a moment until what was sent is written.
func (c *conn) drain() {
	c.nc.SetWriteDeadline(time.Now().Add(time.Second))
	c.wmu.Lock()
	defer c.wmu.Unlock()
	for c.writing {
		c.room.Wait()
	}
}

// handshake answers CNXN. On a live connection it starts over: all streams end.
func (c *conn) handshake(h header) error {
	if err := c.skip(h.length); err != nil {
		return err
	}
	c.reset()
	c.wmu.Lock()
	c.withSum = min(h.arg0, versionNoChecksum) < versionNoChecksum
	c.wmu.Unlock()
	c.mu.Lock()
	c.connected = false
	c.limit = min(max(h.arg1, 1), maxPayload)
	c.mu.Unlock()
	if c.server.device.Faults.RequireAuth.Load() {
		return c.challenge()
	}
	return c.welcome()
}

func (c *conn) welcome() error {
	c.mu.Lock()
	c.connected = true
	c.mu.Unlock()
	return c.send(cmdCNXN, versionNoChecksum, maxPayload, []byte(c.banner()))
}

// banner is what the device says of itself. The features are those this package has.
func (c *conn) banner() string {
	g := c.server.device.Guest
	clean := strings.NewReplacer(":", "_", ";", "_", "=", "_", ",", "_")
	var b strings.Builder
	b.WriteString("device::")
	for _, name := range []string{"ro.product.name", "ro.product.model", "ro.product.device"} {
		b.WriteString(name + "=" + clean.Replace(g.Property(name)) + ";")
	}
	features := []string{
		"shell_v2", "cmd", "stat_v2", "ls_v2", "fixed_push_mkdir", "apex", "fixed_push_symlink_timestamp", "sendrecv_v2",
	}
	if c.server.device.Binder != nil {
		features = append(features, "abb", "abb_exec")
	}
	lacks := func(f string) bool { return slices.Contains(c.server.device.Lacks, f) || !g.HasADBFeature(f) }
	b.WriteString("features=" + strings.Join(slices.DeleteFunc(features, lacks), ","))
	return b.String()
}

// open answers OPEN: it starts the service, or refuses it with CLSE(0, id).
func (c *conn) open(h header) error {
	name := make([]byte, h.length)
	if _, err := io.ReadFull(c.in, name); err != nil {
		return err
	}
	c.mu.Lock()
	full := len(c.streams) >= maxStreams
	c.mu.Unlock()
	if kind := string(name); strings.HasPrefix(kind, "tcp:") || strings.HasPrefix(kind, "localabstract:") {
		c.flush() // the dial may take its time
	}
	var run func(*stream)
	if !full && h.arg0 != 0 {
		run = c.server.device.service(c.server, strings.TrimRight(string(name), "\x00"))
	}
	if run == nil {
		return c.send(cmdCLSE, 0, h.arg0, nil)
	}
	c.mu.Lock()
	for {
		if c.last++; c.last != 0 && c.streams[c.last] == nil {
			break
		}
	}
	s := newStream(c, c.last, h.arg0, int(c.limit))
	c.streams[s.local] = s
	c.mu.Unlock()
	c.queue(cmdOKAY, s.local, s.remote, nil) // goes out before the service's own packets
	c.running.Go(func() {
		defer s.Close()
		run(s)
	})
	return nil
}

func (c *conn) forget(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, s.local)
}

func (c *conn) reset() {
	c.mu.Lock()
	streams := c.streams
	c.streams = map[uint32]*stream{}
	c.mu.Unlock()
	for _, s := range streams {
		s.hostClosed()
	}
}
