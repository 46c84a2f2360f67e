package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// sdk is what the SDKs of today say of themselves.
var sdk = map[string]string{"X-Daytona-SDK-Version": "0.190.1"}

// inSession runs a command in session s to its end.
func (r *runner) inSession(command string) (code int, stdout, stderr string) {
	r.t.Helper()
	body, err := json.Marshal(map[string]string{"command": command})
	if err != nil {
		r.t.Fatal(err)
	}
	got, err := r.send("POST", toolbox("process/session/s/exec"), strings.NewReader(string(body)), sdk)
	var answer struct {
		ExitCode       *int
		Stdout, Stderr string
	}
	if err != nil || json.Unmarshal(got.body, &answer) != nil || answer.ExitCode == nil {
		r.t.Fatalf("%s: %v, %d %s", command, err, got.status, got.body)
	}
	return *answer.ExitCode, answer.Stdout, answer.Stderr
}

// socket opens a WebSocket of dev1's toolbox.
func (r *runner) socket(route string, protocols ...string) *websocket.Conn {
	r.t.Helper()
	header := http.Header{"Authorization": {"Bearer " + token}, "X-Daytona-Sdk-Version": {"0.190.1"}}
	dialer := websocket.Dialer{Subprotocols: protocols}
	conn, resp, err := dialer.Dial("ws"+strings.TrimPrefix(r.url, "http")+route, header)
	if err != nil {
		r.t.Fatalf("dial %s: %v, %v", route, err, resp)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	return conn
}

// readUntil collects messages until they hold a text, or to the close.
func readUntil(t *testing.T, conn *websocket.Conn, text string) (all string, closed *websocket.CloseError) {
	t.Helper()
	for text == "" || !strings.Contains(all, text) {
		_, data, err := conn.ReadMessage()
		if errors.As(err, &closed) {
			return all, closed
		}
		if err != nil {
			t.Fatalf("%v; %q came, %q did not", err, all, text)
		}
		all += string(data)
	}
	return all, nil
}

// Ensure a session of the simulated guest is one: state persists, input arrives, logs are followed, and exit ends it.
func TestSessionsEndToEnd(t *testing.T) {
	t.Parallel()
	r := startRunner(startHost(t))
	r.create("dev1")
	r.wantState("dev1", "started")
	r.want(201, "POST", toolbox("process/session"), map[string]any{"sessionId": "s"})
	for _, step := range []struct {
		command        string
		code           int
		stdout, stderr string
	}{
		{"cd /data/local/tmp; X='a b'; f() { echo \"f $1\"; }", 0, "", ""},
		{"pwd; echo \"$X\"; f 1", 0, "/data/local/tmp\na b\nf 1\n", ""},
		{"echo out; echo err >&2; (exit 7)", 7, "out\n", "err\n"},
		{"cat; echo -n glued", 0, "glued\n", ""},
		{"getprop ro.product.model | wc -l", 0, "1\n", ""},
	} {
		if code, stdout, stderr := r.inSession(step.command); code != step.code || stdout != step.stdout || stderr != step.stderr {
			t.Errorf("%s: %d %q %q", step.command, code, stdout, stderr)
		}
	}
	got := r.want(202, "POST", toolbox("process/session/s/exec"), map[string]any{"command": "echo begun; read x; echo \"got $x\"", "runAsync": true})
	var begun struct{ CmdID string }
	if err := json.Unmarshal(got.body, &begun); err != nil {
		t.Fatal(err)
	}
	command := "process/session/s/command/" + begun.CmdID
	follower := r.socket(toolbox(command+"/logs", "follow", "true"))
	readUntil(t, follower, "begun\n")
	r.want(204, "POST", toolbox(command+"/input"), map[string]any{"data": "it's"})
	rest, closed := readUntil(t, follower, "")
	if closed.Code != 1000 || rest != "\x01\x01\x01it's\n\x01\x01\x01got it's\n" {
		t.Errorf("followed %q to %v", rest, closed)
	}
	if code, _, _ := r.inSession("exit 3"); code != 3 {
		t.Errorf("exit code %d", code)
	}
	r.want(410, "POST", toolbox("process/session/s/exec"), map[string]any{"command": "true"})
	r.want(204, "DELETE", toolbox("process/session/s"), nil)
	r.want(404, "GET", toolbox("process/session/s"), nil)
	if left := r.exec("dev1", "ls /data/local/tmp/.daytona"); left != "" {
		t.Errorf("files are left: %s", left)
	}
}

// Ensure 50 sessions work side by side on one device.
func TestManySessionsEndToEnd(t *testing.T) {
	t.Parallel()
	r := startRunner(startHost(t))
	r.create("dev1")
	r.wantState("dev1", "started")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			id := fmt.Sprint("s", i)
			got, err := r.do("POST", toolbox("process/session"), map[string]any{"sessionId": id})
			if err != nil || got.status != 201 {
				t.Errorf("%v, %d %s", err, got.status, got.body)
				return
			}
			got, err = r.do("POST", toolbox("process/session/"+id+"/exec"), map[string]any{"command": "echo " + id})
			if err != nil || !strings.Contains(string(got.body), `"output":"`+id+`\n"`) {
				t.Errorf("%v, %d %s", err, got.status, got.body)
			}
		})
	}
	wg.Wait()
}

