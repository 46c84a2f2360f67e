package session

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
)

// Ensure sessions are made, listed, shown and deleted as the daemon does it.
func TestSessions(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	if got := c.Do("GET", base, ""); got.Status != 200 || got.Body != "[]" {
		t.Errorf("none: %d %s", got.Status, got.Body)
	}
	c.create("b")
	c.create("a")
	cmd := c.begin("a", "read x; exit 2")
	want := `{"sessionId":"a","commands":[{"id":"` + cmd + `","command":"read x; exit 2"}]}`
	if got := c.Do("GET", base+"/a", ""); got.Body != want {
		t.Errorf("one: %s, want %s", got.Body, want)
	}
	if got := c.Do("GET", base, ""); got.Body != "["+want+`,{"sessionId":"b","commands":[]}]` {
		t.Errorf("all: %s", got.Body)
	}
	if got := c.Do("POST", base+"/a/command/"+cmd+"/input", `{"data":"x"}`); got.Status != 204 || got.Body != "" {
		t.Errorf("input: %d %s", got.Status, got.Body)
	}
	if code := c.wait("a", cmd); code != 2 {
		t.Errorf("exit code %d", code)
	}
	if got := c.Do("GET", base+"/a/command/"+cmd, ""); got.Body != `{"id":"`+cmd+`","command":"read x; exit 2","exitCode":2}` {
		t.Errorf("command: %s", got.Body)
	}
	for _, want := range []int{204, 404} {
		if got := c.Do("DELETE", base+"/a", ""); got.Status != want {
			t.Errorf("delete: %d %s", got.Status, got.Body)
		}
	}
	c.create("a") // the name is free again
}

