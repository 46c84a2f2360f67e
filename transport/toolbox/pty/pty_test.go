package pty

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

// shells are the shells that terminals must work with.
var shells = map[string]func(testing.TB) guestshelltest.Shell{
	"sh of this machine": func(testing.TB) guestshelltest.Shell { return guestshelltest.Host() },
	"mksh and toybox":    guestshelltest.Genuine,
}

const base = "/sandboxes/dev-1/toolbox/process/pty"

type caller struct {
	*transporttest.Client
	t     *testing.T
	guest *guestshelltest.Device
}

func start(t *testing.T, shell guestshelltest.Shell, o Options) caller {
	t.Helper()
	g := guestshelltest.NewDevice(shell)
	door := New(lease.New(transporttest.Lessor(g.Left), nil), g, o)
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) { toolbox.Mount(s, door.Routes()) })
	t.Cleanup(func() {
		var all struct{ Sessions []info }
		_ = json.Unmarshal([]byte(c.Do("GET", base, "").Body), &all)
		for _, s := range all.Sessions {
			c.Do("DELETE", base+"/"+s.ID, "")
		}
	})
	return caller{c, t, g}
}

// socket opens a WebSocket, and wants the subprotocol that is chosen.
func (c caller) socket(path, chosen string, offered ...string) *socket {
	c.t.Helper()
	header := http.Header{"Authorization": {"Bearer " + transporttest.Token}}
	if len(offered) > 0 {
		header.Set("Sec-WebSocket-Protocol", strings.Join(offered, ", "))
	}
	conn, resp, err := websocket.DefaultDialer.Dial("ws://"+c.Addr+path, header)
	if err != nil {
		c.t.Fatalf("dial: %v, %v", err, resp)
	}
	if conn.Subprotocol() != chosen {
		c.t.Errorf("subprotocol %q, want %q", conn.Subprotocol(), chosen)
	}
	c.t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	return &socket{Conn: conn, t: c.t}
}

// socket is a client's side.
type socket struct {
	*websocket.Conn
	t        *testing.T
	printed  string
	controls []string
	closed   *websocket.CloseError
}

// until reads until a condition holds, or to the end.
func (s *socket) until(ok func() bool) {
	s.t.Helper()
	for !ok() {
		kind, data, err := s.ReadMessage()
		if errors.As(err, &s.closed) {
			return
		}
		switch {
		case err != nil:
			s.t.Fatalf("%v after %q %q", err, s.controls, s.printed)
		case kind == websocket.TextMessage:
			s.controls = append(s.controls, string(data))
		default:
			s.printed += string(data)
		}
	}
}

func (s *socket) prints(text string) {
	s.t.Helper()
	s.until(func() bool { return strings.Contains(s.printed, text) })
	if s.closed != nil {
		s.t.Fatalf("closed with %v before %q, after %q %q", s.closed, text, s.controls, s.printed)
	}
}

func (s *socket) says(word string) string {
	s.t.Helper()
	var found string
	s.until(func() bool {
		for _, control := range s.controls {
			if strings.Contains(control, word) {
				found = control
			}
		}
		return found != ""
	})
	if found == "" {
		s.t.Fatalf("nobody said %q, only %q and %v", word, s.controls, s.closed)
	}
	return found
}

