package ports

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// fakeGuest is a device whose ports are servers on loopback.
type fakeGuest struct {
	run func(ctx context.Context, script string) (guestshell.Result, error)

	mu    sync.Mutex
	ports map[string]func(context.Context) (net.Conn, error) // by service
	open  int
}

var _ Guest = (*fakeGuest)(nil)

func (g *fakeGuest) Run(ctx context.Context, on string, s guestshell.Script) (guestshell.Result, error) {
	if on != transporttest.Serial {
		return guestshell.Result{}, fault.Internalf("run on %q", on)
	}
	return g.run(ctx, string(s.Text))
}

func (g *fakeGuest) Dial(ctx context.Context, on, service string) (net.Conn, error) {
	if on != transporttest.Serial {
		return nil, fault.Internalf("dial on %q", on)
	}
	g.mu.Lock()
	dial := g.ports[service]
	g.mu.Unlock()
	if dial == nil {
		return nil, fault.Wrap(fault.Unavailable, "open "+service, fmt.Errorf("%w", adb.ErrRefused))
	}
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open++
	return &countedConn{Conn: conn, guest: g}, nil
}

// serve makes a port of the guest.
func (g *fakeGuest) serve(port int, dial func(context.Context) (net.Conn, error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ports == nil {
		g.ports = map[string]func(context.Context) (net.Conn, error){}
	}
	g.ports[fmt.Sprintf("tcp:%d", port)] = dial
}

func (g *fakeGuest) opened() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// countedConn is a stream of ADB: it cannot be closed in one direction.
type countedConn struct {
	net.Conn
	guest *fakeGuest
	once  sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.guest.mu.Lock()
		c.guest.open--
		c.guest.mu.Unlock()
	})
	return c.Conn.Close()
}

// dialer reaches a server of the test.
func dialer(addr string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", addr) }
}

// serveHTTP makes an HTTP server of a port.
func (g *fakeGuest) serveHTTP(t *testing.T, port int, h http.HandlerFunc) {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	g.serve(port, dialer(strings.TrimPrefix(server.URL, "http://")))
}

// serveRaw gives each connection to a port to a function.
func (g *fakeGuest) serveRaw(t *testing.T, port int, h func(net.Conn)) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer conn.Close(); h(conn) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	g.serve(port, dialer(ln.Addr().String()))
}

func start(t *testing.T, guest Guest, left <-chan struct{}, o Options, limits ...transport.Limits) *transporttest.Client {
	t.Helper()
	door := New(lease.New(transporttest.Lessor(left), nil), guest, o)
	options := transport.Options{}
	if len(limits) > 0 {
		options.Limits = limits[0]
	}
	return transporttest.Start(t, options, func(s *transport.Server) {
		toolbox.Mount(s, door.Routes())
	})
}

const base = "/sandboxes/dev-1/toolbox"