// Ensure every refusal is the daemon's.
func TestSessionsRefuse(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	c.create("s")
	done := c.begin("s", "true")
	c.wait("s", done)
	const one = base + "/s"
	tests := []struct {
		name, method, path, body string
		status                   int
		code, message            string
	}{
		{"create twice", "POST", base, `{"sessionId":"s"}`, 409, "CONFLICT", "conflict: session already exists"},
		{"create without a name", "POST", base, `{}`, 400, "INVALID_REQUEST_BODY", "invalid body request: Key: 'CreateSessionRequest.SessionId'"},
		{"create without a body", "POST", base, ``, 400, "INVALID_REQUEST_BODY", "invalid body request: EOF"},
		{"create what is reserved", "POST", base, `{"sessionId":"entrypoint"}`, 400, "BAD_REQUEST",
			"bad request: provided session ID is reserved and cannot be created/overridden"},
		{"create with a name without end", "POST", base, `{"sessionId":"` + strings.Repeat("x", 257) + `"}`, 400, "INVALID_REQUEST_BODY", "invalid body request: sessionId is longer"},
		{"get an unknown one", "GET", base + "/none", "", 404, "NOT_FOUND", "not found: session not found"},
		{"delete an unknown one", "DELETE", base + "/none", "", 404, "NOT_FOUND", "not found: session not found"},
		{"exec in an unknown one", "POST", base + "/none/exec", `{"command":"x"}`, 500, "INTERNAL_SERVER_ERROR",
			"failed to execute command: not found: session not found"},
		{"exec nothing", "POST", one + "/exec", `{"command":" "}`, 400, "BAD_REQUEST", "bad request: command cannot be empty"},
		{"exec without a command", "POST", one + "/exec", `{}`, 400, "BAD_REQUEST", "bad request: command cannot be empty"},
		{"exec NUL", "POST", one + "/exec", `{"command":"a\u0000"}`, 400, "BAD_REQUEST", "bad request: command must not contain NUL"},
		{"exec no JSON", "POST", one + "/exec", `x`, 400, "INVALID_REQUEST_BODY", "invalid body request: "},
		{"an unknown command", "GET", one + "/command/none", "", 404, "NOT_FOUND", "not found: command not found"},
		{"its logs", "GET", one + "/command/none/logs", "", 404, "NOT_FOUND", "not found: command not found"},
		{"its logs, followed", "GET", one + "/command/none/logs?follow=true", "", 404, "NOT_FOUND", "not found: command not found"},
		{"its input", "POST", one + "/command/none/input", `{"data":"x"}`, 404, "NOT_FOUND", "not found: command not found"},
		{"logs of an unknown session, followed", "GET", base + "/none/command/x/logs?follow=true", "", 404, "NOT_FOUND", "not found: session not found"},
		{"logs of an unknown session", "GET", base + "/none/command/x/logs", "", 404, "NOT_FOUND", "not found: session not found"},
		{"input after the end", "POST", one + "/command/" + done + "/input", `{"data":"x"}`, 410, "GONE", "gone: command has already completed with exit code 0"},
		{"an answer to nothing", "POST", one + "/command/" + done + "/input", `x`, 400, "INVALID_REQUEST_BODY", "invalid body request: "},
		{"delete the entry point", "DELETE", base + "/entrypoint", "", 404, "NOT_FOUND", "not found: session not found"},
		{"exec in the entry point", "POST", base + "/entrypoint/exec", `{"command":"x"}`, 500, "INTERNAL_SERVER_ERROR",
			"failed to execute command: not found: session not found"},
		{"the entry point", "GET", base + "/entrypoint", "", 404, "NOT_FOUND", "not found: session not found"},
		{"its logs", "GET", base + "/entrypoint/logs", "", 404, "NOT_FOUND", "not found: session not found"},
		{"a stopped sandbox", "POST", "/sandboxes/stopped/toolbox/process/session", `{"sessionId":"s"}`, 409, "CONFLICT",
			"conflict: sandbox stopped is stopped: is the sandbox started?"},
		{"exec in an unknown sandbox", "POST", "/sandboxes/gone/toolbox/process/session/s/exec", `{"command":"x"}`, 404, "NOT_FOUND",
			"not found: sandbox gone does not exist on this runner"},
	}
	for _, tt := range tests {
		got := c.Do(tt.method, tt.path, tt.body)
		if got.Status != tt.status || got.Field(t, "code") != tt.code || !strings.HasPrefix(got.Field(t, "message"), tt.message) {
			t.Errorf("%s: %d %s", tt.name, got.Status, got.Body)
		}
		if strings.HasSuffix(tt.path, "follow=true") { // nor is there a socket
			again := c.Do(tt.method, tt.path, "", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
			if again.Status != tt.status || again.Field(t, "message") != tt.message {
				t.Errorf("%s, by socket: %d %s", tt.name, again.Status, again.Body)
			}
		}
	}
}

// Ensure input reaches an async command in order, whenever it is sent, and shows in the log unless
// the client does not want that.
func TestInput(t *testing.T) {
	t.Parallel()
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, shell(t), Options{})
			c.create("s")
			send := func(cmd, data string) {
				t.Helper()
				if got := c.Do("POST", base+"/s/command/"+cmd+"/input", body(t, map[string]string{"data": data})); got.Status != 204 {
					t.Fatalf("input: %d %s", got.Status, got.Body)
				}
			}
			first := c.begin("s", "read a; read b; echo \"$a-$b\"")
			second := c.begin("s", "read c; echo got $c", "suppressInputEcho")
			send(second, "early") // the command has not begun
			send(first, "it's 1")
			send(first, "2\n")
			if code := c.wait("s", second); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if got := c.Do("GET", logsPath("s", first), ""); got.Body != "it's 1\n2\nit's 1-2\n" {
				t.Errorf("with echo: %q", got.Body)
			}
			if got := c.Do("GET", logsPath("s", second), ""); got.Body != "got early\n" {
				t.Errorf("without: %q", got.Body)
			}
			idle := c.begin("s", "exec sleep 60")
			big := strings.Repeat("x", maxInput/2)
			send(idle, big)
			until(t, "too much input is refused", func() bool {
				got := c.Do("POST", base+"/s/command/"+idle+"/input", body(t, map[string]string{"data": big}))
				return got.Status == 503 && strings.Contains(got.Body, "has not read its input")
			})
		})
	}
}

