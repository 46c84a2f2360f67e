package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// echo sends back what comes, and ends as it is told to.
func echo(c *transport.Ctx) error {
	o := transport.SocketOptions{ReadLimit: 1 << 10}
	if offered := c.Offered(); len(offered) > 0 {
		o.Protocol = offered[0]
	}
	return c.Upgrade(o, func(_ context.Context, s *transport.Socket) error {
		for {
			text, data, err := s.Read()
			switch {
			case err != nil:
				return nil
			case string(data) == "fail":
				return errors.New("told to fail")
			case string(data) == "panic":
				panic("told to panic")
			case string(data) == "bye":
				s.Close(transport.ClosePolicy, strings.Repeat("é", 100))
				return nil
			case text:
				err = s.Text(data)
			default:
				err = s.Binary(data)
			}
			if err != nil {
				return err
			}
		}
	})
}

func dialSocket(t *testing.T, c *transporttest.Client, header http.Header) *websocket.Conn {
	t.Helper()
	header.Set("Authorization", "Bearer "+transporttest.Token)
	conn, resp, err := websocket.DefaultDialer.Dial("ws://"+c.Addr+"/echo", header)
	if err != nil {
		t.Fatalf("dial: %v, %v", err, resp)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	return conn
}

func wantClose(t *testing.T, conn *websocket.Conn, code int, reason string) {
	t.Helper()
	_, data, err := conn.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || !strings.Contains(closed.Text, reason) {
		t.Errorf("got %q, %v; want a close with %d and %q", data, err, code, reason)
	}
}

// Ensure sockets carry both sorts of messages, whatever the origin, and close with a code that tells.
func TestSockets(t *testing.T) {
	t.Parallel()
	c := start(t, transport.Options{}, transport.Route{Method: "GET", Path: "/echo", Handler: echo})
	conn := dialSocket(t, c, http.Header{"Origin": {"http://6080-x.proxy.localhost:4000"}, "Sec-Websocket-Protocol": {"a~1, b"}})
	if got := conn.Subprotocol(); got != "a~1" {
		t.Errorf("subprotocol %q", got)
	}
	for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
		_ = conn.WriteMessage(kind, []byte("hello"))
		if got, data, err := conn.ReadMessage(); got != kind || string(data) != "hello" || err != nil {
			t.Errorf("kind %d: %d %q %v", kind, got, data, err)
		}
	}
	_ = conn.WriteMessage(websocket.TextMessage, []byte("bye"))
	wantClose(t, conn, websocket.ClosePolicyViolation, strings.Repeat("é", 61))
	for say, reason := range map[string]string{"fail": "told to fail", "panic": "panicked"} {
		conn := dialSocket(t, c, http.Header{})
		_ = conn.WriteMessage(websocket.TextMessage, []byte(say))
		wantClose(t, conn, websocket.CloseInternalServerErr, reason)
	}
	conn = dialSocket(t, c, http.Header{})
	_ = conn.WriteMessage(websocket.TextMessage, make([]byte, 2<<10))
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("a message over the limit: %v", err)
	}
	if got := c.Do("GET", "/echo", ""); got.Status != 400 || !strings.Contains(got.Body, "a WebSocket is wanted here") {
		t.Errorf("a plain request: %d %s", got.Status, got.Body)
	}
	if got := c.Do("GET", "/echo", "", "Authorization:", "Connection: Upgrade", "Upgrade: websocket"); got.Status != 401 {
		t.Errorf("a socket without the token: %d %s", got.Status, got.Body)
	}
	if got := c.Do("GET", "/echo", "", "Connection: Upgrade", "Upgrade: websocket"); got.Status != 400 || !strings.Contains(got.Body, "WebSocket: ") {
		t.Errorf("a handshake without a key: %d %s", got.Status, got.Body)
	}
}

