package proctable

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ID names a process beyond the reuse of its pid.
type ID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // field 22 of /proc/PID/stat, clock ticks since boot
}

// Process is one row of the process table.
type Process struct {
	ID
	PPID  int
	PGID  int
	State byte   // as in /proc/PID/stat: 'R', 'S', 'Z', …
	Exe   string // path of the executable; empty for zombies and other users' processes
	Args  []string
}

func procDir(pid int) string { return fmt.Sprintf("/proc/%d", pid) }

// Read returns the process with that pid.
func Read(pid int) (Process, bool) {
	dir := procDir(pid)
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Process{}, false
	}
	// The command name is in parentheses and may hold anything, so count from the last one.
	_, rest, ok := strings.Cut(string(stat[max(0, bytes.LastIndexByte(stat, ')')):]), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return Process{}, false
	}
	p := Process{ID: ID{PID: pid}, State: fields[0][0]}
	p.PPID, _ = strconv.Atoi(fields[1])
	p.PGID, _ = strconv.Atoi(fields[2])
	if p.Start, err = strconv.ParseUint(fields[19], 10, 64); err != nil {
		return Process{}, false
	}
	if exe, err := os.Readlink(filepath.Join(dir, "exe")); err == nil {
		p.Exe = strings.TrimSuffix(exe, " (deleted)")
	}
	if cmdline, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && len(cmdline) > 0 {
		p.Args = strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")
	}
	return p, true
}

// List returns all processes that are visible.
func List() []Process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []Process
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if p, ok := Read(pid); ok {
				all = append(all, p)
			}
		}
	}
	return all
}

// Below returns the processes, other than the caller, whose executable lies below dir.
func Below(dir string) []Process {
	var found []Process
	for _, p := range List() {
		if p.PID != os.Getpid() && within(p.Exe, dir) {
			found = append(found, p)
		}
	}
	return found
}

// Holders returns the caller's user's processes, other than the caller, that have a file below one
// of dirs open or work in one: what "lsof +D" lists.
func Holders(dirs ...string) []Process {
	var found []Process
	for _, p := range List() {
		if p.PID != os.Getpid() && p.State != 'Z' && p.holds(dirs) {
			found = append(found, p)
		}
	}
	return found
}

func (p Process) holds(dirs []string) bool {
	dir := procDir(p.PID)
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return false // gone, or another user's
	}
	links := []string{filepath.Join(dir, "cwd")}
	for _, fd := range fds {
		links = append(links, filepath.Join(dir, "fd", fd.Name()))
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			continue
		}
		target = strings.TrimSuffix(target, " (deleted)")
		for _, d := range dirs {
			if within(target, d) {
				return true
			}
		}
	}
	return false
}

// Environ returns the environment of the process, nil when it cannot be read.
func (p Process) Environ() []string {
	data, err := os.ReadFile(filepath.Join(procDir(p.PID), "environ"))
	if err != nil || len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

// Alive reports whether the very process still runs; a zombie does not.
func (id ID) Alive() bool {
	p, ok := Read(id.PID)
	return ok && p.Start == id.Start && p.State != 'Z'
}

// Signal sends sig to the process if it is still the same one.
func (id ID) Signal(sig unix.Signal) {
	if id.Alive() {
		_ = unix.Kill(id.PID, sig) // it may have ended since
	}
}

// End kills processes and waits until none of them runs.
func End(procs []Process, limit time.Duration) error {
	for _, p := range procs {
		p.Signal(unix.SIGKILL)
	}
	return AwaitGone(procs, limit)
}

// AwaitGone waits until none of the processes runs.
func AwaitGone(procs []Process, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for _, p := range procs {
		for p.Alive() {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d (%s) still runs after %s", p.PID, p.Exe, limit)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	return nil
}

func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
