package process

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"mvdan.cc/sh/v3/syntax"
)

const testNonce = "runner-NONCE"

func TestScript(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cmd  command
		want string
	}{
		{"a command alone", command{text: "id"}, "exec 2>&1\necho 'runner-NONCE' $$\nid\n"},
		{"a command of lines is not touched", command{text: "a 'b\n$(c) \"d\\\n"}, "exec 2>&1\necho 'runner-NONCE' $$\na 'b\n$(c) \"d\\\n\n"},
		{"a directory", command{text: "id", cwd: "/data/it's"},
			"exec 2>&1\necho 'runner-NONCE' $$\ncd '/data/it'\\''s' || { echo; echo 'runner-NONCE cwd'; exit 1; }\nid\n"},
		{"a directory that looks like an option", command{text: "id", cwd: "-"},
			"exec 2>&1\necho 'runner-NONCE' $$\ncd './-' || { echo; echo 'runner-NONCE cwd'; exit 1; }\nid\n"},
		{"environment, in order", command{text: "id", envs: map[string]string{"B": "$x\n'", "A_1": ""}},
			"exec 2>&1\necho 'runner-NONCE' $$\nexport A_1=''\nexport B='$x\n'\\'''\nid\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(tt.cmd.script(testNonce)); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cmd  command
		want string
	}{
		{"fine", command{text: "id", cwd: "/x", envs: map[string]string{"_a9": "\n"}}, ""},
		{"empty", command{}, "command cannot be empty or whitespace-only"},
		{"blank", command{text: " \t\n"}, "command cannot be empty or whitespace-only"},
		{"NUL in the command", command{text: "a\x00b"}, "command must not contain NUL"},
		{"NUL in the directory", command{text: "a", cwd: "\x00"}, "cwd must not contain NUL"},
		{"NUL in a value", command{text: "a", envs: map[string]string{"A": "\x00"}}, "environment variable A must not contain NUL"},
		{"an empty name", command{text: "a", envs: map[string]string{"": "x"}}, "invalid environment variable name: ''"},
		{"a digit first", command{text: "a", envs: map[string]string{"1A": "x"}}, "invalid environment variable name: '1A'"},
		{"a name with a command", command{text: "a", envs: map[string]string{"A;id": "x"}}, "invalid environment variable name: 'A;id'"},
		{"a name with a line", command{text: "a", envs: map[string]string{"A\n": "x"}}, "invalid environment variable name: 'A\n'"},
		{"a name beyond ASCII", command{text: "a", envs: map[string]string{"Ä": "x"}}, "invalid environment variable name: 'Ä'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := tt.cmd.check(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadOutput(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, output string
		pid          int
		noCwd        bool
		rest         string
	}{
		{"as usual", "runner-NONCE 77\nhello\n", 77, false, "hello\n"},
		{"nothing printed", "runner-NONCE 77\n", 77, false, ""},
		{"a warning of the shell before", "no tty\nrunner-NONCE 77\nhello", 77, false, "no tty\nhello"},
		{"the shell did not come so far", "sh: out of memory\n", 0, false, "sh: out of memory\n"},
		{"cut within the line", "runner-NONCE 7", 0, false, "runner-NONCE 7"},
		{"no directory", "runner-NONCE 77\nsh: cd: /nope\n\nrunner-NONCE cwd\n", 77, true, "sh: cd: /nope\n"},
		{"no directory, and no word about it", "runner-NONCE 77\n\nrunner-NONCE cwd\n", 77, true, ""},
		{"a pid that must not be killed", "runner-NONCE 1\n", 0, false, ""},
		{"no pid", "runner-NONCE -5x\nhello", 0, false, "hello"},
		{"too far in", strings.Repeat("x", prologueLimit) + "runner-NONCE 77\n", 0, false, strings.Repeat("x", prologueLimit) + "runner-NONCE 77\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := readOutput([]byte(tt.output), testNonce)
			if got.pid != tt.pid || got.noCwd != tt.noCwd || string(got.output) != tt.rest {
				t.Errorf("got %d %t %q", got.pid, got.noCwd, got.output)
			}
		})
	}
}

