package proxy_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/proxy"
)

// Ensure the signalling passes both ways, to this sandbox's device alone, and from no page of somebody else.
func TestSignalling(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	h := serve(t, o.URL, proxy.Options{})
	conn, _, err := h.socket(t, base+"/devices/dev-1/connect", http.Header{
		"Origin": {"https://6080-token.proxy.example"}, "X-Forwarded-Host": {"spoofed.example, 6080-token.proxy.example"}, "Cookie": {"a=b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`{"device_info":{"hardware":{}}}`, `{"message_type":"device_msg","payload":{"type":"request-offer"}}`}
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"request-offer"}`)); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if _, got, err := conn.ReadMessage(); err != nil || string(got) != w {
			t.Errorf("%s, %v; want %s", got, err, w)
		}
	}
	asked := o.asked()
	if r := asked[len(asked)-1]; r.Header.Get("Cookie") != "" || r.Header.Get("Origin") != "" || r.Header.Get("X-Daytona-Authorization") != "" {
		t.Errorf("the operator got %v", r.Header)
	}
	for name, c := range map[string]struct {
		path   string
		header http.Header
		want   int
	}{
		"another device":      {base + "/devices/dev-2/connect", nil, 404},
		"another page":        {base + "/devices/dev-1/connect", http.Header{"Origin": {"https://evil.example"}, "X-Forwarded-Host": {"6080-x.proxy.example"}}, 403},
		"a spoofed forwarder": {base + "/devices/dev-1/connect", http.Header{"Origin": {"https://evil.example"}, "X-Forwarded-Host": {"evil.example, 6080-x.proxy.example"}}, 403},
		"not registered":      {"/sandboxes/unregistered/toolbox/proxy/6080/devices/unregistered/connect", nil, 404},
		"not started":         {"/sandboxes/booting/toolbox/proxy/6080/devices/booting/connect", nil, 409},
	} {
		if _, resp, err := h.socket(t, c.path, c.header); err == nil || resp == nil || resp.StatusCode != c.want {
			t.Errorf("%s: %v %v, want %d", name, resp, err, c.want)
		}
	}
	if got := h.Do("GET", base+"/devices/dev-1/connect", ""); got.Status != 400 {
		t.Errorf("no handshake: %d %s", got.Status, got.Body)
	}
}

// Ensure a viewer is told why when its device is stopped, and when the operator leaves.
func TestSignallingEnds(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	leaves, echo := make(chan struct{}), o.talk
	o.talk = func(conn *websocket.Conn) {
		go func() {
			<-leaves
			_ = conn.Close()
		}()
		echo(conn)
	}
	h := serve(t, o.URL, proxy.Options{})
	conn, _, err := h.socket(t, base+"/devices/dev-1/connect", nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := h.socket(t, "/sandboxes/dev-2/toolbox/proxy/6080/devices/dev-2/connect", nil)
	if err != nil {
		t.Fatal(err)
	}
	close(h.left)
	wantEnd(t, conn, "the device left started")
	close(leaves)
	wantEnd(t, other, "the operator closed the signalling")
}

// wantEnd reads until the close, whose reason must hold some words.
func wantEnd(t *testing.T, conn *websocket.Conn, words string) {
	t.Helper()
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, websocket.CloseGoingAway, websocket.ClosePolicyViolation) || !strings.Contains(err.Error(), words) {
				t.Errorf("ended with %v, want %q", err, words)
			}
			return
		}
	}
}

// Ensure a viewer gets all that the device said, in its order, and then why the signalling ended.
func TestSignallingIsWhole(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	const all = 3000
	o.talk = func(conn *websocket.Conn) {
		for i := range all {
			_ = conn.WriteMessage(websocket.TextMessage, []byte(strconv.Itoa(i)))
		}
		_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "enough"))
	}
	h := serve(t, o.URL, proxy.Options{})
	conn, _, err := h.socket(t, base+"/devices/dev-1/connect", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if _, message, err := conn.ReadMessage(); err != nil || string(message) != strconv.Itoa(i) {
			t.Fatalf("message %d: %s, %v", i, message, err)
		}
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) || !strings.Contains(err.Error(), "enough") {
		t.Errorf("the end: %v", err)
	}
}

// Ensure polled connections are of this sandbox's device alone.
func TestPolled(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	h := serve(t, o.URL, proxy.Options{})
	opened := h.Do("POST", base+"/polled_connections", `{"device_id":"dev-1"}`)
	if opened.Status != 200 || opened.Field(t, "connection_id") != "conn-of-dev-1" {
		t.Fatalf("%d %s", opened.Status, opened.Body)
	}
	const theirs = "/sandboxes/dev-2/toolbox/proxy/6080"
	if got := h.Do("POST", theirs+"/polled_connections", `{"device_id":"dev-2"}`); got.Status != 200 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	for _, c := range []struct {
		method, path, body string
		headers            []string
		status             int
		want               string
	}{
		{"POST", base + "/polled_connections/conn-of-dev-1/:forward", `{"payload":{}}`, nil, 200, "\"ok\"\n"},
		{"GET", base + "/polled_connections/conn-of-dev-1/messages?start=2", "", nil, 200, "conn-of-dev-1?start=2&count=-1"},
		{"GET", base + "/polled_connections/conn-of-dev-1/messages?start=-1", "", nil, 400, "Invalid value for start field"},
		{"GET", base + "/polled_connections/conn-of-dev-1/messages?start=x", "", nil, 400, "Invalid value for start field"},
		{"POST", base + "/polled_connections", `{"device_id":"dev-2"}`, nil, 404, ""},
		{"POST", base + "/polled_connections", `{"device_id":"dev-1"`, nil, 400, ""},
		{"POST", base + "/polled_connections", `{"device_id":"dev-1"}`, []string{"Origin: http://evil", "X-Forwarded-Host: h"}, 403, ""},
		{"GET", base + "/polled_connections/conn-of-dev-2/messages", "", nil, 404, ""},
		{"POST", base + "/polled_connections/conn-of-dev-2/:forward", `{"payload":{}}`, nil, 404, ""},
		{"GET", theirs + "/polled_connections/conn-of-dev-1/messages", "", nil, 404, ""},
		{"POST", base + "/polled_connections/conn-of-dev-1/:forward", `{`, nil, 400, ""},
		{"POST", base + "/polled_connections/conn-of-dev-1/:forward", `"` + strings.Repeat("x", 70<<10) + `"`, nil, 413, ""},
	} {
		if got := h.Do(c.method, c.path, c.body, c.headers...); got.Status != c.status || !strings.Contains(got.Body, c.want) {
			t.Errorf("%s %s: %d %.200s, want %d %s", c.method, c.path, got.Status, got.Body, c.status, c.want)
		}
	}
}

// Ensure viewers of one sandbox have an end, and those of a link lose their video with it.
func TestViewersEnd(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	h := serve(t, o.URL, proxy.Options{Sockets: 1})
	said := make(chan string, 10)
	o.talk = func(conn *websocket.Conn) {
		for {
			_, message, err := conn.ReadMessage()
			if err != nil {
				return
			}
			said <- string(message)
		}
	}
	made := h.Do("POST", "/sandboxes/dev-1/display/links", "")
	token := strings.Split(made.Field(t, "url"), "/")[4]
	conn, _, err := h.socket(t, "/display/"+token+"/devices/dev-1/connect", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, resp, err := h.socket(t, base+"/devices/dev-1/connect", nil); err == nil || resp == nil || resp.StatusCode != 503 {
		t.Errorf("a second: %v %v", resp, err)
	}
	if got := h.Do("DELETE", "/sandboxes/dev-1/display/links/"+made.Field(t, "id"), ""); got.Status != 204 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	wantEnd(t, conn, "the link was revoked")
	select {
	case got := <-said:
		if got != `{"type":"request-offer"}` {
			t.Errorf("the device was told %s", got)
		}
	case <-time.After(20 * time.Second):
		t.Error("the device was told nothing: its video goes on")
	}
}
