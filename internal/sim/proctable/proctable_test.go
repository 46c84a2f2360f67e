package proctable_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/proctable"
)

// sleeper starts a copy of sleep below dir, working in dir/cwd.
func sleeper(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("skipped: needs sleep")
	}
	name := filepath.Join(dir, "odd (name) ")
	// Copied by another process: a file that is open for writing here would be so in what other tests start meanwhile, and
	// then it cannot be run (ETXTBSY).
	if out, err := exec.Command("cp", program, name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(name, "600")
	cmd.Dir = filepath.Join(dir, "cwd")
	cmd.Env = []string{"MARK=here"}
	if err := os.Mkdir(cmd.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func find(procs []proctable.Process, pid int) *proctable.Process {
	for i := range procs {
		if procs[i].PID == pid {
			return &procs[i]
		}
	}
	return nil
}

func TestAProcessIsFoundByItsExecutableAndItsFiles(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := sleeper(t, dir)
	p := find(proctable.Below(dir), cmd.Process.Pid)
	if p == nil || !strings.HasSuffix(p.Exe, "odd (name) ") || p.PPID != os.Getpid() || !slices.Equal(p.Args[1:], []string{"600"}) {
		t.Fatalf("got %+v", p)
	}
	if !slices.Contains(p.Environ(), "MARK=here") {
		t.Errorf("environment %q", p.Environ())
	}
	if find(proctable.Holders(filepath.Join(dir, "cwd")), cmd.Process.Pid) == nil {
		t.Error("its working directory is not seen as held")
	}
	if find(proctable.Holders(filepath.Join(dir, "cw")), cmd.Process.Pid) != nil {
		t.Error("a directory with a similar name is seen as held")
	}
	if find(proctable.Below(dir[:len(dir)-1]), cmd.Process.Pid) != nil {
		t.Error("it is found below a directory with a similar name")
	}
}

func TestAnotherProcessWithTheSamePidIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := sleeper(t, dir)
	p, ok := proctable.Read(cmd.Process.Pid)
	if !ok {
		t.Fatal("not found")
	}
	other := proctable.ID{PID: p.PID, Start: p.Start + 1}
	other.Signal(unix.SIGKILL)
	if other.Alive() || !p.Alive() {
		t.Fatal("the start time was not looked at")
	}
	if err := proctable.AwaitGone([]proctable.Process{p}, 10*time.Millisecond); err == nil {
		t.Error("a running process counted as gone")
	}
	if err := proctable.End([]proctable.Process{p}, 5*time.Second); err != nil {
		t.Error(err)
	}
}
