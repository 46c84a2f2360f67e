package hosttest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// launch starts a script with its output in a fresh directory, and sees to its end.
func launch(t *testing.T, h host.Host, cmd host.Command) (id host.ProcessID, dir string) {
	t.Helper()
	dir = t.TempDir()
	id, err := h.Launch(t.Context(), cmd, filepath.Join(dir, "out"), filepath.Join(dir, "err"))
	must(t, err)
	t.Cleanup(func() { _ = h.Signal(t.Context(), id, syscall.SIGKILL, true) })
	return id, dir
}

func finish(t *testing.T, h host.Host, id host.ProcessID) {
	t.Helper()
	must(t, h.Signal(t.Context(), id, syscall.SIGKILL, true))
	_, err := h.Await(within(t, patience), id)
	must(t, err)
}

func launchStatus(t *testing.T, h host.Host) {
	id, dir := launch(t, h, sh("echo out; echo err >&2; exit 3"))
	if id.PID <= 1 || id.Start == 0 {
		t.Errorf("got id %v", id)
	}
	code, err := h.Await(within(t, patience), id)
	must(t, err)
	if code != 3 {
		t.Errorf("got status %d, want 3", code)
	}
	if code, err := h.Await(within(t, patience), id); code != host.ExitUnknown || err != nil {
		t.Errorf("asked again: got %d, %v, want ExitUnknown", code, err)
	}
	for name, want := range map[string]string{"out": "out\n", "err": "err\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func launchAppends(t *testing.T, h host.Host) {
	file := filepath.Join(t.TempDir(), "log")
	for range 2 {
		id, err := h.Launch(t.Context(), sh("echo line; echo line >&2"), file, file)
		must(t, err)
		_, err = h.Await(within(t, patience), id)
		must(t, err)
	}
	if got, _ := os.ReadFile(file); strings.Count(string(got), "line\n") != 4 {
		t.Errorf("got %q, want four lines", got)
	}
	_, err := h.Launch(t.Context(), sh(":"), filepath.Join(file, "x"), file)
	wantKind(t, err, fault.NotFound)
}

func launchGroup(t *testing.T, h host.Host) {
	id, dir := launch(t, h, sh("sleep 1000 & echo $!; wait"))
	child := pidIn(t, filepath.Join(dir, "out"))
	row, _ := find(t, h, id.PID)
	if row.PGID != id.PID || row.ProcessID != id {
		t.Errorf("got row %+v, want a group leader %v", row, id)
	}
	must(t, h.Signal(t.Context(), id, syscall.SIGKILL, true))
	code, err := h.Await(within(t, patience), id)
	must(t, err)
	if code != 137 {
		t.Errorf("got status %d, want 137", code)
	}
	wantGone(t, h, child)
}

func awaitGone(t *testing.T, h host.Host) {
	for _, id := range []host.ProcessID{{PID: 1 << 29, Start: 1}, {PID: os.Getpid(), Start: 1}} {
		code, err := h.Await(within(t, patience), id)
		if code != host.ExitUnknown || err != nil {
			t.Errorf("%v: got %d, %v, want ExitUnknown", id, code, err)
		}
	}
}

func awaitTimeout(t *testing.T, h host.Host) {
	id, _ := launch(t, h, sh("sleep 1000"))
	_, err := h.Await(within(t, 10*time.Millisecond), id)
	wantKind(t, err, fault.Timeout)
	finish(t, h, id)
}

// awaitForeign waits for a grandchild: no host can have its status.
func awaitForeign(t *testing.T, h host.Host) {
	id, dir := launch(t, h, sh("sleep 1000 & echo $!; wait"))
	row, alive := find(t, h, pidIn(t, filepath.Join(dir, "out")))
	if !alive {
		t.Fatal("the grandchild is not in the process table")
	}
	_, err := h.Await(within(t, 10*time.Millisecond), row.ProcessID)
	wantKind(t, err, fault.Timeout)
	done := make(chan error, 1)
	go func() {
		_, err := h.Await(within(t, patience), row.ProcessID)
		done <- err
	}()
	must(t, h.Signal(t.Context(), row.ProcessID, syscall.SIGTERM, false))
	must(t, <-done)
	finish(t, h, id)
}

func signalReused(t *testing.T, h host.Host) {
	id, _ := launch(t, h, sh("sleep 1000"))
	former := host.ProcessID{PID: id.PID, Start: id.Start - 1}
	must(t, h.Signal(t.Context(), former, syscall.SIGKILL, false))
	must(t, h.Signal(t.Context(), former, syscall.SIGKILL, true))
	if _, alive := find(t, h, id.PID); !alive {
		t.Error("a stranger with the same pid was killed")
	}
	finish(t, h, id)
}

func signalGone(t *testing.T, h host.Host) {
	must(t, h.Signal(t.Context(), host.ProcessID{PID: 1 << 29, Start: 1}, syscall.SIGKILL, false))
	must(t, h.Signal(t.Context(), host.ProcessID{PID: 1 << 29, Start: 1}, syscall.SIGKILL, true))
}

func signalInit(t *testing.T, h host.Host) {
	for _, pid := range []int{1, 0, -1} {
		wantKind(t, h.Signal(t.Context(), host.ProcessID{PID: pid, Start: 1}, syscall.SIGKILL, true), fault.Internal)
	}
}

func processesExact(t *testing.T, h host.Host) {
	cmd := sh("sleep 1000 & echo $!; wait", "a b", "", "--socket=/x/cvd-1")
	id, dir := launch(t, h, cmd)
	pidIn(t, filepath.Join(dir, "out"))
	row, _ := find(t, h, id.PID)
	if !slices.Equal(row.Args, cmd.Args) {
		t.Errorf("got arguments %q, want %q", row.Args, cmd.Args)
	}
	if row.Exe == "" || row.PPID <= 0 || row.UID < 0 {
		t.Errorf("got row %+v", row)
	}
	finish(t, h, id)
}

func environ(t *testing.T, h host.Host) {
	cmd := sh("sleep 1000 & echo $!; wait")
	cmd.Env = []string{"CUTTLEFISH_INSTANCE=7"}
	id, dir := launch(t, h, cmd)
	pidIn(t, filepath.Join(dir, "out"))
	env, err := h.Environ(t.Context(), id)
	must(t, err)
	if !slices.Contains(env, "CUTTLEFISH_INSTANCE=7") {
		t.Errorf("got %q", env)
	}
	finish(t, h, id)
	if env, err := h.Environ(t.Context(), id); env != nil || err != nil {
		t.Errorf("of a process that is gone: got %q, %v", env, err)
	}
}