// Ensure what stands in front of a command is one word for each value, whatever is in it. The
// parser is that of Android's shell.
func FuzzScript(f *testing.F) {
	f.Add("/data/it's", "a\"$(id)`id`\n'", "A")
	f.Add("-", "'''\\", "_")
	f.Fuzz(func(t *testing.T, cwd, value, name string) {
		cmd := command{text: "id", cwd: cwd, envs: map[string]string{name: value}}
		if cmd.check() != nil {
			return
		}
		script := cmd.script(testNonce)
		// The parser's own idea of text: it drops "\r\n" and wants UTF-8.
		if strings.ToValidUTF8(string(script), "") != string(script) || bytes.ContainsRune(script, '\r') {
			return
		}
		file, err := syntax.NewParser(syntax.Variant(syntax.LangMirBSDKorn)).Parse(bytes.NewReader(script), "")
		if err != nil {
			t.Fatalf("%q: %v", script, err)
		}
		want := 4 // exec, echo, export, id
		if cwd != "" {
			want++
		}
		if len(file.Stmts) != want {
			t.Errorf("%q has %d statements, want %d", script, len(file.Stmts), want)
		}
		word := string(guestshell.Quote(nil, value))
		inner := strings.TrimSuffix(strings.TrimPrefix(word, "'"), "'")
		if got := strings.ReplaceAll(inner, `'\''`, "'"); got != value {
			t.Errorf("%q is %s, which says %q", value, word, got)
		}
	})
}

func FuzzReadOutput(f *testing.F) {
	f.Add([]byte("runner-NONCE 77\nhello"))
	f.Add([]byte("x\nrunner-NONCE 77\n\nrunner-NONCE cwd\n"))
	f.Fuzz(func(t *testing.T, output []byte) {
		before := slices.Clone(output)
		got := readOutput(output, testNonce)
		if len(got.output) > len(before) || got.pid < 0 || got.pid == 1 {
			t.Errorf("%q: %+v", before, got)
		}
		if !bytes.Contains(before, []byte(testNonce)) && !bytes.Equal(got.output, before) {
			t.Errorf("%q lost something: %q", before, got.output)
		}
	})
}

func TestKillScriptParses(t *testing.T) {
	t.Parallel()
	for _, variant := range []syntax.LangVariant{syntax.LangPOSIX, syntax.LangMirBSDKorn, syntax.LangBash} {
		if _, err := syntax.NewParser(syntax.Variant(variant)).Parse(bytes.NewReader(guestshell.Kill(77)), ""); err != nil {
			t.Errorf("%v: %v", variant, err)
		}
	}
}

// Ensure the script ends all that a shell started, also when that shell does not lead its group.
func TestKillScriptEndsTheGroup(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
	}{
		{"the shell leads", []string{"sh"}},
		{"another shell leads", []string{"sh", "-c", "sh; exit 7"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			cmd := sessionCommand(ctx, tt.args...)
			cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
			cmd.Stdin = bytes.NewReader(command{text: "(sleep 30 & sleep 31); echo never"}.script(testNonce))
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line := make([]byte, 64)
			n, err := out.Read(line)
			if err != nil {
				t.Fatal(err)
			}
			kill := exec.CommandContext(ctx, "sh")
			kill.Stdin = bytes.NewReader(guestshell.Kill(readOutput(line[:n], testNonce).pid))
			if said, err := kill.CombinedOutput(); err != nil {
				t.Errorf("kill: %v: %s", err, said)
			}
			rest := new(bytes.Buffer)
			if _, err := rest.ReadFrom(out); err != nil || rest.Len() > 0 { // ends when no sleep holds it
				t.Errorf("it went on: %q, %v", rest, err)
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
				t.Errorf("ended with %v, want a signal", err)
			}
		})
	}
}