func (s *socket) types(text string) {
	s.t.Helper()
	if err := s.WriteMessage(websocket.BinaryMessage, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *socket) closes(code int, reason string) {
	s.t.Helper()
	s.until(func() bool { return false })
	if s.closed.Code != code || s.closed.Text != reason {
		s.t.Errorf("closed with %d %q, want %d %q", s.closed.Code, s.closed.Text, code, reason)
	}
}

const connected = `{"type":"control","status":"connected"}`

// Ensure a terminal is one: of the size, name, directory and environment that were asked for.
func TestTerminal(t *testing.T) {
	t.Parallel()
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, shell(t), Options{})
			size := "stty size"
			if strings.HasPrefix(name, "mksh") { // Debian's toybox has no stty
				size = "echo $LINES $COLUMNS"
			}
			got := c.Do("POST", base, `{"id":"p","cwd":"/usr","envs":{"A":"it's","TERM":"vt100"},"cols":100,"rows":30,"lazyStart":true}`)
			if got.Status != 201 || got.Body != `{"sessionId":"p"}` {
				t.Fatalf("create: %d %s", got.Status, got.Body)
			}
			if got := c.Do("POST", base+"/p/resize", `{"cols":90,"rows":20}`); got.Status != 500 || got.Field(t, "error") != "cannot resize inactive PTY session" {
				t.Errorf("resize: %d %s", got.Status, got.Body)
			}
			first := info{ID: "p", Cwd: "/usr", Envs: map[string]string{"A": "it's", "TERM": "vt100"}, Cols: 100, Rows: 30, LazyStart: true}
			c.info("p", first)
			s := c.socket(base+"/p/connect", "")
			if said := s.says("connected"); said != connected {
				t.Errorf("said %s", said)
			}
			first.Active = true
			c.info("p", first)
			s.types("echo \"<$A $TERM $PWD>\"; " + size + "\n")
			s.prints("<it's vt100 /usr>\r\n30 100\r\n")
			if got := c.Do("POST", base+"/p/resize", `{"cols":90,"rows":20}`); got.Status != 200 || got.Field(t, "cols") != "90" {
				t.Errorf("resize: %d %s", got.Status, got.Body)
			}
			s.types(size + "\n")
			s.prints("20 90\r\n")
			// What speaks is what the keystroke ends: not a shell that becomes it.
			s.types("f=${TMPDIR:-/tmp}/go$$; (echo g; echo o) >$f; tail -f $f\n")
			s.prints("g\r\no\r\n")
			s.types("\x03") // raw keystrokes
			s.prints("^C")
			s.types("rm $f; echo st''ill\n")
			s.prints("still\r\n")
			s.types("exit 3\n")
			s.closes(1011, `{"exitCode":3,"exitReason":"non-zero exit"}`)
			if got := c.Do("GET", base+"/p", ""); got.Status != 404 || got.Field(t, "error") != "PTY session not found" {
				t.Errorf("afterwards: %d %s", got.Status, got.Body)
			}
		})
	}
}

func (c caller) info(id string, want info) {
	c.t.Helper()
	var got info
	answer := c.Do("GET", base+"/"+id, "")
	if err := json.Unmarshal([]byte(answer.Body), &got); err != nil || got.CreatedAt.IsZero() {
		c.t.Fatalf("%v: %s", err, answer.Body)
	}
	got.CreatedAt = time.Time{}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		c.t.Errorf("info %v, want %v", got, want)
	}
}

// Ensure each way to end is told as the daemon tells it, to both generations of clients.
func TestEndings(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	tests := []struct {
		types  string
		code   int
		exit   int
		reason string
	}{
		{"exit 0\n", 1000, 0, ""},
		{"exit 1\n", 1011, 1, "non-zero exit"},
		{"exit 130\n", 1011, 130, "Ctrl+C"},
		{"kill -9 $$\n", 1011, 137, "SIGKILL"},
		{"exit 143\n", 1011, 143, "SIGTERM"},
		{"exit 129\n", 1011, 129, "signal 1"},
	}
	for i, tt := range tests {
		id := fmt.Sprint("old-", i)
		if got := c.Do("POST", base, `{"id":"`+id+`"}`); got.Status != 201 {
			t.Fatalf("create: %d %s", got.Status, got.Body)
		}
		reason := fmt.Sprintf(`{"exitCode":%d,"exitReason":%q}`, tt.exit, tt.reason)
		if tt.reason == "" {
			reason = `{"exitCode":0}`
		}
		s := c.socket(base+"/"+id+"/connect", "X-Daytona-SDK-Version~0.190.1", "x", "X-Daytona-SDK-Version~0.190.1")
		s.says("connected")
		s.types(tt.types)
		s.closes(tt.code, reason)
		if len(s.controls) != 1 {
			t.Errorf("an old client heard %q", s.controls)
		}
		s = c.socket(base+"/create-connect?id="+id+"&cols=90&rows=20", protocolExit, protocolExit)
		s.says("connected")
		s.types(tt.types)
		s.closes(tt.code, reason)
		want := strings.Replace(reason, "{", `{"type":"control","status":"exited",`, 1)
		if got := s.controls[len(s.controls)-1]; got != want {
			t.Errorf("a new client heard %s, want %s", got, want)
		}
	}
}

