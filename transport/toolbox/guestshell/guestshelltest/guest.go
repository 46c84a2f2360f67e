package guestshelltest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// applets are the commands of toybox that scripts may use beside the stubs.
var applets = []string{
	"base64", "cat", "chmod", "cp", "cut", "dd", "echo", "find", "grep", "head", "kill", "ln", "ls", "mkdir", "mkfifo", "mktemp", "mv",
	"printf", "ps", "rm", "rmdir", "sed", "sleep", "sort", "stat", "tail", "test", "timeout", "touch", "tr", "true", "wc", "xargs",
}

// Guest is a Shell. It is safe for concurrent use.
type Guest struct {
	t    testing.TB
	mksh string
	dir  string

	mu      sync.Mutex
	scripts []string
}

var _ guestshell.Shell = (*Guest)(nil)

// New makes a guest with these programs: their names, and what each does, as a script of mksh. The test
// is skipped where there is no mksh.
func New(t testing.TB, programs map[string]string) *Guest {
	t.Helper()
	mksh, err := exec.LookPath("mksh")
	if err != nil {
		t.Skip("skipped: needs mksh")
	}
	g := &Guest{t: t, mksh: mksh, dir: t.TempDir()}
	bin := filepath.Join(g.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if toybox, err := exec.LookPath("toybox"); err == nil {
		for _, name := range applets {
			if err := os.Symlink(toybox, filepath.Join(bin, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, script := range programs {
		g.Program(name, script)
	}
	return g
}

// Program adds a program, or replaces it.
func (g *Guest) Program(name, script string) {
	g.t.Helper()
	file := filepath.Join(g.dir, "bin", name)
	// One write for one call, which print does and printf does not, so that calls at the same time do not mix.
	text := "#!" + g.mksh + "\n" +
		"__c=" + name + "; for __a; do __c=$__c$'\\002'$__a; done; print -nr -- \"$__c\"$'\\001' >>'" + g.dir + "/calls'; unset __a __c\n" + script + "\n"
	// Nothing is forked while the file is open: a program that somebody has open to write cannot be run (ETXTBSY).
	syscall.ForkLock.RLock()
	err := os.WriteFile(file+".new", []byte(text), 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		g.t.Fatal(err)
	}
}

// Dir is a directory of the guest's own, for files that its programs share with the test.
func (g *Guest) Dir() string { return g.dir }

// Calls returns how the programs were called since the last time, each with its name first.
func (g *Guest) Calls() [][]string {
	g.t.Helper()
	file := filepath.Join(g.dir, "calls")
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		g.t.Fatal(err)
	}
	_ = os.Remove(file)
	var calls [][]string
	for call := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x01"), "\x01") {
		if call != "" {
			calls = append(calls, strings.Split(call, "\x02"))
		}
	}
	return calls
}

// Lines is Calls with each call as one line, its words parted by single spaces.
func (g *Guest) Lines() []string {
	var lines []string
	for _, call := range g.Calls() {
		lines = append(lines, strings.Join(call, " "))
	}
	return lines
}

// Scripts returns what was run so far.
func (g *Guest) Scripts() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.scripts)
}

// Command is a shell of the guest in a session of its own, to be given a script: "-c" and it, or standard
// input.
func (g *Guest) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.mksh, args...)
	path := filepath.Join(g.dir, "bin")
	if _, err := exec.LookPath("toybox"); err != nil {
		path += ":" + os.Getenv("PATH")
	}
	cmd.Env = []string{"PATH=" + path, "HOME=/", "TMPDIR=" + g.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGHUP) }
	cmd.WaitDelay = time.Second // the rest of the session may hold the output
	return cmd
}

// Run implements guestshell.Shell.
func (g *Guest) Run(ctx context.Context, _ string, s guestshell.Script) (guestshell.Result, error) {
	g.mu.Lock()
	g.scripts = append(g.scripts, string(s.Text))
	g.mu.Unlock()
	cmd := g.Command(ctx)
	out := bounded{left: s.MaxOutput}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(s.Text), &out, &out
	err := cmd.Run()
	res := guestshell.Result{ExitCode: cmd.ProcessState.ExitCode(), Output: out.kept.Bytes(), Dropped: out.dropped}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return res, fault.Wrap(fault.KindOf(ctx.Err()), "run shell command", ctx.Err())
	case errors.As(err, &exit):
		return res, nil
	default:
		return res, err
	}
}

// bounded keeps what fits.
type bounded struct {
	kept          bytes.Buffer
	left, dropped int64
}

var _ io.Writer = (*bounded)(nil)

func (b *bounded) Write(p []byte) (int, error) {
	n := min(int64(len(p)), b.left)
	b.kept.Write(p[:n])
	b.left -= n
	b.dropped += int64(len(p)) - n
	return len(p), nil
}
