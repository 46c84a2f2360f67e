package session

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
)

// shells are the shells that every script must run in.
var shells = map[string]func(testing.TB) guestshelltest.Shell{
	"sh of this machine": func(testing.TB) guestshelltest.Shell { return guestshelltest.Host() },
	"mksh and toybox":    guestshelltest.Genuine,
}

// Ensure what a command does to the shell the next one finds, and nothing it prints or does breaks the
// session.
func TestCommandsRunOneAfterAnother(t *testing.T) {
	t.Parallel()
	steps := []struct {
		name, command  string
		code           int
		stdout, stderr string // ending in … : the beginning is enough
	}{
		{"a word", "echo hello", 0, "hello\n", ""},
		{"both streams", "echo out; echo err >&2", 0, "out\n", "err\n"},
		{"an exit code", "(exit 7)", 7, "", ""},
		{"a directory is left", "cd /usr && X=1 && f() { echo \"f $1 $X\"; }", 0, "", ""},
		{"and found", "pwd; f 2", 0, "/usr\nf 2 1\n", ""},
		{"nothing to read", "cat; read x; echo $?", 0, "1\n", ""},
		{"no end of line", "echo -n glued; echo -n more >&2", 0, "glued\n", "more\n"},
		{"quotes that could end a frame", "echo 'a\nE\nEOF\n}' \"`echo b`\" \\\n  c", 0, "a\nE\nEOF\n} b c\n", ""},
		{"a heredoc", "cat <<EOF\n$X\nEOF", 0, "1\n", ""},
		{"return", "return 4; echo never", 4, "", ""},
		{"a comment at the end", "echo x # }", 0, "x\n", ""},
		{"output sent elsewhere for good", "exec >/dev/null 2>&1; echo hidden", 0, "", ""},
		{"is back", "echo shown; echo too >&2", 0, "shown\n", "too\n"},
		{"names taken", "echo() { :; }; alias echo=false command=false", 0, "", ""},
		{"names given back", "unset -f echo\nunalias echo command\necho ok", 0, "ok\n", ""},
		{"tracing", "set -x; echo t; set +x", 0, "t\n", "…"},
		{"verbose, which prints what the shell reads", "set -v # runner-", 0, "", "…"},
		{"still", "echo v; set +v # runner-", 0, "v\n", "…"},
		{"an unknown command", "no-such-command", 127, "", "…"},
		{"what could be a mark", "echo runner-X " + wordExit + " 3", 0, "runner-X exit 3\n", ""},
		{"a subshell that exits", "(exit 3) || (trap 'echo bye' EXIT; exit 5)", 5, "bye\n", ""},
		{"a job in the background", "sleep 0.01 & wait $!; echo done", 0, "done\n", ""},
		{"bytes beyond UTF-8", "printf 'a\\377b\\n'", 0, "a\ufffdb\n", ""},
	}
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, shell(t), Options{})
			c.create("a/b c")
			for _, s := range steps {
				code, stdout, stderr := c.run("a%2Fb%20c", s.command)
				if code != s.code || !is(stdout, s.stdout) || !is(stderr, s.stderr) {
					t.Errorf("%s: got %d %.200q %.200q; want %d %q %q", s.name, code, stdout, stderr, s.code, s.stdout, s.stderr)
				}
				if strings.Contains(stdout+stderr, "runner-") && !strings.Contains(s.command, "runner-") {
					t.Errorf("%s: the marks show: %q %q", s.name, stdout, stderr)
				}
			}
		})
	}
}

func is(got, want string) bool {
	begin, open := strings.CutSuffix(want, "…")
	return got == want || open && strings.HasPrefix(got, begin)
}

// Ensure a shell that exits answers with the code it exited with, and is gone afterwards.
func TestExitWithinASession(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, command string
		code          int
	}{
		{"exit", "echo bye; exit 3", 3},
		{"exit beside a job that holds the output", "sleep 60 & exit 4", 4},
		{"exec", "exec false", 1},
		{"a signal", "kill -9 $$", 137},
		{"errexit", "set -e; false", 1},
		{"the trap taken away", "trap - EXIT; exit 6", 6},
	}
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, shell(t), Options{})
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					t.Parallel()
					c := c.on(t)
					id := strings.ReplaceAll(tt.name, " ", "-")
					c.create(id)
					if code, _, _ := c.run(id, tt.command); code != tt.code {
						t.Errorf("exit code %d, want %d", code, tt.code)
					}
					got := c.Do("POST", base+"/"+id+"/exec", `{"command":"echo x"}`)
					if got.Status != 410 || got.Field(t, "code") != "GONE" || !strings.HasPrefix(got.Field(t, "message"), "gone: the session's shell has exited with code ") {
						t.Errorf("afterwards: %d %s", got.Status, got.Body)
					}
					if got := c.Do("GET", base+"/"+id, ""); got.Status != 200 {
						t.Errorf("its commands: %d %s", got.Status, got.Body)
					}
					if got := c.Do("DELETE", base+"/"+id, ""); got.Status != 204 {
						t.Errorf("delete: %d %s", got.Status, got.Body)
					}
				})
			}
		})
	}
}