// Ensure what a client sends right behind its handshake is the first that the socket reads, over TCP and TLS.
func TestSocketsReadWhatCameEarly(t *testing.T) {
	t.Parallel()
	route := transport.Route{Method: "GET", Path: "/echo", Handler: echo}
	certFile, keyFile, roots := certificate(t)
	plain := start(t, transport.Options{}, route)
	secure := start(t, transport.Options{TLSCertFile: certFile, TLSKeyFile: keyFile}, route)
	for name, conn := range map[string]net.Conn{
		"TCP": plain.Dial(),
		"TLS": tls.Client(secure.Dial(), &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}),
	} {
		var request bytes.Buffer
		request.WriteString("GET /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + transporttest.Token + "\r\nConnection: Upgrade\r\n" +
			"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		long := strings.Repeat("a", 900) // masked with zeros
		request.WriteString("\x81\x85\x00\x00\x00\x00first" + "\x81\xfe\x03\x84\x00\x00\x00\x00" + long)
		if _, err := conn.Write(request.Bytes()); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
			resp.Header.Get("X-Request-Id") == "" {
			t.Fatalf("%s: %v, %v", name, resp, err)
		}
		want := "\x81\x05first" + "\x81\x7e\x03\x84" + long
		got := make([]byte, len(want))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// Ensure a server that stops says so to its sockets, and waits for their routes.
func TestSocketsEndWithTheServer(t *testing.T) {
	t.Parallel()
	c := start(t, transport.Options{}, transport.Route{Method: "GET", Path: "/echo", Handler: echo})
	conn := dialSocket(t, c, http.Header{})
	c.BeginStop()
	wantClose(t, conn, websocket.CloseGoingAway, "the runner is stopping")
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}

// Ensure a body is read as it arrives, counted, and never taken for whole when it is not.
func TestStreamedBodies(t *testing.T) {
	t.Parallel()
	limits := transport.Limits{BodyTimeout: 300 * time.Millisecond}
	count := func(c *transport.Ctx) error {
		n, err := io.Copy(io.Discard, c.BodyReader())
		if err != nil {
			return err
		}
		return c.JSON(200, n)
	}
	early := func(c *transport.Ctx) error { return c.JSON(200, "read nothing") }
	form := func(c *transport.Ctx) error {
		parts, err := c.Multipart()
		if err != nil {
			return err
		}
		var names []string
		for {
			part, err := parts.Next()
			if errors.Is(err, io.EOF) {
				return c.JSON(200, names)
			} else if err != nil {
				return err
			}
			names = append(names, part.FormName())
		}
	}
	c := start(t, transport.Options{Limits: limits},
		transport.Route{Method: "POST", Path: "/count", Handler: count, Streams: true, BodyLimit: 64 << 20},
		transport.Route{Method: "POST", Path: "/early", Handler: early, Streams: true, BodyLimit: 64 << 20},
		transport.Route{Method: "POST", Path: "/form", Handler: form, Streams: true})
	big := func() io.Reader { return io.LimitReader(zeros{}, 40<<20) }
	for name, body := range map[string]io.Reader{"in chunks": big(), "none": http.NoBody, "short": strings.NewReader("abc")} {
		want := map[string]string{"in chunks": "41943040", "none": "0", "short": "3"}[name]
		if got, err := c.Try("POST", "/count", body); err != nil || got.Body != want {
			t.Errorf("%s: %s, %v; want %s", name, got.Body, err, want)
		}
	}
	if got, err := c.Try("POST", "/count", io.LimitReader(zeros{}, 65<<20)); err == nil && got.Status != 413 {
		t.Errorf("over the limit: %d %s, %v", got.Status, got.Body, err)
	}
	if got, err := c.Try("POST", "/early", strings.NewReader(strings.Repeat("x", 100<<10))); err != nil || got.Status != 200 {
		t.Errorf("a route that reads nothing: %d, %v", got.Status, err)
	}
	auth := "Host: x\r\nAuthorization: Bearer " + transporttest.Token + "\r\n"
	if got := c.Raw("POST /count HTTP/1.1\r\n" + auth + "Content-Length: 20000\r\n\r\n" + strings.Repeat("x", 9000)); got.Status != 408 {
		t.Errorf("a body that stalls: %d %s", got.Status, got.Body)
	}
	body := "--b\r\nContent-Disposition: form-data; name=\"one\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"two\"\r\n\r\n2\r\n--b--\r\n"
	if got := c.Do("POST", "/form", body, "Content-Type: multipart/form-data; boundary=b"); got.Body != `["one","two"]` {
		t.Errorf("a form: %d %s", got.Status, got.Body)
	}
	if got := c.Do("POST", "/form", body[:len(body)-8], "Content-Type: multipart/form-data; boundary=b"); got.Status == 200 {
		t.Errorf("a form without its end: %d %s", got.Status, got.Body)
	}
	if got := c.Do("POST", "/form", "x"); got.Status != 400 || !strings.Contains(got.Body, "no multipart form") {
		t.Errorf("no form: %d %s", got.Status, got.Body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Ensure a stream of known size says so, also to HEAD, and is cut off where it comes short.
func TestSizedStreams(t *testing.T) {
	t.Parallel()
	c := start(t, transport.Options{}, transport.Route{Method: "GET", Path: "/sized/{n}", Handler: func(c *transport.Ctx) error {
		given, err := c.Param("n")
		if err != nil {
			return err
		}
		c.StreamSized(206, "application/octet-stream", 5, func(_ context.Context, w *bufio.Writer) error {
			_, err := fmt.Fprint(w, given)
			return err
		})
		return nil
	}})
	if got := c.Do("GET", "/sized/12345", ""); got.Status != 206 || got.Body != "12345" || got.Header.Get("Content-Length") != "5" {
		t.Errorf("got %d %q %v", got.Status, got.Body, got.Header)
	}
	if got := c.Do("HEAD", "/sized/12345", ""); got.Status != 206 || got.Header.Get("Content-Length") != "5" {
		t.Errorf("HEAD: %d %v", got.Status, got.Header)
	}
	if got, err := c.Try("GET", "/sized/123", http.NoBody); err == nil {
		t.Errorf("three of five bytes were taken for all: %q", got.Body)
	}
}

// Ensure what a stream holds is given back when the client left before its answer began.
func TestAStreamNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	asked, left, told := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	c := start(t, transport.Options{}, transport.Route{Method: "GET", Path: "/late", Handler: func(c *transport.Ctx) error {
		close(asked)
		<-left
		c.Stream("text/plain", func(ctx context.Context, w *bufio.Writer) error {
			_, _ = w.WriteString("for nobody")
			told <- ctx.Err()
			return w.Flush()
		})
		return nil
	}})
	conn := c.Dial()
	_, _ = io.WriteString(conn, "GET /late HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+transporttest.Token+"\r\n\r\n")
	<-asked
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	close(left)
	select {
	case err := <-told:
		if err == nil {
			t.Error("its context has not ended")
		}
	case <-time.After(10 * time.Second):
		t.Error("the function of the stream was never called")
	}
}