// Ensure newer SDKs create and connect in one step.
func TestCreateConnect(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	envs := protocolEnvs + base64.RawURLEncoding.EncodeToString([]byte(`{"A":"ü?>"}`))
	s := c.socket(base+"/create-connect?id=n&cols=91&rows=21&cwd=%2Fusr", protocolExit, envs, protocolExit)
	s.says("connected")
	s.types("echo \"<$A $PWD>\"; stty size\n")
	s.prints("<ü?> /usr>\r\n21 91\r\n")
	other := c.socket(base+"/create-connect?id=n", envs, envs)
	if said := other.says("error"); said != `{"type":"control","status":"error","error":"Failed to connect to PTY session: PTY session with ID 'n' already exists"}` {
		t.Errorf("said %s", said)
	}
	other.until(func() bool { return false })
	for query, want := range map[string]string{
		"": "session ID is required", "id=x&cols=a": "invalid value for cols", "id=x&rows=1001": "invalid value for rows - must be less than 1000",
	} {
		if said := c.socket(base+"/create-connect?"+query, protocolExit, protocolExit).says("error"); !strings.Contains(said, want) {
			t.Errorf("%s: said %s", query, said)
		}
	}
	if got := c.Do("GET", base+"/create-connect?id=x", ""); got.Status != 400 {
		t.Errorf("no socket: %d %s", got.Status, got.Body)
	}
	if got := c.Do("GET", base+"/create-connect?id=x", "", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Protocol: "+protocolEnvs+"!"); got.Status != 400 {
		t.Errorf("bad environment: %d %s", got.Status, got.Body)
	}
}

// Ensure several clients see one terminal, which outlives them, and are all told when it is deleted.
func TestSeveralClients(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	c.Do("POST", base, `{"id":"p"}`)
	a, b, leaves := c.socket(base+"/p/connect", ""), c.socket(base+"/p/connect", ""), c.socket(base+"/p/connect", "")
	for _, s := range []*socket{a, b, leaves} {
		s.says("connected")
	}
	leaves.Close()
	a.types("echo o''ne\n")
	b.prints("one\r\n")
	b.types("echo t''wo\n")
	a.prints("two\r\n")
	if got := c.Do("GET", base, ""); !strings.Contains(got.Body, `{"sessions":[{"id":"p","cwd":"","envs":{},"cols":80,"rows":24,`) {
		t.Errorf("list: %s", got.Body)
	}
	if got := c.Do("DELETE", base+"/p", ""); got.Status != 200 || got.Body != `{"message":"PTY session deleted"}` {
		t.Errorf("delete: %d %s", got.Status, got.Body)
	}
	for _, s := range []*socket{a, b} {
		s.closes(1011, `{"exitCode":137,"exitReason":"SIGKILL"}`)
	}
	if said := c.socket(base+"/p/connect", "").says("error"); !strings.Contains(said, "Failed to connect to PTY session: PTY session p not found") {
		t.Errorf("said %s", said)
	}
}

