package device

import (
	"testing"

	"github.com/daytonaio/runner-android/internal/host"
)

func TestPSS(t *testing.T) {
	for text, want := range map[string]int{
		"55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss:  9000 kB\nPss:   4194304 kB\nPss_Dirty: 1 kB\n": 4096,
		"Rss: 1 kB\n": 0, "": 0, "Pss: many kB\n": 0, "Pss: -5 kB\n": 0, "Pss: 5 pages\n": 0,
	} {
		if got := parsePSS([]byte(text)); got != want {
			t.Errorf("%q: %d MiB; want %d", text, got, want)
		}
	}
}

func TestAncestor(t *testing.T) {
	proc := func(pid, ppid int, exe string) host.Process {
		return host.Process{ProcessID: host.ProcessID{PID: pid}, PPID: ppid, Exe: exe}
	}
	vm := proc(40, 30, "crosvm")
	looping := proc(50, 51, "x")
	t0 := table{procs: map[int]host.Process{}}
	for _, p := range []host.Process{proc(1, 0, "init"), proc(20, 1, "run_cvd"), proc(30, 20, "process_restarter"), vm, looping, proc(51, 50, "y")} {
		t0.procs[p.PID] = p
	}
	if got := t0.ancestor(vm, "run_cvd"); got != 20 {
		t.Errorf("launcher of crosvm: %d; want 20", got)
	}
	if got := t0.ancestor(looping, "run_cvd"); got != 0 {
		t.Errorf("a loop ends: got %d; want 0", got)
	}
}
