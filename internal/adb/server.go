package adb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// DefaultServer is where an adb server listens.
const DefaultServer = "127.0.0.1:5037"

// serverConn is the way to a device through an adb server: every stream is a connection of its
// own. It holds no socket and no goroutine itself. It never starts, stops or resets a server,
// and never disconnects a device: others use them too.
type serverConn struct {
	dial   func(ctx context.Context) (net.Conn, error)
	serial string // as we call the device, in errors
	known  string // as the server calls it
	banner wire.Banner

	mu      sync.Mutex
	streams map[*serverStream]struct{}
	err     error
	done    chan struct{}
}

var _ session = (*serverConn)(nil)

// serverOptions say how to reach a device through a server.
type serverOptions struct {
	dial   func(ctx context.Context) (net.Conn, error)
	serial string
	addr   string // of the device's adbd
	// connect asks the server to connect to a device that it does not have.
	connect bool
}

// connectServer finds the device at a server and returns when it is usable there.
func connectServer(ctx context.Context, opts serverOptions) (*serverConn, error) {
	c := &serverConn{dial: opts.dial, serial: opts.serial, done: make(chan struct{}),
		streams: make(map[*serverStream]struct{})}
	err := c.find(ctx, opts.addr)
	if errors.Is(err, errNotListed) && opts.connect {
		// The answer is OKAY whatever happened, and its text is for people: look again.
		var text string
		if text, err = c.query(ctx, "host:connect:"+opts.addr); err == nil {
			err = c.find(ctx, opts.addr)
		}
		if errors.Is(err, errNotListed) {
			err = fault.Unavailablef("the server says %q", firstLine(text))
		}
	}
	if err == nil {
		err = c.introduce(ctx)
	}
	if err == nil {
		// That a device is listed and has features does not mean that it answers.
		err = c.Ping(ctx)
	}
	if err != nil {
		return nil, fault.Op("adb server, device "+opts.serial, err)
	}
	return c, nil
}

var errNotListed = fault.Unavailablef("the server does not have the device")

// find looks up how the server calls the device. Cuttlefish registered its devices as
// 0.0.0.0:PORT before eabd2f6aa9 (2026-05) and as 127.0.0.1:PORT since; the port is what counts.
func (c *serverConn) find(ctx context.Context, addr string) error {
	list, err := c.query(ctx, "host:devices-l")
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fault.Wrap(fault.Invalid, "device's address", err)
	}
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !sameDevice(fields[0], addr, host, port) {
			continue
		}
		c.known = fields[0]
		c.banner = wire.Banner{Type: fields[1]}
		for _, f := range fields[2:] {
			switch key, value, _ := strings.Cut(f, ":"); key {
			case "product":
				c.banner.Product = value
			case "model":
				c.banner.Model = value
			case "device":
				c.banner.Device = value
			}
		}
		if fields[0] == addr {
			break // the very name is the best match
		}
	}
	if c.known == "" {
		return errNotListed
	}
	return nil
}

func sameDevice(serial, addr, host, port string) bool {
	if serial == addr {
		return true
	}
	h, p, err := net.SplitHostPort(serial)
	return err == nil && p == port && isHere(h) && isHere(host)
}

func isHere(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// introduce asks for the device's features, and so whether it is there.
func (c *serverConn) introduce(ctx context.Context) error {
	text, err := c.query(ctx, "host-serial:"+c.known+":features")
	if err != nil {
		return err
	}
	banner, err := wire.ParseBanner([]byte("device::features=" + text))
	c.banner.Features = banner.Features
	return err
}

// query asks the server something and returns its answer.
func (c *serverConn) query(ctx context.Context, request string) (string, error) {
	nc, err := c.request(ctx, []byte(request))
	if err != nil {
		return "", err
	}
	defer func() { _ = nc.Close() }()
	stop := closeWith(ctx, nc)
	text, err := wire.ReadText(nc)
	if !stop() {
		err = ctx.Err()
	}
	return string(text), c.explain(err)
}

// request makes one connection on which the server has said OKAY to each request in turn. They
// are not sent at once: adb 29 forgets the second then (ran).
func (c *serverConn) request(ctx context.Context, requests ...[]byte) (net.Conn, error) {
	nc, err := c.dial(ctx)
	if err != nil {
		if end := endOf(ctx); end != nil {
			return nil, fault.Wrap(fault.KindOf(end), "dial the adb server", err)
		}
		err = fault.Wrap(fault.Unavailable, "dial the adb server", err)
		c.fail(err)
		return nil, err
	}
	stop := closeWith(ctx, nc)
	for _, r := range requests {
		if _, err = nc.Write(wire.AppendRequest(nil, r)); err != nil {
			break
		}
		if err = wire.ReadStatus(nc); err != nil {
			break
		}
	}
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		return nil, c.explain(err)
	}
	return nc, nil
}

