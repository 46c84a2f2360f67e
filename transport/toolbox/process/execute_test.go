package process

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

func start(t *testing.T, shell guestshell.Shell, left <-chan struct{}, o Options, limits ...transport.Limits) *transporttest.Client {
	t.Helper()
	door := New(lease.New(transporttest.Lessor(left), nil), shell, o)
	options := transport.Options{}
	if len(limits) > 0 {
		options.Limits = limits[0]
	}
	return transporttest.Start(t, options, func(s *transport.Server) {
		toolbox.Mount(s, door.Routes())
	})
}

const executePath = "/sandboxes/dev-1/toolbox/process/execute"

// body is a request as JSON.
func body(t *testing.T, request map[string]any) string {
	t.Helper()
	data, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestExecute(t *testing.T) {
	t.Parallel()
	c := start(t, hostShell{}, nil, Options{})
	dir := t.TempDir()
	big := strings.Repeat("x", 2<<20)
	tests := []struct {
		name    string
		request map[string]any
		code    int
		want    string // ends with … : the beginning
	}{
		{"a command", map[string]any{"command": "echo hello"}, 0, "hello\n"},
		{"an exit code", map[string]any{"command": "exit 7"}, 7, ""},
		{"both streams in order", map[string]any{"command": "echo a; echo b >&2; echo c"}, 0, "a\nb\nc\n"},
		{"quotes and newlines", map[string]any{"command": "printf '%s\\n' \"a'b\" 'c\"d'\necho $(echo x\necho y)"}, 0, "a'b\nc\"d\nx y\n"},
		{"2 MiB of it", map[string]any{"command": "x='" + big + "'; echo ${#x}"}, 0, strconv.Itoa(len(big)) + "\n"},
		{"nothing to read", map[string]any{"command": "cat"}, 0, ""},
		{"an unknown command", map[string]any{"command": "no-such-command"}, 127, "sh: …"},
		{"a directory", map[string]any{"command": "pwd", "cwd": dir}, 0, dir + "\n"},
		{"a directory that is not there", map[string]any{"command": "pwd", "cwd": "/no'where"}, -1, "sh: …"},
		{"environment", map[string]any{"command": `echo "$A-$B"`, "envs": map[string]any{"A": "it's $HOME\n", "B": "2"}}, 0, "it's $HOME\n-2\n"},
		{"nulls", map[string]any{"command": "echo x", "cwd": nil, "envs": nil, "timeout": nil}, 0, "x\n"},
		{"unknown fields", map[string]any{"command": "echo x", "runAsync": true}, 0, "x\n"},
		{"time enough", map[string]any{"command": "echo x", "timeout": 60}, 0, "x\n"},
		{"no UTF-8", map[string]any{"command": `printf 'a\377b'`}, 0, "a\ufffdb"},
		{"as the SDK of February 2026 has it", map[string]any{"command": `sh -c "export A=$(echo 'Yg==' | base64 -d); echo 'ZWNobyAkQQ==' | base64 -d | sh"`}, 0, "b\n"},
		{"a child that is killed", map[string]any{"command": "sh -c 'kill -9 $$'"}, 137, "…"},
		{"what looks like the prologue", map[string]any{"command": "echo runner-NONCE 7"}, 0, "runner-NONCE 7\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := c.For(t).Do("POST", executePath, body(t, tt.request))
			var answer map[string]any
			if err := json.Unmarshal([]byte(got.Body), &answer); err != nil || got.Status != 200 || len(answer) != 2 {
				t.Fatalf("got %d %.300s", got.Status, got.Body)
			}
			result := answer["result"].(string)
			begin, open := strings.CutSuffix(tt.want, "…")
			if answer["exitCode"] != float64(tt.code) || result != tt.want && (!open || !strings.HasPrefix(result, begin)) {
				t.Errorf("got %v %.300q, want %d %q", answer["exitCode"], result, tt.code, tt.want)
			}
			if strings.Contains(result, "runner-") && !strings.Contains(tt.want, "runner-") {
				t.Errorf("the prologue shows: %q", result)
			}
		})
	}
}

// Ensure the command is the shell's standard input, in the words of Android's shell too.
func TestExecuteInAndroidsShell(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Genuine(t), nil, Options{})
	for command, want := range map[string]string{
		"cat\necho x":        `{"exitCode":0,"result":"echo x\n"}`, // it eats the rest of itself
		"echo a; exit 3\nls": `{"exitCode":3,"result":"a\n"}`,
	} {
		if got := c.Do("POST", executePath, body(t, map[string]any{"command": command})); got.Status != 200 || got.Body != want {
			t.Errorf("%q: %d %s, want %s", command, got.Status, got.Body, want)
		}
	}
}