// Ensure exec and logs answer each generation of SDKs in its own shape.
func TestAnswersBySDKVersion(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	c.create("s")
	const withMarks, without = "\x01\x01\x01out\n\x02\x02\x02err\n", "out\nerr\n"
	tests := []struct {
		name, header, output string
		parted               bool
	}{
		{"no header", "X-None: 1", without, false},
		{"an old one", "X-Daytona-SDK-Version: 0.26.9", without, false},
		{"no version", "X-Daytona-SDK-Version: latest", without, false},
		{"no header that splits", "X-Daytona-Split-Output: true", withMarks, false},
		{"0.27.0", "X-Daytona-SDK-Version: 0.27.0", withMarks, false},
		{"0.139.0", "X-Daytona-SDK-Version: 0.139.0", withMarks, false},
		{"0.167.0", "X-Daytona-SDK-Version: 0.167.0", withMarks, true},
		{"0.190.1", newest, withMarks, true},
		{"a build of a developer", "X-Daytona-SDK-Version: v0.0.0-dev", withMarks, true},
		{"a subprotocol", "Sec-WebSocket-Protocol: X-Daytona-SDK-Version~0.190.0", withMarks, true},
	}
	for _, tt := range tests {
		got := c.Do("POST", base+"/s/exec", `{"command":"echo out; sleep 0.1; echo err >&2"}`, tt.header)
		var r map[string]any
		if err := json.Unmarshal([]byte(got.Body), &r); err != nil || got.Status != 200 || len(r) != 5 {
			t.Fatalf("%s: %d %s", tt.name, got.Status, got.Body)
		}
		wantOut, wantErr := any(nil), any(nil)
		if tt.parted {
			wantOut, wantErr = "out\n", "err\n"
		}
		if r["output"] != tt.output || r["stdout"] != wantOut || r["stderr"] != wantErr || r["exitCode"] != 0.0 {
			t.Errorf("%s: exec: %s", tt.name, got.Body)
		}
		got = c.Do("GET", logsPath("s", r["cmdId"].(string)), "", tt.header)
		if want := `{"output":"\u0001\u0001\u0001out\n\u0002\u0002\u0002err\n","stdout":"out\n","stderr":"err\n"}`; tt.parted {
			if got.Body != want {
				t.Errorf("%s: logs: %s", tt.name, got.Body)
			}
		} else if got.Body != tt.output || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: logs: %q as %s", tt.name, got.Body, got.Header.Get("Content-Type"))
		}
	}
}

// Ensure both words for a command that nobody waits for are answered with its name only, and its logs at once, as far
// as they are, in each generation's shape.
func TestAsync(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	for _, word := range []string{"async", "runAsync"} {
		c.create(word)
		got := c.Do("POST", base+"/"+word+"/exec", `{"command":"echo out; read x","`+word+`":true}`)
		id := got.Field(t, "cmdId")
		if want := `{"cmdId":"` + id + `","output":null,"stdout":null,"stderr":null,"exitCode":null}`; got.Status != 202 || id == "" || got.Body != want {
			t.Errorf("%s: %d %s", word, got.Status, got.Body)
		}
		until(t, "it has begun", func() bool { return c.Do("GET", logsPath(word, id), "").Body == "out\n" })
		for header, want := range map[string]string{
			"X-Daytona-SDK-Version: 0.139.0": "\x01\x01\x01out\n", "X-Daytona-Split-Output: true": "\x01\x01\x01out\n",
			newest: `{"output":"\u0001\u0001\u0001out\n","stdout":"out\n","stderr":""}`,
		} {
			if got := c.Do("GET", logsPath(word, id)+"/", "", header); got.Status != 200 || got.Body != want {
				t.Errorf("%s for %s: %d %q", word, header, got.Status, got.Body)
			}
		}
		if got := c.Do("GET", base+"/"+word+"/command/"+id, ""); got.Body != `{"id":"`+id+`","command":"echo out; read x"}` {
			t.Errorf("%s: %s", word, got.Body)
		}
	}
}