// endOf is ctx.Err, of which a dialer's own timer can be a moment ahead.
func endOf(ctx context.Context) error {
	if by, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(by) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// closeWith closes nc when ctx ends. Closing is what works for every net.Conn; those of SSH
// channels know no deadlines.
func closeWith(ctx context.Context, nc net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = nc.Close() })
}

// explain gives an error of the server's end its kind. What says that the device is gone ends the
// session.
func (c *serverConn) explain(err error) error {
	reason, is := wire.IsFail(err)
	switch {
	case err == nil || !is && fault.KindOf(err) != fault.Internal:
		return err
	case !is:
		if errors.Is(err, io.EOF) {
			err = errors.New("the server hung up")
		}
		return fault.Wrap(fault.Unavailable, "adb server", err)
	case reason == "closed":
		return ErrRefused
	case strings.HasPrefix(reason, "device unauthorized"):
		err = fmt.Errorf("%w, and the adb server's is not accepted", ErrAuthRequired)
		c.fail(err)
		return fault.Wrap(fault.Forbidden, "adb server", err)
	case strings.HasPrefix(reason, "unknown host service"):
		return fault.New(fault.Unsupported, "adb server: %s", firstLine(reason))
	case strings.HasPrefix(reason, "device "), strings.HasPrefix(reason, "no device"):
		c.fail(errors.New(firstLine(reason)))
		return c.Err()
	}
	return fault.Unavailablef("adb server: %s", firstLine(reason))
}

func firstLine(reason string) string {
	line, _, _ := strings.Cut(reason, "\n")
	return printable([]byte(line[:min(len(line), maxFail)]))
}

// openLink opens a service of the device.
func (c *serverConn) openLink(ctx context.Context, service []byte) (link, error) {
	s, err := c.open(ctx, service, maxStreams)
	if err != nil {
		return nil, openError(c.serial, service, err)
	}
	return s, nil
}

func (c *serverConn) open(ctx context.Context, service []byte, limit int) (*serverStream, error) {
	switch {
	case len(service) == 0:
		return nil, fault.Invalidf("the service is empty")
	case len(service) > wire.MaxRequest:
		return nil, fault.New(fault.TooLarge, "the service has %d bytes, an adb server takes %d: send it on stdin",
			len(service), wire.MaxRequest)
	}
	s := &serverStream{conn: c}
	if err := c.register(s, limit); err != nil {
		return nil, err
	}
	nc, err := c.request(ctx, []byte("host:transport:"+c.known), service)
	if err != nil {
		c.forget(s)
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil { // and nobody has seen the socket
		_ = nc.Close()
		return nil, c.err
	}
	s.nc = nc
	return s, nil
}

// register counts the stream, before it has a socket.
func (c *serverConn) register(s *serverStream, limit int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.err
	case len(c.streams) >= limit:
		return fault.Exhaustedf("%d streams are open through the adb server", len(c.streams))
	}
	c.streams[s] = struct{}{}
	return nil
}

func (c *serverConn) forget(s *serverStream) {
	c.mu.Lock()
	delete(c.streams, s)
	c.mu.Unlock()
}

// Ping asks the device for a sign of life, as Conn.Ping does. An answer proves less here: adbd
// says no, or the server does for a device that it takes for connected.
func (c *serverConn) Ping(ctx context.Context) error {
	s, err := c.open(ctx, []byte("ping:"), maxStreams+pingReserve)
	switch {
	case err == nil:
		return s.Close()
	case errors.Is(err, ErrRefused):
		return nil
	case ctx.Err() == nil && !fault.Is(err, fault.Exhausted):
		c.fail(err)
	}
	return openError(c.serial, []byte("ping:"), err)
}

// fail ends the session and its streams.
func (c *serverConn) fail(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = lostError(c.serial, cause)
	close(c.done)
	for s := range c.streams {
		if s.nc != nil {
			_ = s.nc.Close()
		}
	}
	clear(c.streams)
}

func (c *serverConn) name() string          { return c.serial }
func (c *serverConn) via() Mode             { return Server }
func (c *serverConn) Banner() wire.Banner   { return c.banner }
func (c *serverConn) Done() <-chan struct{} { return c.done }

func (c *serverConn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the session and its streams.
func (c *serverConn) Close() error {
	c.fail(errHandedIn)
	return nil
}
