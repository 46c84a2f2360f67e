package ports

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// request opens a request whose body is written later.
func request(t *testing.T, c *transporttest.Client, head string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn := c.Dial()
	if _, err := io.WriteString(conn, head+"Host: x\r\nAuthorization: Bearer "+transporttest.Token+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// Ensure each event is there when it was sent, and the guest hears of a client that is gone.
func TestEventsAtOnce(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	next, gone := make(chan string), make(chan struct{})
	guest.serveHTTP(t, 8080, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case event := <-next:
				fmt.Fprintf(w, "data: %s\n\n", event)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	c := start(t, guest, nil, Options{})
	conn, in := request(t, c, "GET "+base+"/proxy/8080/events HTTP/1.1\r\n")
	next <- "0"
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %v %v", resp, err)
	}
	body := bufio.NewReader(resp.Body)
	for i := range 3 {
		if i > 0 {
			next <- fmt.Sprint(i)
		}
		line, err := body.ReadString('\n')
		if _, _ = body.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("got %q %v", line, err)
		}
	}
	_ = conn.Close()
	for open := true; open; {
		select {
		case next <- strings.Repeat("x", 1<<20): // until somebody notices
		case <-gone:
			open = false
		}
	}
	eventually(t, func() error { return wantOpen(guest, 0) })
}

// Ensure an answer may begin, and go on, while the request is still being sent.
func TestBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	guest.serveHTTP(t, 8080, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		buf := make([]byte, 64)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = http.NewResponseController(w).Flush()
			if err != nil {
				return
			}
		}
	})
	c := start(t, guest, nil, Options{})
	conn, in := request(t, c, "POST "+base+"/proxy/8080/echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n")
	say := func(text string) { fmt.Fprintf(conn, "%x\r\n%s\r\n", len(text), text) }
	say("0")
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1)
	for i := range 5 {
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != fmt.Sprint(i) {
			t.Fatalf("got %q %v", got, err)
		}
		say(fmt.Sprint(i + 1))
	}
	fmt.Fprint(conn, "0\r\n\r\n")
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "5" {
		t.Errorf("got %q %v", rest, err)
	}
}

// Ensure a guest that answers before it has read the request is heard, and the connection ends.
func TestAnswerBeforeTheEnd(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	guest.serveRaw(t, 8080, func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
	})
	c := start(t, guest, nil, Options{})
	got, err := c.Try("POST", base+"/proxy/8080/x", io.LimitReader(zeros{}, 8<<20))
	if err != nil || got.Status != 413 && got.Status != 502 { // the guest's reset may overtake its answer
		t.Errorf("got %d %v", got.Status, err)
	}
	conn, in := request(t, c, "POST "+base+"/proxy/8080/x HTTP/1.1\r\nContent-Length: 1000000\r\n")
	_, _ = conn.Write(make([]byte, 10_000)) // and no more
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 413 {
		t.Fatalf("got %v %v", resp, err)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "big" {
		t.Errorf("got %q %v", body, err)
	}
	if _, err := in.ReadByte(); err == nil {
		t.Error("the connection goes on")
	}
}

// Ensure a client whose body does not come hears so, and one that leaves half-way is not taken for done.
func TestBodyThatDoesNotCome(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	heard := make(chan error, 2)
	guest.serveHTTP(t, 8080, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		heard <- err
	})
	c := start(t, guest, nil, Options{}, transport.Limits{BodyTimeout: 100 * time.Millisecond})
	conn, in := request(t, c, "POST "+base+"/proxy/8080/x HTTP/1.1\r\nContent-Length: 10001\r\n")
	_, _ = conn.Write(make([]byte, 10_000))
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 408 {
		t.Errorf("got %v %v", resp, err)
	}
	if <-heard == nil {
		t.Error("the guest took a part for the whole")
	}
	conn, _ = request(t, c, "POST "+base+"/proxy/8080/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n")
	fmt.Fprint(conn, "3\r\nabc\r\n")
	_ = conn.Close()
	if <-heard == nil {
		t.Error("the guest took a part for the whole")
	}
}