// Ensure a session ends with its device, and those who wait are told.
func TestSessionEndsWithItsDevice(t *testing.T) {
	t.Parallel()
	r := startRunner(startHost(t))
	r.create("dev1")
	r.wantState("dev1", "started")
	r.want(201, "POST", toolbox("process/session"), map[string]any{"sessionId": "s"})
	r.want(201, "POST", toolbox("process/pty"), map[string]any{"id": "p"})
	waits := make(chan reply, 1)
	go func() {
		got, _ := r.do("POST", toolbox("process/session/s/exec"), map[string]any{"command": "sleep 600"})
		waits <- got
	}()
	terminal := r.socket(toolbox("process/pty/p/connect"))
	readUntil(t, terminal, "connected")
	eventually(t, time.Minute, "the command runs", func() error {
		if got := r.want(200, "GET", toolbox("process/session/s"), nil); !strings.Contains(string(got.body), "sleep") {
			return errors.New(string(got.body))
		}
		return nil
	})
	r.want(200, "POST", "/sandboxes/dev1/stop", nil)
	if got := <-waits; got.status != 409 || !strings.Contains(string(got.body), "the device left started") {
		t.Errorf("the command: %d %s", got.status, got.body)
	}
	if _, closed := readUntil(t, terminal, ""); closed.Code != 1011 || !strings.Contains(closed.Text, "the device left started") {
		t.Errorf("the terminal: %v", closed)
	}
	r.want(409, "GET", toolbox("process/session/s"), nil)
}

// Ensure terminals work on the simulated guest, for both generations of clients.
func TestTerminalsEndToEnd(t *testing.T) {
	t.Parallel()
	r := startRunner(startHost(t))
	r.create("dev1")
	r.wantState("dev1", "started")
	r.want(201, "POST", toolbox("process/pty"), map[string]any{
		"id": "p", "cwd": "/data", "envs": map[string]string{"A": "it's"}, "cols": 100, "rows": 30, "lazyStart": true})
	old := r.socket(toolbox("process/pty/p/connect"))
	readUntil(t, old, `"status":"connected"`)
	types := func(conn *websocket.Conn, text string) {
		if err := conn.WriteMessage(websocket.BinaryMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	types(old, "echo \"<$A $PWD $TERM>\"\r")
	readUntil(t, old, "<it's /data xterm-256color>")
	types(old, "stty size\r")
	readUntil(t, old, "30 100")
	r.want(200, "POST", toolbox("process/pty/p/resize"), map[string]any{"cols": 90, "rows": 20})
	types(old, "stty size\r")
	readUntil(t, old, "20 90")
	types(old, "exit 3\r")
	if _, closed := readUntil(t, old, ""); closed.Code != 1011 || closed.Text != `{"exitCode":3,"exitReason":"non-zero exit"}` {
		t.Errorf("closed with %v", closed)
	}
	later := r.socket(toolbox("process/pty/create-connect", "id", "q", "cols", "80", "rows", "24"), "X-Daytona-Pty-Exit-Control")
	readUntil(t, later, `"status":"connected"`)
	types(later, "exit 0\r")
	if said, closed := readUntil(t, later, ""); closed.Code != 1000 || !strings.Contains(said, `{"type":"control","status":"exited","exitCode":0}`) {
		t.Errorf("said %q, closed with %v", said, closed)
	}
}
