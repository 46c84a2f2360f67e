package lease_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// Ensure a use lasts as long as its answer does, whatever kind that is.
func TestUsesLastAsLongAsTheirAnswers(t *testing.T) {
	t.Parallel()
	usage := &messages.Usage{}
	leases := lease.New(transporttest.AskerFunc(func(context.Context, any) (any, error) {
		return messages.Lease{Serial: transporttest.Serial, Done: make(chan struct{}), Usage: usage}, nil
	}), nil)
	busy, hold := make(chan struct{}), make(chan struct{})
	wait := func() error {
		busy <- struct{}{}
		<-hold
		return nil
	}
	routes := map[string]func(c *transport.Ctx) error{
		"/plain": func(*transport.Ctx) error { return wait() },
		"/panic": func(*transport.Ctx) error { _ = wait(); panic("in a handler") },
		"/stream": func(c *transport.Ctx) error {
			c.Stream("text/plain", func(context.Context, *bufio.Writer) error { return wait() })
			return nil
		},
		"/socket": func(c *transport.Ctx) error {
			return c.Upgrade(transport.SocketOptions{}, func(context.Context, *transport.Socket) error { return wait() })
		},
		"/switch": func(c *transport.Ctx) error {
			c.SwitchProtocols(func(context.Context, net.Conn) error { return wait() }, nil)
			return nil
		},
	}
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		var table []transport.Route
		for path, handler := range routes {
			table = append(table, transport.Route{Method: http.MethodGet, Path: path, Handler: func(c *transport.Ctx) error {
				if _, err := leases.Take(c); err != nil {
					return err
				}
				return handler(c)
			}})
		}
		s.Mount("/sandboxes/{id}", table)
	})
	for path := range routes {
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			if path == "/socket" {
				dial(t, c)
				return
			}
			c.Do("GET", "/sandboxes/dev-1"+path, "")
		}()
		<-busy
		if first := usage.Last(); !usage.Last().After(first) {
			t.Errorf("%s: not in use while it answers", path)
		}
		hold <- struct{}{}
		<-answered
		for deadline := time.Now().Add(10 * time.Second); ; {
			if last := usage.Last(); !last.IsZero() && usage.Last().Equal(last) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: in use although it has answered", path)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// dial opens a WebSocket and returns when the server has closed it.
func dial(t *testing.T, c *transporttest.Client) {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial("ws://"+c.Addr+"/sandboxes/dev-1/socket", http.Header{"Authorization": {"Bearer " + transporttest.Token}})
	if err != nil {
		t.Error(err)
		return
	}
	_ = resp.Body.Close()
	defer conn.Close()
	_, _, _ = conn.ReadMessage()
}
