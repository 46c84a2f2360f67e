package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// way is how the display of a sandbox is reached: all requests go to one address, whatever their host says.
type way struct {
	t      *testing.T
	name   string
	addr   string // of the proxy or the runner
	host   string
	prefix string // of the page's root, without a slash behind
	header http.Header
}

// throughProxy is the way of a user of Daytona, by a signed token in the host.
func (h *simHost) throughProxy(id string) way {
	h.t.Helper()
	at, err := url.Parse(h.displayURL(id))
	if err != nil {
		h.t.Fatal(err)
	}
	return way{h.t, "through Daytona's proxy", "127.0.0.1:" + at.Port(), at.Host, "", http.Header{}}
}

// straight is the way to the runner itself.
func (r *runner) straight(id string) way {
	addr := strings.TrimPrefix(r.url, "http://")
	return way{r.t, "straight", addr, addr, "/sandboxes/" + id + "/toolbox/proxy/6080", http.Header{"Authorization": {"Bearer " + token}}}
}

// by is the way of a person with a link.
func (r *runner) by(link string) way {
	r.t.Helper()
	at, err := url.Parse(link)
	if err != nil {
		r.t.Fatal(err)
	}
	addr := strings.TrimPrefix(r.url, "http://")
	return way{r.t, "by a link", addr, addr, strings.TrimSuffix(at.Path, "/"), http.Header{}}
}

// raw sends a request line as it is; its answer's body is read.
func (w way) raw(method, uri, body string, extra http.Header) reply {
	w.t.Helper()
	conn, err := net.DialTimeout("tcp", w.addr, 10*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(40 * time.Second))
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", method, uri, w.host)
	for _, header := range []http.Header{w.header, extra} {
		if err := header.Write(&text); err != nil {
			w.t.Fatal(err)
		}
	}
	if body != "" {
		fmt.Fprintf(&text, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	fmt.Fprintf(&text, "\r\n%s", body)
	if _, err := conn.Write(text.Bytes()); err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("%s: %s %s: %v", w.name, method, uri, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s: %s %s: %v", w.name, method, uri, err)
	}
	return reply{resp.StatusCode, resp.Header, data}
}

// ask asks for something below the page's root.
func (w way) ask(method, path, body string) reply {
	w.t.Helper()
	return w.raw(method, w.prefix+path, body, nil)
}

// get wants a file.
func (w way) get(path string) string {
	w.t.Helper()
	got := w.ask("GET", path, "")
	if got.status != http.StatusOK {
		w.t.Fatalf("%s: GET %s: %d %s", w.name, path, got.status, got.body)
	}
	return string(got.body)
}

// opened opens a polled connection and returns its id.
func (w way) opened(device string) string {
	w.t.Helper()
	got := w.ask("POST", "/polled_connections", `{"device_id":"`+device+`"}`)
	var conn struct {
		ID string `json:"connection_id"`
	}
	if err := json.Unmarshal(got.body, &conn); err != nil || got.status != http.StatusOK || conn.ID == "" {
		w.t.Fatalf("%s: open a polled connection: %d %s", w.name, got.status, got.body)
	}
	return conn.ID
}

// dial opens a WebSocket below the page's root; its status is that of the answer.
func (w way) dial(path string, extra http.Header) (*websocket.Conn, int) {
	w.t.Helper()
	dialer := websocket.Dialer{
		HandshakeTimeout: 20 * time.Second,
		NetDialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, w.addr)
		},
	}
	header := w.header.Clone()
	for name, values := range extra {
		header[name] = values
	}
	conn, resp, err := dialer.DialContext(w.t.Context(), "ws://"+w.host+w.prefix+path, header)
	if err == nil {
		w.t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		return conn, http.StatusSwitchingProtocols
	}
	if resp == nil {
		w.t.Fatalf("%s: open %s: %v", w.name, path, err)
	}
	return nil, resp.StatusCode
}

// described wants a WebSocket of the signalling, which describes the device first.
func (w way) described(device string, extra http.Header) *websocket.Conn {
	w.t.Helper()
	conn, status := w.dial("/devices/"+device+"/connect", extra)
	if conn == nil {
		w.t.Fatalf("%s: signalling: %d", w.name, status)
	}
	if _, message, err := conn.ReadMessage(); err != nil || !strings.Contains(string(message), `"device_info"`) {
		w.t.Fatalf("%s: signalling: %s, %v", w.name, message, err)
	}
	return conn
}

// display is what daytona-display/status says.
type display struct{ Sandbox, State, Display, Message, Reason string }

func (w way) status() (d display) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.get("/daytona-display/status")), &d); err != nil {
		w.t.Fatal(err)
	}
	return d
}

// wantDisplay waits until the status is the wanted one.
func (w way) wantDisplay(word string) {
	w.t.Helper()
	eventually(w.t, 30*time.Second, "the display is "+word, func() error {
		if d := w.status(); d.Display != word {
			return fmt.Errorf("it is %+v", d)
		}
		return nil
	})
}

// operatorURL is the operator's plain port, where its desk is, whichever port the runner was told.
func (h *simHost) operatorURL() string {
	h.t.Helper()
	var marker struct {
		Port int `json:"operator_http_port"`
	}
	data, err := os.ReadFile(h.root + "/.cvd-sim.json")
	if err == nil {
		err = json.Unmarshal(data, &marker)
	}
	if err != nil || marker.Port == 0 {
		h.t.Fatalf("the operator's port: %v, %s", err, data)
	}
	return "http://127.0.0.1:" + strconv.Itoa(marker.Port)
}

// operatorAsked is one request that the operator was sent.
type operatorAsked struct {
	Method, URI, Host string
	Header            http.Header
}

// probe reports the runner's own looks at displays.
func (a operatorAsked) probe() bool { return a.Header.Get("Range") == "bytes=0-0" }

func (h *simHost) askedOfOperator() (all []operatorAsked) {
	h.t.Helper()
	h.operatorGet("/sim/requests", &all)
	return all
}

// operatorGet asks the operator itself; 404 is reported.
func (h *simHost) operatorGet(path string, into any) (found bool) {
	h.t.Helper()
	resp, err := client.Get(h.operatorURL() + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return false
	}
	if into == nil {
		return true
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		h.t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return true
}

// evidence is what the runner knows of a layer of a sandbox, one fact after the other.
func (r *runner) evidence(id, layer string) string {
	r.t.Helper()
	var facts []string
	for _, raw := range r.info(id).Evidence {
		var e struct{ Layer, Fact string }
		if err := json.Unmarshal(raw, &e); err != nil {
			r.t.Fatal(err)
		}
		if e.Layer == layer {
			facts = append(facts, e.Fact)
		}
	}
	return strings.Join(facts, "; ")
}

// wantEvidence waits until the evidence of a layer says something.
func (r *runner) wantEvidence(id, layer, says string) {
	r.t.Helper()
	eventually(r.t, 20*time.Second, "the evidence of layer "+layer, func() error {
		if got := r.evidence(id, layer); !strings.Contains(got, says) {
			return fmt.Errorf("it is %q, and does not say %q", got, says)
		}
		return nil
	})
}
