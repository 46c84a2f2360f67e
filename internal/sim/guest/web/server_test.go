package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/sim/guest/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts the server on a guest port and returns a client for it, and a way to dial.
func serve(t *testing.T) (*http.Client, func() net.Conn) {
	t.Helper()
	var r ports.Registry
	l, err := r.Listen(Port, 2000, false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return r.Dial(ctx, Port) }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return &http.Client{Transport: transport}, func() net.Conn {
		c, err := r.Dial(t.Context(), Port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
}

func TestEchoTellsWhatItGot(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://guest/echo/a%2Fb//c/../d?x=%20y", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Mine", "yes")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got Echo
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Method != "PUT" || got.Path != "/echo/a%2Fb//c/../d?x=%20y" || got.Body != "body" || got.Headers["X-Mine"][0] != "yes" {
		t.Errorf("got %+v", got)
	}
}

func TestUploadsAreCountedAndEventsCome(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	for _, c := range []struct {
		name, method, path string
		body               io.Reader
		want               string
	}{
		{"a chunked upload", "POST", "/upload", struct{ io.Reader }{bytes.NewReader(make([]byte, 3<<20))}, "{\"bytes\":3145728,\"chunked\":true}\n"},
		{"an upload of known length", "POST", "/upload", strings.NewReader("abc"), "{\"bytes\":3,\"chunked\":false}\n"},
		{"events", "GET", "/sse?n=2&ms=1", nil, "id: 0\ndata: event 0\n\nid: 1\ndata: event 1\n\n"},
		{"a slow answer", "GET", "/slow?ms=1", nil, "slow\n"},
		{"no WebSocket", "GET", "/ws", nil, "this is a WebSocket\n"},
		{"a status", "GET", "/status/204", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, "http://guest"+c.path, c.body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got, err := io.ReadAll(res.Body); string(got) != c.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestAWebSocketSendsBack(t *testing.T) {
	t.Parallel()
	_, dial := serve(t)
	c := dial()
	fmt.Fprint(c, "GET /ws HTTP/1.1\r\nHost: guest\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || res.Header.Get("Sec-WebSocket-Protocol") != "a" {
		t.Fatalf("got %d %v", res.StatusCode, res.Header)
	}
	for _, size := range []int{2, 200, 70_000} {
		frame := []byte{0x82, 0xfe, byte(size >> 8), byte(size), 0, 0, 0, 0}
		switch {
		case size < 126:
			frame = []byte{0x82, 0x80 | byte(size), 0, 0, 0, 0}
		case size >= 1<<16:
			frame = []byte{0x82, 0xff, 0, 0, 0, 0, 0, byte(size >> 16), byte(size >> 8), byte(size), 0, 0, 0, 0}
		}
		want := bytes.Repeat([]byte{'x'}, size)
		go c.Write(append(frame, want...))
		head := 2
		if size >= 126 {
			head = map[bool]int{true: 4, false: 10}[size < 1<<16]
		}
		got := make([]byte, head+size)
		if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got[head:], want) || got[0] != 0x82 {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	c.Write([]byte{0x88, 0x80, 1, 2, 3, 4})
	if rest, err := io.ReadAll(in); !bytes.Equal(rest, []byte{0x88, 0}) || err != nil {
		t.Errorf("close: % x, %v", rest, err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x81, 0x85, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bufio.NewReader(bytes.NewReader(data))
		for {
			if _, p, err := readFrame(in); err != nil || len(p) > len(data) {
				return
			}
		}
	})
}
