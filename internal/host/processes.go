package host

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	maxCmdline = 128 << 10
	maxEnviron = 1 << 20
)

// Processes reads /proc once; see [Host]. Kernel threads are rows without Args.
func (l *Local) Processes(ctx context.Context) ([]Process, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, wrap("read the process table", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, wrap("read the process table", err)
	}
	rows := make([]Process, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue // not a process
		}
		if ctx.Err() != nil {
			return nil, ended(ctx, "read the process table")
		}
		if row, ok := readProcess(pid); ok {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// readProcess reads one row; ok is false when the process vanished meanwhile.
func readProcess(pid int) (p Process, ok bool) {
	row, err := readStat(pid)
	if err != nil {
		return Process{}, false
	}
	var st syscall.Stat_t
	// The directory's owner is the effective user whatever the process may hide; that of the
	// files below it is root for processes that are not dumpable (proc(5)).
	if err := syscall.Stat(procPath(pid, ""), &st); err != nil {
		return Process{}, false
	}
	p = Process{
		ProcessID: ProcessID{PID: pid, Start: row.start},
		PPID:      row.ppid,
		PGID:      row.pgid,
		UID:       int(st.Uid),
		Zombie:    row.zombie(),
		Exe:       row.comm,
	}
	cmdline, err := readProc(procPath(pid, "cmdline"), maxCmdline)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return Process{}, false
	}
	if p.Args = splitNUL(cmdline); len(p.Args) > 0 {
		p.Exe = executable(pid, p.Args[0])
	}
	return p, true
}

// executable is the base name of the running program. The link needs the right to trace the
// process; it goes on naming a file that was replaced, with a remark behind it.
func executable(pid int, arg0 string) string {
	link, err := os.Readlink(procPath(pid, "exe"))
	if err != nil {
		return filepath.Base(arg0)
	}
	return filepath.Base(strings.TrimSuffix(link, " (deleted)"))
}

// Environ returns the environment of one process; see [Host].
func (l *Local) Environ(ctx context.Context, id ProcessID) ([]string, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx, "read a process's environment")
	}
	data, err := readProc(procPath(id.PID, "environ"), maxEnviron)
	if err != nil || !alive(id) {
		return nil, nil // gone, another's, or not readable: all of them say nothing
	}
	return splitNUL(data), nil
}

func procPath(pid int, file string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + file
}

// splitNUL splits what the kernel joined with NUL bytes; empty arguments stay.
func splitNUL(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}

// stat is the part of /proc/<pid>/stat that is used here.
type stat struct {
	comm       string // at most 15 bytes of the name
	state      byte
	ppid, pgid int
	start      uint64
}

func (s stat) zombie() bool { return s.state == 'Z' || s.state == 'X' }

// readStat is NotFound when there is no such process.
func readStat(pid int) (stat, error) {
	data, err := readProc(procPath(pid, "stat"), 4<<10)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, os.ErrNotExist) {
		return stat{}, fault.NotFoundf("process %d is gone", pid)
	}
	if err != nil {
		return stat{}, wrap("", err)
	}
	return parseStat(data)
}

// parseStat reads fields 2 to 5 and 22 (proc(5)). The name stands in parentheses and may hold
// any byte, parentheses too, so the last one ends it.
func parseStat(data []byte) (stat, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return stat{}, fault.Internalf("process table: no name in %q", clip(data))
	}
	s := stat{comm: string(data[open+1 : end])}
	fields := strings.Fields(string(data[end+1:])) // from field 3
	if len(fields) < 20 || len(fields[0]) != 1 {
		return stat{}, fault.Internalf("process table: too few fields in %q", clip(data))
	}
	s.state = fields[0][0]
	var errs [3]error
	s.ppid, errs[0] = strconv.Atoi(fields[1])
	s.pgid, errs[1] = strconv.Atoi(fields[2])
	s.start, errs[2] = strconv.ParseUint(fields[19], 10, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return stat{}, fault.Wrap(fault.Internal, "process table", err)
	}
	return s, nil
}

func clip(b []byte) []byte { return b[:min(len(b), 80)] }

// readProc reads at most limit bytes of a file of /proc, which has no size to go by. It makes
// the system calls itself: package os would register every one of some thousand files with
// the poller, which costs more than reading them.
func readProc(path string, limit int) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }() // it was only read
	buf := make([]byte, min(limit, 1<<10))
	for n := 0; ; {
		got, err := unix.Read(fd, buf[n:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		n += got
		if got == 0 || n == limit {
			return buf[:n], nil
		}
		if n == len(buf) {
			buf = append(buf, make([]byte, min(len(buf), limit-len(buf)))...)
		}
	}
}