// Ensure logs are followed from the beginning to the end, by socket and by stream.
func TestFollow(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	c.create("s")
	run := func() string {
		return c.begin("s", "echo one; read x; echo $x >&2; head -c 5000 /dev/zero | tr '\\0' y; (exit 3)")
	}
	input := func(cmd string) {
		c.Do("POST", base+"/s/command/"+cmd+"/input", `{"data":"two"}`)
	}
	const withMarks = "\x01\x01\x01one\n\x01\x01\x01two\n\x02\x02\x02two\n\x01\x01\x01"
	without := strings.NewReplacer("\x01", "", "\x02", "").Replace(withMarks)
	tail := strings.Repeat("y", 5000) + "\n"
	for _, tt := range []struct {
		name     string
		header   http.Header
		want     string
		protocol string
	}{
		{"an old client", http.Header{}, without + tail, ""},
		{"a client of today", http.Header{"X-Daytona-Sdk-Version": {"0.190.1"}}, withMarks + tail, ""},
		{"a browser", http.Header{"Sec-Websocket-Protocol": {"other, X-Daytona-SDK-Version~0.139.0"}}, withMarks + tail, "X-Daytona-SDK-Version~0.139.0"},
	} {
		cmd := run()
		conn := c.socket(logsPath("s", cmd)+"?follow=true", tt.header)
		kind, data, err := conn.ReadMessage() // it is there before the command ends
		if kind != websocket.BinaryMessage || err != nil {
			t.Fatal(err)
		}
		input(cmd)
		text, largest, code, reason := readAll(t, conn)
		if string(data)+text != tt.want || largest > maxFrame || code != 1000 || reason != "" || conn.Subprotocol() != tt.protocol {
			t.Errorf("%s: %q, %d bytes at most, close %d %q, subprotocol %q", tt.name, string(data)+text, largest, code, reason, conn.Subprotocol())
		}
		again := c.socket(logsPath("s", cmd), http.Header{"X-Daytona-Sdk-Version": {"0.190.1"}})
		if text, _, code, _ := readAll(t, again); text != withMarks+tail || code != 1000 {
			t.Errorf("without follow: %d %q", code, text)
		}
	}
	cmd := run()
	conn := c.Dial()
	fmt.Fprintf(conn, "GET %s?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-token-0123456789\r\n\r\n", logsPath("s", cmd))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.Header.Get("Content-Type") != "application/octet-stream" || resp.ContentLength != -1 {
		t.Fatalf("%v %v", resp, err)
	}
	first := make([]byte, 7)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "\x01\x01\x01one\n" {
		t.Errorf("%q, %v", first, err)
	}
	input(cmd)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(first)+string(rest) != withMarks+tail {
		t.Errorf("%q, %v", rest, err)
	}
}

// Ensure a session outlives who follows it, and its deletion closes followers as usual.
func TestDeleteEndsFollowersAndCommands(t *testing.T) {
	t.Parallel()
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, shell(t), Options{EndTime: 50 * time.Millisecond, Dir: t.TempDir()})
			c.create("s")
			cmd := c.begin("s", "trap '' TERM; echo $$; while :; do sleep 0.05; done")
			waits := c.begin("s", "echo never")
			gone := c.socket(logsPath("s", cmd)+"?follow=true", http.Header{})
			_, pid, err := gone.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			gone.Close()
			follows := c.socket(logsPath("s", cmd)+"?follow=true", http.Header{})
			queued := c.socket(logsPath("s", waits)+"?follow=true", http.Header{})
			var wg sync.WaitGroup
			wg.Go(func() {
				got, err := c.Try("POST", base+"/s/exec", strings.NewReader(`{"command":"echo never"}`))
				if err != nil || got.Status != 410 || !strings.Contains(got.Body, "gone: not run: the session was deleted") {
					t.Errorf("a command that waits: %v, %d %s", err, got.Status, got.Body)
				}
			})
			until(t, "the last command waits", func() bool { return strings.Count(c.Do("GET", base+"/s", "").Body, `"command"`) == 3 })
			if got := c.Do("DELETE", base+"/s", ""); got.Status != 204 {
				t.Errorf("delete: %d %s", got.Status, got.Body)
			}
			wg.Wait()
			for _, conn := range []*websocket.Conn{follows, queued} {
				if text, _, code, reason := readAll(t, conn); code != 1000 || !strings.Contains(text, "the session was deleted") {
					t.Errorf("%q, close %d %q", text, code, reason)
				}
			}
			until(t, "the shell is gone", func() bool {
				stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
				return err != nil || strings.Contains(string(stat), ") Z ")
			})
		})
	}
}

// Ensure all sessions end with the lease, and those who wait are told why.
func TestLeaseEndsSessions(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	c.create("s")
	cmd := c.begin("s", "echo one; sleep 60")
	follows := c.socket(logsPath("s", cmd)+"?follow=true", http.Header{})
	if _, _, err := follows.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	close(c.guest.Left)
	const why = "the device left started"
	if text, _, code, reason := readAll(t, follows); code != 1011 || !strings.Contains(reason, why) || !strings.Contains(text, why) {
		t.Errorf("%q, close %d %q", text, code, reason)
	}
	until(t, "the session is forgotten", func() bool { return c.Do("GET", base+"/s", "").Status == 404 })
}

// Ensure a device that is lost ends what runs on it, with the reason.
func TestLostDevice(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	c.create("s")
	cmd := c.begin("s", "echo begun; exec sleep 60")
	follows := c.socket(logsPath("s", cmd)+"?follow=true", http.Header{})
	if _, _, err := follows.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	c.guest.Started(0).Lose()
	if _, _, code, reason := readAll(t, follows); code != 1011 || !strings.Contains(reason, "session's shell: adb ") {
		t.Errorf("close %d %q", code, reason)
	}
	if code := c.wait("s", cmd); code != unknownExit {
		t.Errorf("exit code %d", code)
	}
	got := c.Do("POST", base+"/s/exec", `{"command":"echo x"}`)
	if got.Status != 410 || !strings.HasPrefix(got.Field(t, "message"), "gone: the session has ended: ") {
		t.Errorf("afterwards: %d %s", got.Status, got.Body)
	}
}