func TestExecuteRefuses(t *testing.T) {
	t.Parallel()
	c := start(t, hostShell{}, nil, Options{})
	const bad = "bad request: "
	tests := []struct {
		name, path, body string
		status           int
		code, message    string
	}{
		{"nothing", executePath, "", 400, "BAD_REQUEST", bad + "invalid request body: EOF"},
		{"no JSON", executePath, "ls", 400, "BAD_REQUEST", bad + "invalid request body: invalid character 'l' looking for beginning of value"},
		{"no command", executePath, "{}", 400, "BAD_REQUEST", bad + "invalid request body: Key: 'ExecuteRequest.Command' " +
			"Error:Field validation for 'Command' failed on the 'required' tag"},
		{"an empty command", executePath, `{"command":""}`, 400, "BAD_REQUEST", bad + "command cannot be empty or whitespace-only"},
		{"a blank command", executePath, `{"command":" \n"}`, 400, "BAD_REQUEST", bad + "command cannot be empty or whitespace-only"},
		{"a number for a command", executePath, `{"command":1}`, 400, "BAD_REQUEST", bad +
			"invalid request body: json: cannot unmarshal number into Go struct field executeRequest.command of type string"},
		{"a negative time", executePath, `{"command":"x","timeout":-1}`, 400, "BAD_REQUEST", bad +
			"invalid request body: json: cannot unmarshal number -1 into Go struct field executeRequest.timeout of type uint32"},
		{"NUL", executePath, `{"command":"a\u0000"}`, 400, "BAD_REQUEST", bad + "command must not contain NUL"},
		{"a bad name", executePath, `{"command":"x","envs":{"A-B":"x"}}`, 400, "BAD_REQUEST", bad + "invalid environment variable name: 'A-B'"},
		{"a stopped sandbox", "/sandboxes/stopped/toolbox/process/execute", `{"command":"x"}`, 409, "CONFLICT",
			"conflict: sandbox stopped is stopped: is the sandbox started?"},
		{"an unknown sandbox", "/sandboxes/gone/toolbox/process/execute", `{"command":"x"}`, 404, "NOT_FOUND",
			"not found: sandbox gone does not exist on this runner"},
		{"a malformed id", "/sandboxes/a%2Fb/toolbox/process/execute", `{"command":"x"}`, 400, "BAD_REQUEST",
			bad + `id in the path: sandbox id "a/b": character 2 is not allowed: want [A-Za-z0-9][A-Za-z0-9_.-]*`},
		{"too much", executePath, `{"command":"` + strings.Repeat("x", maxCommand) + `"}`, 413, "PAYLOAD_TOO_LARGE",
			"payload too large: the body is over the limit of 16777216 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := c.For(t).Do("POST", tt.path, tt.body)
			if got.Status != tt.status || got.Field(t, "code") != tt.code || got.Field(t, "message") != tt.message {
				t.Errorf("got %d %s\nwant %d %s %s", got.Status, got.Body, tt.status, tt.code, tt.message)
			}
			if path := got.Field(t, "path"); tt.status != 413 && path != "/process/execute" {
				t.Errorf("path %s, want the one below the toolbox", path)
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	c := start(t, hostShell{}, nil, Options{})
	if got := c.Do("POST", "/sandboxes/dev-1/toolbox/proxy/2280/process/execute", `{"command":"echo x"}`); got.Status != 200 || got.Body != `{"exitCode":0,"result":"x\n"}` {
		t.Errorf("the alias: %d %s", got.Status, got.Body)
	}
	for _, path := range []string{"/process/nothing", "/git/status", ""} {
		if got := c.Do("POST", "/sandboxes/dev-1/toolbox"+path, ""); got.Status != 404 || got.Body != "404 page not found" {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	if got := c.Do("GET", executePath, ""); got.Status != 404 {
		t.Errorf("GET: %d", got.Status)
	}
}

// Ensure output over the limit is cut, which the header and the last line of the result say.
func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	c := start(t, hostShell{}, nil, Options{MaxOutput: 1000})
	for _, size := range []int{999, 1000, 1001, 1500, 100_000} {
		got := c.Do("POST", executePath, body(t, map[string]any{"command": fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x", size)}))
		result, cut := got.Field(t, "result"), max(size-1000, 0)
		want := strings.Repeat("x", min(size, 1000))
		header := ""
		if cut > 0 {
			header = strconv.Itoa(cut)
			want += fmt.Sprintf("\n[%d bytes of output were cut off: the limit is 1000 bytes]\n", cut)
		}
		if got.Status != 200 || result != want || got.Header.Get(headerTruncated) != header {
			t.Errorf("%d bytes: %d, header %q, result ends %q", size, got.Status, got.Header.Get(headerTruncated), result[max(0, len(result)-80):])
		}
	}
}

// Ensure a command whose time is up is answered 408, and all it started is gone.
func TestTimeoutEndsTheGroup(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"the request's own": {}, "the greatest there is": {MaxTime: time.Second}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, hostShell{}, nil, o)
			pids := filepath.Join(t.TempDir(), "pids")
			request := map[string]any{"command": "sleep 30 & echo $! > " + pids + "; sleep 31", "timeout": 1}
			if o.MaxTime > 0 {
				request["timeout"] = 0
			}
			got := c.Do("POST", executePath, body(t, request))
			if got.Status != 408 || got.Field(t, "code") != "REQUEST_TIMEOUT" ||
				got.Field(t, "message") != "request timeout: command execution timeout" {
				t.Errorf("got %d %s", got.Status, got.Body)
			}
			wantGone(t, pids)
		})
	}
}

// wantGone waits until the process named in the file is no more than a zombie.
func wantGone(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(data)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it still runs: %s", stat)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// scripted is a Shell of one function that keeps the scripts.
type scripted struct {
	mu      sync.Mutex
	scripts []string
	run     func(ctx context.Context, n int, nonce string) (guestshell.Result, error)
}

func (s *scripted) Run(ctx context.Context, _ string, c guestshell.Script) (guestshell.Result, error) {
	s.mu.Lock()
	s.scripts = append(s.scripts, string(c.Text))
	n := len(s.scripts)
	s.mu.Unlock()
	_, nonce, _ := strings.Cut(string(c.Text), "echo '")
	nonce, _, _ = strings.Cut(nonce, "'")
	return s.run(ctx, n, nonce)
}

func (s *scripted) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.scripts)
}

// Ensure a command ends with the reason when its device leaves started.
func TestLeaseEndsCommand(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	shell := &scripted{run: func(ctx context.Context, _ int, nonce string) (guestshell.Result, error) {
		close(left)
		<-ctx.Done()
		return guestshell.Result{ExitCode: -1, Output: []byte(nonce + " 77\n")}, fault.Wrap(fault.Cancelled, "run", ctx.Err())
	}}
	c := start(t, shell, left, Options{})
	got := c.Do("POST", executePath, `{"command":"sleep 30"}`)
	if got.Status != 409 || got.Field(t, "message") != "conflict: sandbox dev-1: the device left started while the command ran" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if shell.count() != 1 {
		t.Errorf("the device was used after it left: %q", shell.scripts)
	}
}

// Ensure a stop of the runner ends commands, and says so.
func TestStopEndsCommand(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	shell := &scripted{run: func(ctx context.Context, n int, nonce string) (guestshell.Result, error) {
		if n > 1 {
			return guestshell.Result{}, nil
		}
		close(entered)
		<-ctx.Done()
		return guestshell.Result{ExitCode: -1, Output: []byte(nonce + " 77\n")}, ctx.Err()
	}}
	c := start(t, shell, nil, Options{}, transport.Limits{Drain: 2 * time.Second})
	done := make(chan transporttest.Answer, 1)
	go func() {
		got, _ := c.Try("POST", executePath, strings.NewReader(`{"command":"sleep 30"}`))
		done <- got
	}()
	<-entered
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if got := <-done; got.Status != 503 || got.Field(t, "code") != "CANCELLED" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if shell.count() != 2 || !strings.HasPrefix(shell.scripts[1], "kill -s KILL -- -77 ") {
		t.Errorf("the guest was told %q", shell.scripts)
	}
}

// Ensure a lost device is an error of its kind, and a group that cannot be ended is logged.
func TestDeviceLost(t *testing.T) {
	t.Parallel()
	c := start(t, &scripted{run: func(context.Context, int, string) (guestshell.Result, error) {
		return guestshell.Result{ExitCode: -1}, fault.Unavailablef("adb 127.0.0.1:6520: connection lost")
	}}, nil, Options{})
	if got := c.Do("POST", executePath, `{"command":"x"}`); got.Status != 503 || got.Field(t, "message") != "unavailable: adb 127.0.0.1:6520: connection lost" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	core, logs := observer.New(zap.WarnLevel)
	c = start(t, &scripted{run: func(ctx context.Context, n int, nonce string) (guestshell.Result, error) {
		if n > 1 {
			return guestshell.Result{}, fault.Unavailablef("gone")
		}
		<-ctx.Done()
		return guestshell.Result{Output: []byte(nonce + " 77\n")}, ctx.Err()
	}}, nil, Options{MaxTime: time.Millisecond, Log: zap.New(core)})
	if got := c.Do("POST", executePath, `{"command":"x"}`); got.Status != 408 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if lines := logs.FilterMessage("command not ended").All(); len(lines) != 1 || lines[0].ContextMap()["pid"] != int64(77) {
		t.Errorf("logged %v", logs.All())
	}
}