// Ensure an answer that breaks off does so for the client, and one that a stopped device cut off too.
func TestAnswerBreaksOff(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"sized":   "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		for _, by := range []string{"guest", "device"} {
			left, sent := make(chan struct{}), make(chan struct{})
			guest := &fakeGuest{}
			guest.serveRaw(t, 8080, func(conn net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, head)
				close(sent)
				if by == "device" {
					_, _ = conn.Read(make([]byte, 1)) // until it is closed
				}
			})
			c := start(t, guest, left, Options{})
			_, in := request(t, c, "GET "+base+"/proxy/8080/x HTTP/1.1\r\n")
			<-sent
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if by == "device" {
				close(left)
			}
			if body, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("%s, by the %s: got %d %q", name, by, resp.StatusCode, body)
			}
			eventually(t, func() error { return wantOpen(guest, 0) })
		}
	}
}

// socket opens a WebSocket through the proxy.
func socket(t *testing.T, c *transporttest.Client, path string, protocols ...string) (*websocket.Conn, *http.Response) {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: protocols, HandshakeTimeout: 10 * time.Second, EnableCompression: true}
	header := http.Header{"X-Daytona-Authorization": {"Bearer " + transporttest.Token}, "Authorization": {"Bearer user"},
		"Origin": {"http://8080-dev-1.proxy.localhost:4000"}}
	conn, resp, err := dialer.DialContext(t.Context(), "ws://"+c.Addr+path, header)
	if err != nil {
		t.Fatalf("%v: %v", err, resp)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	return conn, resp
}

// echo is a WebSocket server; it closes with 4001 when told so.
func echo(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{"v2"}, EnableCompression: true, CheckOrigin: func(r *http.Request) bool {
		return r.Header.Get("Origin") == "http://8080-dev-1.proxy.localhost:4000" && r.Header.Get("Authorization") == "Bearer user" &&
			r.Header.Get("X-Daytona-Authorization") == "" && r.Host == "localhost:8080"
	}}
	conn, err := up.Upgrade(w, r, http.Header{"X-Guest": {"1"}})
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if string(data) == "bye" {
			_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "as you wish"), time.Now().Add(time.Second))
			return
		}
		if conn.WriteMessage(kind, data) != nil {
			return
		}
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	guest.serveHTTP(t, 8080, echo)
	c := start(t, guest, nil, Options{Tunnels: 2})
	conn, resp := socket(t, c, base+"/proxy/8080/ws?x=%2f", "v1", "v2")
	if conn.Subprotocol() != "v2" || resp.Header.Get("X-Guest") != "1" || !strings.Contains(resp.Header.Get("Sec-WebSocket-Extensions"), "deflate") {
		t.Errorf("got %v", resp.Header)
	}
	for _, m := range []struct {
		kind int
		data string
	}{
		{websocket.TextMessage, "text"}, {websocket.BinaryMessage, "\xff\x00"}, {websocket.TextMessage, ""},
		{websocket.BinaryMessage, strings.Repeat("ab\x00", 1<<20)},
	} {
		written := make(chan error, 1)
		go func() { written <- conn.WriteMessage(m.kind, []byte(m.data)) }()
		if kind, data, err := conn.ReadMessage(); err != nil || kind != m.kind || string(data) != m.data {
			t.Fatalf("got %d %.20q %v", kind, data, err)
		}
		if err := <-written; err != nil {
			t.Fatal(err)
		}
	}
	socket(t, c, base+"/proxy/8080/")
	third, err := c.Try("GET", base+"/proxy/8080/", nil, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Origin: http://8080-dev-1.proxy.localhost:4000", "X-Daytona-Authorization: Bearer "+transporttest.Token, "Authorization: Bearer user")
	if err != nil || third.Status != 503 || third.Field(t, "code") != "RESOURCE_EXHAUSTED" {
		t.Errorf("a third: %d %s %v", third.Status, third.Body, err)
	}
	_ = conn.WriteMessage(websocket.TextMessage, []byte("bye"))
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, 4001) || !strings.Contains(err.Error(), "as you wish") {
		t.Errorf("closed with %v", err)
	}
	eventually(t, func() error { return wantOpen(guest, 1) })
	if got := c.Do("GET", base+"/proxy/8080/", "", "Connection: Upgrade", "Upgrade: websocket"); got.Status != 400 {
		t.Errorf("a refused upgrade: %d %s", got.Status, got.Body)
	}
}

