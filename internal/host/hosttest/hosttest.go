package hosttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// Run holds the hosts that open makes to the contract of [host.Host].
func Run(t *testing.T, open func(*testing.T) host.Host) {
	t.Helper()
	cases := []struct {
		name string
		test func(*testing.T, host.Host)
	}{
		{"run returns stdout, stderr and success", runOutput},
		{"run tells a non-zero status with the end of stderr", runStatus},
		{"run tells a deadly signal as 128+n", runSignalled},
		{"run passes arguments without a shell", runArguments},
		{"run gives a minimal environment", runEnvironment},
		{"run has nothing on stdin", runStdin},
		{"run works in the directory asked for", runDir},
		{"run refuses output beyond the bound", runTooMuch},
		{"run keeps only the last 4 KiB of stderr", runStderrTail},
		{"run ends the whole group with the context", runKillsGroup},
		{"run gives the grace to end in order", runGrace},
		{"run kills what ignores the grace", runGraceIgnored},
		{"run is not held up by a child that keeps the pipe", runKeptPipe},
		{"run of a missing program is Unavailable", runMissing},
		{"launch writes to its files and tells the status", launchStatus},
		{"launch appends to its files", launchAppends},
		{"launch makes a session leader that signal ends as a group", launchGroup},
		{"await returns at once for a process that never was", awaitGone},
		{"await gives up with its context", awaitTimeout},
		{"await sees a process of others end", awaitForeign},
		{"signal spares a pid that belongs to another", signalReused},
		{"signal to the gone does nothing", signalGone},
		{"signal refuses init", signalInit},
		{"the process table shows arguments exactly", processesExact},
		{"environ reads one process", environ},
		{"dial tells nobody there from no answer", dial},
	}
	for _, c := range append(cases, fileCases()...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

func sh(script string, args ...string) host.Command {
	return host.Command{Args: append([]string{"/bin/sh", "-c", script, "sh"}, args...)}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Fatalf("error %v: got kind %v, want %v", err, fault.KindOf(err), want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until done says so, and reports the last thing it said.
func eventually(t *testing.T, what string, done func() (string, bool)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		last, ok := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v, last seen: %s", what, patience, last)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// pidIn waits for a process to write its pid into a file.
func pidIn(t *testing.T, path string) int {
	t.Helper()
	var pid int
	eventually(t, "pid in "+path, func() (string, bool) {
		data, err := os.ReadFile(path)
		if err != nil {
			return err.Error(), false
		}
		n, _ := fmt.Sscanf(string(data), "%d\n", &pid)
		return string(data), n == 1
	})
	return pid
}

// find returns the row of a live process.
func find(t *testing.T, h host.Host, pid int) (host.Process, bool) {
	t.Helper()
	rows, err := h.Processes(t.Context())
	must(t, err)
	for _, row := range rows {
		if row.PID == pid {
			return row, !row.Zombie
		}
	}
	return host.Process{}, false
}

func wantGone(t *testing.T, h host.Host, pid int) {
	t.Helper()
	eventually(t, fmt.Sprintf("end of process %d", pid), func() (string, bool) {
		row, alive := find(t, h, pid)
		return fmt.Sprint(row), !alive
	})
}

func runOutput(t *testing.T, h host.Host) {
	res, err := h.Run(within(t, patience), sh("echo out; echo err >&2"))
	must(t, err)
	if string(res.Stdout) != "out\n" || string(res.Stderr) != "err\n" || res.Took <= 0 {
		t.Errorf("got %q, %q, %v", res.Stdout, res.Stderr, res.Took)
	}
}

func runStatus(t *testing.T, h host.Host) {
	res, err := h.Run(within(t, patience), sh("echo kept; echo first >&2; echo why >&2; exit 7"))
	var exit *host.ExitError
	if !errors.As(err, &exit) || exit.Code != 7 || !strings.HasSuffix(err.Error(), ": why") {
		t.Fatalf("got %v, want exit status 7 and the last line of stderr", err)
	}
	if string(res.Stdout) != "kept\n" {
		t.Errorf("stdout beside the error: got %q", res.Stdout)
	}
}

func runSignalled(t *testing.T, h host.Host) {
	_, err := h.Run(within(t, patience), sh("kill -9 $$"))
	var exit *host.ExitError
	if !errors.As(err, &exit) || exit.Code != 137 {
		t.Fatalf("got %v, want exit status 137", err)
	}
}

func runArguments(t *testing.T, h host.Host) {
	want := "$(id);'\"\n * é"
	res, err := h.Run(within(t, patience), sh(`printf %s "$1"`, want))
	must(t, err)
	if string(res.Stdout) != want {
		t.Errorf("got %q, want %q", res.Stdout, want)
	}
}

func runEnvironment(t *testing.T, h host.Host) {
	cmd := host.Command{Args: []string{"/usr/bin/env"}, Env: []string{"EXTRA=1"}, Dir: "/"}
	res, err := h.Run(within(t, patience), cmd)
	must(t, err)
	allowed := map[string]bool{"PATH": true, "HOME": true, "USER": true, "LOGNAME": true, "TMPDIR": true, "EXTRA": true}
	seen := map[string]bool{}
	for line := range strings.Lines(string(res.Stdout)) {
		name, _, _ := strings.Cut(line, "=")
		seen[name] = true
		if !allowed[name] {
			t.Errorf("the runner's %s reached the command", name)
		}
	}
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "EXTRA"} {
		if !seen[name] {
			t.Errorf("%s is not set", name)
		}
	}
}

func runStdin(t *testing.T, h host.Host) {
	res, err := h.Run(within(t, patience), sh("wc -c"))
	must(t, err)
	if strings.TrimSpace(string(res.Stdout)) != "0" {
		t.Errorf("got %q bytes on stdin", res.Stdout)
	}
}

func runDir(t *testing.T, h host.Host) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	cmd := sh("pwd -P")
	cmd.Dir = dir
	res, err := h.Run(within(t, patience), cmd)
	must(t, err)
	if got := strings.TrimSpace(string(res.Stdout)); got != dir {
		t.Errorf("got %q, want %q", got, dir)
	}
}

func runTooMuch(t *testing.T, h host.Host) {
	cmd := sh("while :; do echo 0123456789; done")
	cmd.Out = 1000
	res, err := h.Run(within(t, patience), cmd)
	wantKind(t, err, fault.TooLarge)
	if len(res.Stdout) != 1000 {
		t.Errorf("kept %d bytes, want 1000", len(res.Stdout))
	}
}

func runStderrTail(t *testing.T, h host.Host) {
	res, err := h.Run(within(t, patience), sh("i=0; while [ $i -lt 3000 ]; do echo line$i >&2; i=$((i+1)); done"))
	must(t, err)
	if len(res.Stderr) != 4096 || !strings.HasSuffix(string(res.Stderr), "line2999\n") {
		t.Errorf("kept %d bytes that end in %q", len(res.Stderr), res.Stderr[max(0, len(res.Stderr)-20):])
	}
}

func runKillsGroup(t *testing.T, h host.Host) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := h.Run(ctx, sh(`sleep 1000 & echo $! >"$1"; wait`, pidFile))
		done <- err
	}()
	child := pidIn(t, pidFile)
	cancel()
	wantKind(t, <-done, fault.Cancelled)
	wantGone(t, h, child)
}

func runGrace(t *testing.T, h host.Host) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "ended in order")
	ready := filepath.Join(dir, "pid")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		cmd := sh(`trap 'echo yes >"$2"; exit' TERM; echo $$ >"$1"; while :; do sleep 0.02; done`, ready, mark)
		cmd.Wait = patience
		_, err := h.Run(ctx, cmd)
		done <- err
	}()
	pidIn(t, ready)
	cancel()
	wantKind(t, <-done, fault.Cancelled)
	if _, err := os.Stat(mark); err != nil {
		t.Errorf("the command did not get to end in order: %v", err)
	}
}

