package daytona

import (
	"context"
	"net"

	"github.com/daytonaio/runner-android/internal/sim/loopback"
)

// Listen opens a listener on a loopback address, such as 127.0.0.1:3000. Port 0 is any free port.
func Listen(address string) (net.Listener, error) {
	return loopback.Listen("Daytona", "order jobs", address)
}

// Serve answers on the listener, which it closes, until ctx ends. It returns when no request is left.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	return loopback.Serve(ctx, listener, s)
}

// URL is the address of the API on a listener, as a runner wants it.
func URL(listener net.Listener) string { return "http://" + listener.Addr().String() + "/api" }
