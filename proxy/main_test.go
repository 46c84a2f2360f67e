package proxy_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/operator"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/proxy"
	"github.com/daytonaio/runner-android/proxy/links"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

func TestMain(m *testing.M) { transporttest.Main(m) }

const base = "/sandboxes/dev-1/toolbox/proxy/6080"

// console is an operator with the devices dev-1, dev-2 and adopted-3, and what a test makes of it.
type console struct {
	*httptest.Server
	mu    sync.Mutex
	seen  []*http.Request
	files http.HandlerFunc // of all devices; nil: each file says its own name
	talk  func(conn *websocket.Conn)
}

var adbPorts = map[string]int{"dev-1": 6520, "stale-1": 6520, "dev-2": 6521, "adopted-3": 6522}

func startConsole(t *testing.T) *console {
	t.Helper()
	o := &console{talk: func(conn *websocket.Conn) {
		_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"device_info":{"hardware":{}}}`))
		for {
			_, message, err := conn.ReadMessage()
			if err != nil {
				return
			}
			_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"message_type":"device_msg","payload":`+string(message)+`}`))
		}
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /infra_config", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"message_type":"config","ice_servers":[{"urls":["stun:compiled.in:1"]}]}`))
	})
	mux.HandleFunc("GET /devices", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`[{"device_id":"dev-1","group_name":"","adb_port":6520},"dev-2",{"device_id":"stale-1","adb_port":6520},{"device_id":"adopted-3","adb_port":0}]`))
	})
	mux.HandleFunc("GET /devices/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		if adbPorts[id] == 0 {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"device_id": id, "adb_port": 0, "registration_info": map[string]int{"adb_port": adbPorts[id]}})
	})
	mux.HandleFunc("GET /devices/{id}/connect", func(w http.ResponseWriter, r *http.Request) {
		if adbPorts[r.PathValue("id")] == 0 {
			http.Error(w, "Device not found", http.StatusNotFound)
			return
		}
		up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
		conn, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		o.talk(conn)
	})
	mux.HandleFunc("GET /devices/{id}/files/{path...}", func(w http.ResponseWriter, r *http.Request) {
		if adbPorts[r.PathValue("id")] == 0 {
			http.NotFound(w, r)
			return
		}
		o.mu.Lock()
		files := o.files
		o.mu.Unlock()
		if files != nil {
			files(w, r)
			return
		}
		if strings.HasSuffix(r.PathValue("path"), ".html") {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<?--><html><head><title>" + r.PathValue("id") + "</title></head></html>"))
			return
		}
		_, _ = w.Write([]byte(r.URL.Path + "?" + r.URL.RawQuery))
	})
	mux.HandleFunc("POST /polled_connections", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			ID string `json:"device_id"`
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		_ = json.NewEncoder(w).Encode(map[string]any{"connection_id": "conn-of-" + body.ID, "device_info": map[string]any{}})
	})
	mux.HandleFunc("POST /polled_connections/{conn}/{forward}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\"ok\"\n")) })
	mux.HandleFunc("GET /polled_connections/{conn}/messages", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`[{"message_type":"device_msg","payload":{"of":"` + r.PathValue("conn") + "?" + r.URL.RawQuery + `"}}]`))
	})
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.seen = append(o.seen, r)
		o.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(o.Close)
	return o
}

// serveFiles makes the files of all devices be served so.
func (o *console) serveFiles(files http.HandlerFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.files = files
}

// asked are the requests so far, the last one last.
func (o *console) asked() []*http.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen
}

// host is a runner with the sandboxes dev-1, dev-2, "adopted" (the operator knows it as adopted-3), "booting" and
// "unregistered".
type host struct {
	*transporttest.Client
	left chan struct{} // closed when dev-1 leaves started
}

func serve(t *testing.T, url string, o proxy.Options) *host {
	t.Helper()
	h := &host{left: make(chan struct{})}
	serials := map[sandbox.ID]string{"dev-1": "127.0.0.1:6520", "dev-2": "127.0.0.1:6521", "adopted": "127.0.0.1:6522", "unregistered": "127.0.0.1:6599"}
	stay := map[sandbox.ID]chan struct{}{}
	for id := range serials {
		stay[id] = make(chan struct{}) // a lease of its own for each
	}
	stay["dev-1"] = h.left
	actors := transporttest.AskerFunc(func(_ context.Context, msg any) (any, error) {
		switch m := msg.(type) {
		case messages.AttachSandbox:
			if serial, ok := serials[m.ID]; ok {
				return messages.Lease{Serial: serial, Done: stay[m.ID]}, nil
			}
			return nil, fault.Conflictf("sandbox %s: is the sandbox started?", m.ID)
		case messages.GetSandbox:
			info := sandbox.Info{ID: m.ID, State: sandbox.Destroyed, Since: time.Unix(1e9, 0)}
			if serials[m.ID] != "" {
				info.State = sandbox.Started
			} else if m.ID == "booting" {
				info.State, info.Reason = sandbox.Starting, `phase "adb answers" <3 of 6>`
			}
			return info, nil
		}
		return nil, fault.Internalf("asked %T", msg)
	})
	client, err := operator.New(operator.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	leases := lease.New(actors, nil)
	door := proxy.New(leases, actors, client, o)
	sharing := door.Share(links.New("secret", &shelf{all: map[sandbox.ID][]links.Link{}}), func() string { return "http://runner.example:3107" })
	h.Client = transporttest.Start(t, transport.Options{PathOfHost: proxy.PathOfHost}, func(s *transport.Server) {
		toolbox.Mount(s, door.Routes())
		s.Mount("/sandboxes/{id}", sharing.Routes())
		s.Mount("", sharing.OpenRoutes())
		s.Mount("", []transport.Route{{Method: "GET", Path: "/sandboxes/{id}/watchable", Handler: func(c *transport.Ctx) error {
			held, err := leases.Take(c)
			if err != nil {
				return err
			}
			return c.JSON(http.StatusOK, door.Ready(held))
		}}})
	})
	return h
}

// socket opens the signalling.
func (h *host) socket(t *testing.T, path string, header http.Header) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	header.Set("X-Daytona-Authorization", "Bearer "+transporttest.Token)
	conn, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+h.Addr+path, header)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	}
	return conn, resp, err
}
