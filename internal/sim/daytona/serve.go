package daytona

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// farewell is how long requests have to notice that the double ends.
const farewell = 2 * time.Second

// Listen opens a listener on a loopback address, such as 127.0.0.1:3000. Port 0 is any free port.
func Listen(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen for Daytona on %q: want HOST:PORT, such as 127.0.0.1:3000", address)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen for Daytona on %q: whoever reaches it can order jobs, so choose a loopback address "+
			"such as 127.0.0.1:3000, and a tunnel where others need it", address)
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for Daytona: %w", err)
	}
	return listener, nil
}

// Serve answers on the listener, which it closes, until ctx ends. It returns when no request is left.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		if server.Shutdown(limit) != nil {
			ended <- server.Close()
			return
		}
		ended <- nil
	})
	err := server.Serve(listener)
	if stop() { // it ended by itself
		return fmt.Errorf("serve Daytona: %w", err)
	}
	return <-ended
}

// URL is the address of the API on a listener, as a runner wants it.
func URL(listener net.Listener) string { return "http://" + listener.Addr().String() + "/api" }
