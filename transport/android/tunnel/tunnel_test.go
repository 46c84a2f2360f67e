package tunnel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/tunnel"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

func TestMain(m *testing.M) { transporttest.Main(m) }

// fakeDevices is one device whose ADB and port 8080 are serve.
type fakeDevices struct {
	serve func(net.Conn)
	open  atomic.Int32
}

var _ tunnel.Devices = (*fakeDevices)(nil)

func (f *fakeDevices) DialADB(_ context.Context, serial string) (net.Conn, error) {
	if serial != transporttest.Serial {
		return nil, fault.Internalf("dial %q", serial)
	}
	ours, theirs := net.Pipe()
	f.open.Add(1)
	go func() {
		defer f.open.Add(-1)
		defer func() { _ = theirs.Close() }()
		f.serve(theirs)
	}()
	return ours, nil
}

func (f *fakeDevices) Dial(ctx context.Context, serial, service string) (net.Conn, error) {
	switch service {
	case "tcp:8080":
		return f.DialADB(ctx, serial)
	case "tcp:8081":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, fault.Wrap(fault.Unavailable, "open "+service, fmt.Errorf("%w", adb.ErrRefused))
}

func start(t *testing.T, f *fakeDevices, left <-chan struct{}, o tunnel.Options) *transporttest.Client {
	t.Helper()
	lessor := transporttest.Lessor(left)
	actors := transporttest.AskerFunc(func(ctx context.Context, msg any) (any, error) {
		m, ok := msg.(messages.GetSandbox)
		switch {
		case !ok:
			return lessor(ctx, msg)
		case m.ID == "dev-1":
			return sandbox.Info{ID: m.ID, State: sandbox.Started, ADBPort: 6522, ADBSerial: "127.0.0.1:6522"}, nil
		case m.ID == "stopped":
			return sandbox.Info{ID: m.ID, State: sandbox.Stopped}, nil
		}
		return sandbox.Info{ID: m.ID, State: sandbox.Destroyed}, nil
	})
	return transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		android.Mount(s, tunnel.New(actors, lease.New(lessor, nil), f, o).Routes())
	})
}

func dial(t *testing.T, c *transporttest.Client, path string) (*websocket.Conn, int, string) {
	t.Helper()
	conn, resp, err := (&websocket.Dialer{HandshakeTimeout: 10 * time.Second}).DialContext(t.Context(), "ws://"+c.Addr+path,
		http.Header{"Authorization": {"Bearer " + transporttest.Token}})
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		return conn, resp.StatusCode, ""
	}
	if resp == nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(resp.Body)
	return nil, resp.StatusCode, string(said)
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func (f *fakeDevices) wantOpen(n int32) func() error {
	return func() error {
		if got := f.open.Load(); got != n {
			return fmt.Errorf("%d connections are open, want %d", got, n)
		}
		return nil
	}
}

func echo(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// Ensure bytes pass both ways as they are, whatever messages they come in, below the sandbox and the toolbox.
func TestBytesPass(t *testing.T) {
	t.Parallel()
	f := &fakeDevices{serve: echo}
	c := start(t, f, nil, tunnel.Options{})
	for _, path := range []string{"/sandboxes/dev-1/adb/tunnel", "/sandboxes/dev-1/toolbox/adb/tunnel", "/sandboxes/dev-1/tcp/8080", "/sandboxes/dev-1/toolbox/tcp/8080"} {
		conn, status, said := dial(t, c, path)
		if conn == nil {
			t.Fatalf("%s: %d %s", path, status, said)
		}
		text := bytes.Repeat([]byte("\x00\xffadb"), 1<<18)
		go func() {
			for i, size := 0, 1; i < len(text); i, size = i+size, size*3 {
				size = min(size, len(text)-i)
				if conn.WriteMessage(websocket.BinaryMessage, text[i:i+size]) != nil {
					return
				}
			}
		}()
		var got []byte
		for len(got) < len(text) {
			kind, data, err := conn.ReadMessage()
			if err != nil || kind != websocket.BinaryMessage {
				t.Fatalf("%s: kind %d, %v after %d bytes", path, kind, err, len(got))
			}
			got = append(got, data...)
		}
		if !bytes.Equal(got, text) {
			t.Errorf("%s: other bytes came back", path)
		}
		_ = conn.Close()
	}
	eventually(t, f.wantOpen(0))
}

// Ensure what cannot be had is said before there is a WebSocket.
func TestRefusals(t *testing.T) {
	t.Parallel()
	f := &fakeDevices{serve: echo}
	c := start(t, f, nil, tunnel.Options{Tunnels: 1, Dial: 50 * time.Millisecond})
	for path, want := range map[string]struct {
		status  int
		message string
	}{
		"/sandboxes/gone/adb/tunnel":    {404, "sandbox gone does not exist"},
		"/sandboxes/stopped/adb/tunnel": {409, "is the sandbox started?"},
		"/sandboxes/dev-1/tcp/0":        {400, "a number from 1 to 65535"},
		"/sandboxes/dev-1/tcp/http":     {400, "a number from 1 to 65535"},
		"/sandboxes/dev-1/tcp/9":        {503, "reach port 9 of the guest: nothing listens there"},
		"/sandboxes/dev-1/tcp/8081":     {504, "port 8081 of the guest took no connection within 50ms"},
	} {
		if _, status, said := dial(t, c, path); status != want.status || !strings.Contains(said, want.message) {
			t.Errorf("%s: %d %s", path, status, said)
		}
	}
	if got := c.Do("GET", "/sandboxes/dev-1/adb/tunnel", ""); got.Status != 400 || !strings.Contains(got.Body, "runner-android adb-forward") {
		t.Errorf("without a WebSocket: %d %s", got.Status, got.Body)
	}
	bad := c.Do("GET", "/sandboxes/dev-1/adb/tunnel", "", "Connection: Upgrade", "Upgrade: websocket") // without a key
	if bad.Status != 400 {
		t.Errorf("a WebSocket that is none: %d %s", bad.Status, bad.Body)
	}
	eventually(t, f.wantOpen(0))
	first, _, _ := dial(t, c, "/sandboxes/dev-1/adb/tunnel")
	if _, status, said := dial(t, c, "/sandboxes/dev-1/adb/tunnel"); status != 503 || !strings.Contains(said, "RESOURCE_EXHAUSTED") {
		t.Errorf("one too many: %d %s", status, said)
	}
	_ = first.Close()
	eventually(t, func() error {
		if conn, status, said := dial(t, c, "/sandboxes/dev-1/adb/tunnel"); conn == nil {
			return fmt.Errorf("%d %s", status, said)
		}
		return nil
	})
}

// Ensure a tunnel ends with the device, with its connection, with the runner and with a message that is none, and
// says which.
func TestEnds(t *testing.T) {
	t.Parallel()
	want := func(t *testing.T, conn *websocket.Conn, code int, reason string) {
		t.Helper()
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				var closed *websocket.CloseError
				if !errors.As(err, &closed) || closed.Code != code || !strings.Contains(closed.Text, reason) {
					t.Errorf("%v, want %d %s", err, code, reason)
				}
				return
			}
		}
	}
	f := &fakeDevices{serve: func(conn net.Conn) {
		word := make([]byte, 4)
		if _, err := io.ReadFull(conn, word); err == nil && string(word) == "stay" {
			echo(conn)
		}
	}}
	left := make(chan struct{})
	c := start(t, f, left, tunnel.Options{})
	open := func(word string) *websocket.Conn {
		conn, status, said := dial(t, c, "/sandboxes/dev-1/adb/tunnel")
		if conn == nil {
			t.Fatal(status, said)
		}
		_ = conn.WriteMessage(websocket.BinaryMessage, []byte(word))
		return conn
	}
	want(t, open("quit"), 1000, "the device closed the connection")
	text := open("stay")
	_ = text.WriteMessage(websocket.TextMessage, []byte("x"))
	want(t, text, 1008, "a binary message is wanted")
	device := open("stay")
	close(left)
	want(t, device, 1001, "sandbox dev-1: the device left started")
	eventually(t, f.wantOpen(0))

	c = start(t, f, nil, tunnel.Options{})
	runner := open("stay")
	c.BeginStop()
	want(t, runner, 1001, "the runner is stopping")
	eventually(t, f.wantOpen(0))
}

