package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ is 100 on every architecture that Go's
// Linux port has (proc(5), sysconf(_SC_CLK_TCK)).
const clockTick = time.Second / 100

// cpuOf returns the CPU time that the living process used so far, children left out.
func cpuOf(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(data)
}

// parseStat adds user and system time, fields 14 and 15 of proc(5)'s stat. The name, field 2,
// is in brackets and may hold anything, brackets and spaces too.
func parseStat(data []byte) (time.Duration, error) {
	_, rest, found := bytes.Cut(data, []byte("("))
	end := bytes.LastIndexByte(rest, ')')
	if !found || end < 0 {
		return 0, errors.New("/proc/PID/stat has no name in brackets")
	}
	fields := strings.Fields(string(rest[end+1:])) // from field 3 on
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields after the name", len(fields))
	}
	var ticks uint64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseUint(field, 10, 48)
		if err != nil {
			return 0, fmt.Errorf("CPU time in /proc/PID/stat: %w", err)
		}
		ticks += n
	}
	if ticks > uint64(1<<62)/uint64(clockTick) {
		return 0, fmt.Errorf("CPU time in /proc/PID/stat: %d ticks are too many", ticks)
	}
	return time.Duration(ticks) * clockTick, nil
}

// residentOf returns the resident memory of the process in bytes.
func residentOf(pid int) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseResident(data)
}

// parseResident finds the line "VmRSS:  1234 kB" of proc(5)'s status.
func parseResident(data []byte) (int64, error) {
	for line := range strings.Lines(string(data)) {
		value, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			continue
		}
		value, ok = strings.CutSuffix(strings.TrimSpace(value), " kB")
		kib, err := strconv.ParseUint(strings.TrimSpace(value), 10, 48)
		if !ok || err != nil {
			return 0, fmt.Errorf("VmRSS in /proc/PID/status: %q", strings.TrimSpace(line))
		}
		return int64(kib) << 10, nil
	}
	return 0, errors.New("/proc/PID/status has no VmRSS: has the process ended?")
}

// filesOf counts the open files of the process.
func filesOf(pid int) (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries), err
}

// loadAverage returns the first three fields of /proc/loadavg, "?" where it cannot be read.
func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(data))
	if err != nil || len(fields) < 3 {
		return "?"
	}
	return strings.Join(fields[:3], " ")
}
