package forward_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/forward"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "token-0123456789"

// runner serves sockets as the runner does; serve has each.
func runner(t *testing.T, serve func(*websocket.Conn)) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"statusCode":401,"message":"unauthorized: another token"}`)
			return
		}
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		serve(conn)
	}))
	t.Cleanup(s.Close)
	return s
}

func echo(conn *websocket.Conn) {
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, data) != nil {
			return
		}
	}
}

// serve forwards until the test ends it; what it complains about comes on complaints.
func serve(t *testing.T, target forward.Target) (address string, complaints chan error, stop func()) {
	t.Helper()
	listener, err := forward.Listen(t.Context(), "0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	complaints = make(chan error, 10)
	ended := make(chan error, 1)
	go func() { ended <- forward.Serve(ctx, listener, target, func(err error) { complaints <- err }) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	return listener.Addr().String(), complaints, stop
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// Ensure bytes pass both ways for several connections at a time, and all end with Serve.
func TestServe(t *testing.T) {
	t.Parallel()
	address, _, stop := serve(t, forward.Target{URL: runner(t, echo).URL + "/sandboxes/a/adb/tunnel", Token: secret})
	if !strings.HasPrefix(address, "127.0.0.1:") {
		t.Errorf("it listens on %s", address)
	}
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	var conns []net.Conn
	for range 3 {
		conn := dial(t, address)
		conns = append(conns, conn)
		go func() { _, _ = conn.Write(text) }()
	}
	for _, conn := range conns {
		got := make([]byte, len(text))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, text) {
			t.Errorf("other bytes came back: %v", err)
		}
	}
	stop()
	for _, conn := range conns {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a connection outlived it")
		}
	}
}

// Ensure what becomes of a connection is told: refused, unreachable, closed with a reason, or in order.
func TestComplaints(t *testing.T) {
	t.Parallel()
	closing := func(code int, reason string) func(*websocket.Conn) {
		return func(conn *websocket.Conn) {
			_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
			_, _, _ = conn.ReadMessage()
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	left := runner(t, closing(1001, "the device left started"))
	for name, c := range map[string]struct {
		target forward.Target
		kind   fault.Kind
		want   string // "" is none
	}{
		"another token": {forward.Target{URL: left.URL, Token: "x"}, fault.Unauthorized, "unauthorized: another token"},
		"nobody":        {forward.Target{URL: "http://" + free.Addr().String(), Token: secret}, fault.Unavailable, "connection refused"},
		"a reason":      {forward.Target{URL: left.URL, Token: secret}, fault.Internal, "the runner closed the tunnel: the device left started"},
		"in order":      {forward.Target{URL: runner(t, closing(1000, "")).URL, Token: secret}, fault.Internal, ""},
	} {
		address, complaints, stop := serve(t, c.target)
		if _, err := dial(t, address).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		if c.want == "" {
			stop()
			if len(complaints) > 0 {
				t.Errorf("%s: %v", name, <-complaints)
			}
			continue
		}
		if err := <-complaints; fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Ensure a target and an address that cannot be are refused, and none of them opens more than was said.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "host:80", "ftp://host", "http://", "://"} {
		if err := (forward.Target{URL: url}).Check(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, address := range []string{"0", ":0", "127.0.0.1:0"} {
		l, err := forward.Listen(t.Context(), address)
		if err != nil {
			t.Fatalf("%q: %v", address, err)
		}
		if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
			t.Errorf("%q: it listens on %s", address, ip)
		}
		_ = l.Close()
	}
	for _, address := range []string{"nonsense", "127.0.0.1:99999"} {
		if _, err := forward.Listen(t.Context(), address); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", address, err)
		}
	}
}
