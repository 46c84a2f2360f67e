package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/relay"
)

// most is how many connections are forwarded at a time; more wait to be accepted.
const most = 256

// Serve forwards connections until ctx ends, which closes them all and is no error; the listener is closed in any
// case. complain is told of connections that came to nothing or broke, from several goroutines at a time.
func Serve(ctx context.Context, listener net.Listener, t Target, complain func(error)) error {
	defer relay.Watch(ctx, func() { _ = listener.Close() })()
	var all sync.WaitGroup
	defer all.Wait()
	defer func() { _ = listener.Close() }()
	room := make(chan struct{}, most)
	for {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("take a connection: %w", err)
		}
		all.Go(func() {
			defer func() { <-room }()
			if err := forward(ctx, conn, t); err != nil && ctx.Err() == nil {
				complain(err)
			}
		})
	}
}

// forward serves one connection and closes it.
func forward(ctx context.Context, client net.Conn, t Target) error {
	defer func() { _ = client.Close() }()
	guest, err := t.Dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = guest.Close() }()
	defer relay.Watch(ctx, func() {
		_ = guest.Close()
		_ = client.SetDeadline(time.Now())
	})()
	relay.Join(client, func() { _ = client.SetReadDeadline(time.Now()) }, guest)
	return guest.Why()
}

// Listen takes a local address: "127.0.0.1:5555", or "5555" or ":5555" for the same. Only who names another address
// gets one that others reach.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = "", address
	}
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	var wrong *net.AddrError
	var lookup *net.DNSError
	if errors.As(err, &wrong) || errors.As(err, &lookup) {
		return nil, fault.Wrap(fault.Invalid, "listen on "+address, err)
	}
	return listener, err
}