// Ensure every refusal is the daemon's.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{MaxTerminals: 1})
	c.Do("POST", base, `{"id":"p","lazyStart":true}`)
	tests := []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"POST", base, `{}`, 400, "session ID is required"},
		{"POST", base, `x`, 400, "invalid character"},
		{"POST", base, `{"id":"p"}`, 409, "PTY session with ID 'p' already exists"},
		{"POST", base, `{"id":"q","cols":1001}`, 400, "invalid value for cols - must be less than 1000"},
		{"POST", base, `{"id":"q","rows":-1}`, 400, "invalid value for rows - must be positive"},
		{"POST", base, `{"id":"q","envs":{"A-B":""}}`, 400, "invalid environment variable name: 'A-B'"},
		{"POST", base, `{"id":"q","envs":{"A":"\u0000"}}`, 400, "environment variable A must not contain NUL"},
		{"POST", base, `{"id":"q","envs":{"TERM":"a:b"}}`, 400, "environment variable TERM must not contain"},
		{"POST", base, `{"id":"q","cwd":"\u0000"}`, 400, "cwd must not contain NUL"},
		{"POST", base, `{"id":"q"}`, 503, "the sandbox has 1 PTY sessions, which is the most: delete one"},
		{"GET", base + "/none", "", 404, "PTY session not found"},
		{"DELETE", base + "/none", "", 404, "PTY session not found"},
		{"POST", base + "/none/resize", `{"cols":1,"rows":1}`, 410, "PTY session none not found"},
		{"POST", base + "/p/resize", `{"cols":1}`, 400, "cols and rows are required"},
		{"POST", base + "/p/resize", `{"cols":1,"rows":2000}`, 400, "invalid value for rows - must be less than 1000"},
		{"GET", base + "/p/connect", "", 400, "Bad Request"},
		{"GET", "/sandboxes/stopped/toolbox/process/pty", "", 409, "sandbox stopped is stopped: is the sandbox started?"},
		{"GET", "/sandboxes/gone/toolbox/process/pty/p", "", 404, "sandbox gone does not exist on this runner"},
	}
	for _, tt := range tests {
		got := c.Do(tt.method, tt.path, tt.body)
		if got.Status != tt.status || !strings.HasPrefix(got.Field(t, "error"), tt.text) || got.Field(t, "message") == "" {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.path, tt.body, got.Status, got.Body)
		}
	}
	if said := c.socket("/sandboxes/stopped/toolbox/process/pty/p/connect", "").says("error"); !strings.Contains(said, "is the sandbox started?") {
		t.Errorf("said %s", said)
	}
}

// Ensure a terminal that cannot start is an answer, and its name is free again.
func TestShellThatDoesNotStart(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	c.guest.Fail = fault.Unavailablef("the device is away")
	for range 2 {
		if got := c.Do("POST", base, `{"id":"p"}`); got.Status != 503 || got.Field(t, "error") != "the device is away" {
			t.Errorf("%d %s", got.Status, got.Body)
		}
		s := c.socket(base+"/create-connect?id=q", protocolExit, protocolExit)
		if said := s.says("error"); !strings.Contains(said, "the device is away") {
			t.Errorf("said %s", said)
		}
	}
}

// Ensure a lease that ends and a device that is lost end terminals with the reason.
func TestDeviceLeaves(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	c.Do("POST", base, `{"id":"p"}`)
	c.Do("POST", base, `{"id":"q"}`)
	lost := c.socket(base+"/p/connect", "")
	lost.says("connected")
	c.guest.Started(0).Lose()
	lost.until(func() bool { return false })
	if lost.closed.Code != 1011 || !strings.HasPrefix(lost.closed.Text, "adb ") {
		t.Errorf("lost: %v", lost.closed)
	}
	ended := c.socket(base+"/q/connect", protocolExit, protocolExit)
	ended.says("connected")
	close(c.guest.Left)
	ended.says("the device left started")
	ended.until(func() bool { return false })
	if ended.closed.Code != 1011 || !strings.Contains(ended.closed.Text, "the device left started") {
		t.Errorf("ended: %v", ended.closed)
	}
}

// flood is a process that prints as fast as it is read, until it is closed.
type flood struct {
	guestshell.Process
	end  chan struct{}
	once sync.Once
}

func (f *flood) Next() (int, []byte, error) {
	select {
	case <-f.end:
		return 0, nil, io.ErrClosedPipe
	default:
		return adb.Stdout, make([]byte, 16<<10), nil
	}
}
func (f *flood) Close() error { f.once.Do(func() { close(f.end) }); return nil }
func (f *flood) Start(context.Context, string, adb.ShellStart) (guestshell.Process, error) {
	return f, nil
}

// Ensure a client who does not keep up is sent away, and nobody waits for it.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	g := guestshelltest.NewDevice(guestshelltest.Shell{})
	f := &flood{end: make(chan struct{})}
	door := New(lease.New(transporttest.Lessor(g.Left), nil), f, Options{MaxBehind: 64 << 10})
	c := caller{transporttest.Start(t, transport.Options{}, func(s *transport.Server) { toolbox.Mount(s, door.Routes()) }), t, g}
	c.Do("POST", base, `{"id":"p"}`)
	s := c.socket(base+"/p/connect", "")
	s.closes(1008, "slow consumer")
	c.Do("DELETE", base+"/p", "")
}