// Ensure output without end holds a bounded part of the memory, and a reader who stalls as well.
func TestOutputWithoutEnd(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{MaxLog: 64 << 10})
	c.create("s")
	cmd := c.begin("s", "yes")
	stalled := c.socket(logsPath("s", cmd)+"?follow=true", http.Header{})
	if _, _, err := stalled.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	notice := func(text string) bool {
		return strings.HasPrefix(text, "[") && strings.Contains(text, " lines were dropped here: 65536 bytes are kept]\n")
	}
	until(t, "lines are dropped", func() bool {
		got := c.Do("GET", logsPath("s", cmd), "").Body
		if len(got) > 128<<10 {
			t.Fatalf("%d bytes", len(got))
		}
		return notice(got)
	})
}

// Ensure a reader who stalls gets what is still there, and the number of lines that are not.
func TestStalledReader(t *testing.T) {
	t.Parallel()
	cmd := &command{log: newLog(1<<10, nil), done: make(chan struct{}), input: &input{}}
	cmd.log.write(1, []byte("first\n"))
	var got strings.Builder
	stalled := false
	err := cmd.follow(t.Context(), time.Millisecond, nil, func(text []byte) error {
		got.Write(text)
		if !stalled {
			stalled = true
			cmd.log.write(1, []byte(strings.Repeat("y\n", 10_000)))
			cmd.log.write(1, []byte("last\n"))
			cmd.finish(0, nil)
		}
		return nil
	})
	text := got.String()
	if err != nil || !strings.HasPrefix(text, "\x01\x01\x01first\n\x02\x02\x02[97") || !strings.HasSuffix(text, "\x01\x01\x01last\n") || len(text) > 2<<10 {
		t.Errorf("%v: %d bytes: %.100q", err, len(text), text)
	}
}

// Ensure as many sessions as there may be work side by side, and no more are made.
func TestManySessions(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{EndTime: time.Millisecond})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			id := fmt.Sprint(i)
			if got, err := c.Try("POST", base, strings.NewReader(`{"sessionId":"`+id+`"}`)); err != nil || got.Status != 201 {
				t.Errorf("create: %v %d %s", err, got.Status, got.Body)
				return
			}
			got, err := c.Try("POST", base+"/"+id+"/exec", strings.NewReader(`{"command":"echo `+id+`"}`))
			if err != nil || !strings.Contains(got.Body, `"output":"`+id+`\n"`) {
				t.Errorf("exec: %v %d %s", err, got.Status, got.Body)
			}
		})
	}
	wg.Wait()
	got := c.Do("POST", base, `{"sessionId":"one more"}`)
	if got.Status != 503 || got.Field(t, "message") != "resource exhausted: the sandbox has 64 sessions, which is the most: delete one" {
		t.Errorf("one more: %d %s", got.Status, got.Body)
	}
	for i := range 64 {
		wg.Go(func() { _, _ = c.Try("DELETE", fmt.Sprint(base, "/", i), http.NoBody) })
	}
	wg.Wait()
}

// Ensure a session remembers its latest commands only, and lets only so many wait.
func TestManyCommands(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{MaxCommands: 4})
	c.create("s")
	for range 10 {
		c.run("s", "true")
	}
	var got sessionJSON
	if err := json.Unmarshal([]byte(c.Do("GET", base+"/s", "").Body), &got); err != nil || len(got.Commands) > 4 {
		t.Errorf("%v: %d commands", err, len(got.Commands))
	}
	c.begin("s", "sleep 60")
	until(t, "no more may wait", func() bool {
		got := c.Do("POST", base+"/s/exec", `{"command":"true","async":true}`)
		return got.Status == 503 && strings.Contains(got.Body, "commands of session s wait")
	})
}

// Ensure a request does not wait for ever, while its command goes on.
func TestTimeOfARequest(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{MaxTime: time.Millisecond})
	c.create("s")
	got := c.Do("POST", base+"/s/exec", `{"command":"sleep 60"}`)
	if got.Status != 408 || !strings.Contains(got.Body, "goes on: ask for it and its logs") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// Ensure a shell that does not begin is an answer, and its name is free again.
func TestShellThatDoesNotBegin(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, guestshelltest.Host(), Options{Dir: file})
	for range 2 {
		got := c.Do("POST", base, `{"sessionId":"s"}`)
		if got.Status != 503 || !strings.Contains(got.Body, "did not begin") {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
}