// Ensure a side that does not read makes the other wait, and nothing grows.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	var taken atomic.Int64
	stop := make(chan struct{})
	f := &fakeDevices{serve: func(conn net.Conn) {
		go func() { <-stop; _ = conn.Close() }()
		piece := make([]byte, 64<<10)
		for {
			n, err := conn.Write(piece)
			if taken.Add(int64(n)); err != nil {
				return
			}
		}
	}}
	c := start(t, f, nil, tunnel.Options{})
	conn, _, _ := dial(t, c, "/sandboxes/dev-1/adb/tunnel")
	for { // the client takes nothing: what was sent comes to rest
		before := taken.Load()
		time.Sleep(300 * time.Millisecond)
		if before == taken.Load() && before > 0 {
			break
		}
	}
	if n := taken.Load(); n > 16<<20 { // the sockets' buffers
		t.Errorf("%d MiB were taken", n>>20)
	}
	if _, _, err := conn.ReadMessage(); err != nil {
		t.Error(err)
	}
	close(stop)
	eventually(t, f.wantOpen(0))
}

// Ensure adb/info says how to come here as the client did.
func TestInfo(t *testing.T) {
	t.Parallel()
	c := start(t, &fakeDevices{}, nil, tunnel.Options{Host: "runner.example"})
	for _, q := range []struct{ path, header, want string }{
		{"/sandboxes/dev-1/adb/info", "Host: runner.example:3107", `{"host":"runner.example","port":6522,"serial":"127.0.0.1:6522",` +
			`"tunnelCommand":"runner-android adb-forward --api http://runner.example:3107 dev-1"}`},
		{"/sandboxes/dev-1/toolbox/adb/info", "X-Forwarded-Host: evil;reboot, proxy.example.com", `"tunnelCommand":"runner-android adb-forward --toolbox-url https://proxy.example.com/toolbox dev-1"}`},
		{"/sandboxes/dev-1/toolbox/adb/info", "X-Forwarded-Host: proxy.localhost:4000", `--toolbox-url http://proxy.localhost:4000/toolbox dev-1"}`},
		{"/sandboxes/dev-1/toolbox/adb/info", "X-Forwarded-Host: $(reboot)", `--api http://` + c.Addr + ` dev-1"}`},
	} {
		if got := c.Do("GET", q.path, "", q.header); got.Status != 200 || !strings.HasSuffix(got.Body, q.want) {
			t.Errorf("%s, %s: %d %s", q.path, q.header, got.Status, got.Body)
		}
	}
	if got := c.Do("GET", "/sandboxes/stopped/adb/info", ""); got.Status != 409 || !strings.Contains(got.Body, "holds no ADB port") {
		t.Errorf("stopped: %d %s", got.Status, got.Body)
	}
	if got := c.Do("GET", "/sandboxes/gone/adb/info", ""); got.Status != 404 {
		t.Errorf("gone: %d %s", got.Status, got.Body)
	}
	own := start(t, &fakeDevices{}, nil, tunnel.Options{})
	if got := own.Do("GET", "/sandboxes/dev-1/adb/info", ""); got.Field(t, "host") != "127.0.0.1" {
		t.Errorf("without a name: %s", got.Body)
	}
}