// Ensure sockets end with the device, with the server, and with their client.
func TestSocketsEnd(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	guest.serveHTTP(t, 8080, echo)
	left := make(chan struct{})
	c := start(t, guest, left, Options{})
	conn, _ := socket(t, c, base+"/proxy/8080/")
	other, _ := socket(t, c, base+"/proxy/8080/")
	_ = other.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
	_ = other.UnderlyingConn().Close()
	eventually(t, func() error { return wantOpen(guest, 1) })
	close(left)
	if _, _, err := conn.ReadMessage(); err == nil {
		t.Error("it outlived its device")
	}
	c = start(t, guest, nil, Options{})
	conn, _ = socket(t, c, base+"/proxy/8080/")
	begun := time.Now()
	if err := c.Stop(); err != nil || time.Since(begun) > 5*time.Second {
		t.Errorf("stopped after %s: %v", time.Since(begun), err)
	}
	if _, _, err := conn.ReadMessage(); err == nil {
		t.Error("it outlived the server")
	}
	eventually(t, func() error { return wantOpen(guest, 0) })
}

// Ensure other protocols pass, with what is sent right behind the request.
func TestOtherUpgrade(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{}
	guest.serveRaw(t, 8080, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		r, err := http.ReadRequest(in)
		if err != nil || r.Header.Get("Upgrade") != "raw/1" {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: raw/1\r\nX-A: b\r\n\r\nhello ")
		_, _ = io.CopyN(conn, in, 5)
	})
	c := start(t, guest, nil, Options{})
	conn, in := request(t, c, "GET "+base+"/proxy/8080/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: raw/1\r\n")
	fmt.Fprint(conn, "world")
	resp, err := http.ReadResponse(in, &http.Request{Method: "GET"})
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "raw/1" || resp.Header.Get("X-A") != "b" || resp.Header.Get("Content-Type") != "" {
		t.Fatalf("got %v %v", resp, err)
	}
	if rest, err := io.ReadAll(in); err != nil || string(rest) != "hello world" {
		t.Errorf("got %q %v", rest, err)
	}
}

// Ensure idle sockets cost little. What is counted is all of it: client, server and guest.
func TestIdleSocketsAreCheap(t *testing.T) {
	const sockets, each = 1000, 96 << 10
	guest := &fakeGuest{}
	guest.serveRaw(t, 8080, func(conn net.Conn) {
		head := make([]byte, 4096)
		if _, err := conn.Read(head); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
		_, _ = conn.Read(head[:1])
	})
	c := start(t, guest, nil, Options{})
	memory := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := memory()
	conns := make([]net.Conn, sockets)
	line := make([]byte, 12)
	for i := range conns {
		conns[i] = c.Dial()
		fmt.Fprintf(conns[i], "GET %s/proxy/8080/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: raw\r\nAuthorization: Bearer %s\r\n\r\n", base, transporttest.Token)
		if _, err := io.ReadFull(conns[i], line); err != nil || string(line) != "HTTP/1.1 101" {
			t.Fatalf("socket %d: %q %v", i, line, err)
		}
	}
	if err := wantOpen(guest, sockets); err != nil {
		t.Error(err)
	}
	grown := memory() - before
	t.Logf("%d idle sockets: %d KiB each", sockets, grown>>10/sockets)
	if grown > sockets*each {
		t.Errorf("%d bytes", grown)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	eventually(t, func() error { return wantOpen(guest, 0) })
}