func runGraceIgnored(t *testing.T, h host.Host) {
	ready := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		cmd := sh(`trap '' TERM; echo $$ >"$1"; while :; do sleep 0.02; done`, ready)
		cmd.Wait = 50 * time.Millisecond
		_, err := h.Run(ctx, cmd)
		done <- err
	}()
	pid := pidIn(t, ready)
	cancel()
	wantKind(t, <-done, fault.Cancelled)
	wantGone(t, h, pid)
}

func runKeptPipe(t *testing.T, h host.Host) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	res, err := h.Run(within(t, patience), sh(`sleep 1000 & echo $! >"$1"; echo said`, pidFile))
	must(t, err)
	if string(res.Stdout) != "said\n" {
		t.Errorf("got %q", res.Stdout)
	}
	row, alive := find(t, h, pidIn(t, pidFile))
	if !alive {
		t.Fatal("a background child of a command that succeeded was ended")
	}
	must(t, h.Signal(t.Context(), row.ProcessID, 9, false))
	wantGone(t, h, row.PID)
}

func runMissing(t *testing.T, h host.Host) {
	for _, program := range []string{"/no/such/program", "no-such-program"} {
		_, err := h.Run(within(t, patience), host.Command{Args: []string{program}, Dir: "/"})
		wantKind(t, err, fault.Unavailable)
	}
}

func dial(t *testing.T, h host.Host) {
	_, err := h.Dial(within(t, patience), "unix", filepath.Join(t.TempDir(), "nobody.sock"))
	wantKind(t, err, fault.Unavailable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = h.Dial(ctx, "tcp", "127.0.0.1:1")
	wantKind(t, err, fault.Cancelled)
	_, err = h.Dial(t.Context(), "udp", "127.0.0.1:1")
	wantKind(t, err, fault.Internal)
}
