// Package loopback serves HTTP for doubles of other people's services: on loopback addresses only, because
// their desks have no password, and until a context ends.
package loopback

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// farewell is how long requests have to notice that the server ends.
const farewell = 2 * time.Second

// Listen opens a listener on a loopback address, such as 127.0.0.1:3000. Port 0 is any free port. What names
// the double, and risk says what whoever reaches it can do.
func Listen(what, risk, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s on %q: want HOST:PORT, such as 127.0.0.1:3000", what, address)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen for %s on %q: whoever reaches it can %s, so choose a loopback address "+
			"such as 127.0.0.1:3000, and a tunnel where others need it", what, address, risk)
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", what, err)
	}
	return listener, nil
}

// Serve answers on the listener, which it closes, until ctx ends. It returns when no request is left; the
// context of every request ends with ctx.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
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
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	}
	return <-ended
}
