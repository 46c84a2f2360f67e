package guest

import (
	"context"
	"fmt"
	"net"

	"github.com/daytonaio/runner-android/internal/sim/guest/ports"
	"github.com/daytonaio/runner-android/internal/sim/guest/web"
)

// webUID is the app that owns the HTTP server.
const webUID = 10120

// DialPort connects to a TCP port of the guest's loopback. A port that nothing listens on is
// ECONNREFUSED.
func (g *Guest) DialPort(ctx context.Context, port int) (net.Conn, error) {
	return g.ports.Dial(ctx, port)
}

// ListenPort opens a TCP port in the guest, for what a test or another part of the simulator
// serves there. The guest's end closes it.
func (g *Guest) ListenPort(port int) (*ports.Listener, error) { return g.ports.Listen(port, 0, false) }

// Ports are the TCP ports that listen.
func (g *Guest) Ports() []int { return g.ports.Ports() }

// serveWeb starts the guest's HTTP server.
func (g *Guest) serveWeb(ctx context.Context) error {
	l, err := g.ports.Listen(web.Port, webUID, false)
	if err != nil {
		return fmt.Errorf("port of the guest's HTTP server: %w", err)
	}
	g.running.Go(func() {
		// It fails only with its listener.
		_ = web.Serve(ctx, l)
	})
	return nil
}
