package session

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

const base = "/sandboxes/dev-1/toolbox/process/session"

// client knows the routes.
type client struct {
	*transporttest.Client
	t     *testing.T
	guest *guestshelltest.Device
}

func (c client) on(t *testing.T) client { return client{c.For(t), t, c.guest} }

// start serves a device whose shell is sh; its sessions end before the test does.
func start(t *testing.T, shell guestshelltest.Shell, o Options) client {
	t.Helper()
	g := guestshelltest.NewDevice(shell)
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Linger == 0 {
		o.Linger = 30 * time.Millisecond
	}
	door := New(lease.New(transporttest.Lessor(g.Left), nil), g, g, o)
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) { toolbox.Mount(s, door.Routes()) })
	t.Cleanup(func() {
		var all []struct{ SessionID string }
		_ = json.Unmarshal([]byte(c.Do("GET", base, "").Body), &all)
		for _, s := range all {
			c.Do("DELETE", base+"/"+s.SessionID, "")
		}
	})
	return client{c, t, g}
}

func (c client) create(id string) {
	c.t.Helper()
	if got := c.Do("POST", base, body(c.t, map[string]any{"sessionId": id})); got.Status != 201 || got.Body != "" {
		c.t.Fatalf("create: %d %s", got.Status, got.Body)
	}
}

func body(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// reply is what exec answers.
type reply struct {
	CmdID                  string
	Output, Stdout, Stderr *string
	ExitCode               *int
}

const newest = "X-Daytona-SDK-Version: 0.190.1"

// run runs a command to its end.
func (c client) run(id, command string) (code int, stdout, stderr string) {
	c.t.Helper()
	got := c.Do("POST", base+"/"+id+"/exec", body(c.t, map[string]any{"command": command}), newest)
	var r reply
	if err := json.Unmarshal([]byte(got.Body), &r); err != nil || got.Status != 200 || r.ExitCode == nil {
		c.t.Fatalf("exec %.200q: %d %.300s", command, got.Status, got.Body)
	}
	return *r.ExitCode, *r.Stdout, *r.Stderr
}

// begin runs a command that nobody waits for.
func (c client) begin(id, command string, more ...string) (cmd string) {
	c.t.Helper()
	request := map[string]any{"command": command, "runAsync": true}
	for _, key := range more {
		request[key] = true
	}
	got := c.Do("POST", base+"/"+id+"/exec", body(c.t, request), newest)
	var r reply
	if err := json.Unmarshal([]byte(got.Body), &r); err != nil || got.Status != 202 || r.CmdID == "" || r.Output != nil || r.ExitCode != nil {
		c.t.Fatalf("exec: %d %.300s", got.Status, got.Body)
	}
	return r.CmdID
}

func logsPath(id, cmd string) string { return base + "/" + id + "/command/" + cmd + "/logs" }

// wait returns the exit code of a command when it has one.
func (c client) wait(id, cmd string) int {
	c.t.Helper()
	for end := time.Now().Add(patience); ; {
		got := c.Do("GET", base+"/"+id+"/command/"+cmd, "")
		var r reply
		if json.Unmarshal([]byte(got.Body), &r) == nil && r.ExitCode != nil {
			return *r.ExitCode
		}
		if time.Now().After(end) {
			c.t.Fatalf("command did not end: %d %s", got.Status, got.Body)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// socket opens a WebSocket.
func (c client) socket(path string, header http.Header) *websocket.Conn {
	c.t.Helper()
	header.Set("Authorization", "Bearer "+transporttest.Token)
	conn, resp, err := websocket.DefaultDialer.Dial("ws://"+c.Addr+path, header)
	if err != nil {
		c.t.Fatalf("dial: %v, %v", err, resp)
	}
	c.t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	return conn
}

// readAll reads messages up to the close.
func readAll(t *testing.T, conn *websocket.Conn) (text string, largest, code int, reason string) {
	t.Helper()
	for {
		kind, data, err := conn.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return text, largest, closed.Code, closed.Text
		}
		if err != nil || kind != websocket.BinaryMessage {
			t.Fatalf("message of kind %d: %q, %v", kind, data, err)
		}
		text += string(data)
		largest = max(largest, len(data))
	}
}
