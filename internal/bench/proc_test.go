package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestStatIsReadPastAnyName(t *testing.T) {
	t.Parallel()
	const tail = " S 1 2 3 0 -1 4194560 100 200 0 0 150 25 7 8 20 0 5 0 100 1000 50\n"
	for _, c := range []struct {
		name, line string
		want       time.Duration
	}{
		{"plain name", "42 (runner-android)" + tail, 1750 * time.Millisecond},
		{"name with brackets and spaces", "42 (a) R 1 (b c))" + tail, 1750 * time.Millisecond},
		{"no time yet", "42 (x) S 1 2 3 0 -1 0 0 0 0 0 0 0 0", 0},
	} {
		if got, err := parseStat([]byte(c.line)); err != nil || got != c.want {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	for _, line := range []string{
		"", "42", "42 (x", "42 (x) S 1 2", "42 (x) S 1 2 3 0 -1 0 0 0 0 0 a 0 0", "42 (x) S 1 2 3 0 -1 0 0 0 0 0 -1 0 0",
	} {
		if got, err := parseStat([]byte(line)); err == nil {
			t.Errorf("%q: %v; want an error", line, got)
		}
	}
}

func TestResidentMemoryIsReadInBytes(t *testing.T) {
	t.Parallel()
	got, err := parseResident([]byte("Name:\tx\nVmHWM:\t  9999 kB\nVmRSS:\t    1234 kB\nThreads:\t5\n"))
	if err != nil || got != 1234<<10 {
		t.Errorf("got %d, %v; want %d", got, err, 1234<<10)
	}
	for _, text := range []string{"", "Name:\tx\n", "VmRSS:\t12 MB\n", "VmRSS:\tmany kB\n"} {
		if got, err := parseResident([]byte(text)); err == nil {
			t.Errorf("%q: %d; want an error", text, got)
		}
	}
}

func TestOwnProcessCanBeRead(t *testing.T) {
	t.Parallel()
	if _, err := cpuOf(os.Getpid()); err != nil {
		t.Error(err)
	}
	if n, err := residentOf(os.Getpid()); err != nil || n < 1<<20 {
		t.Errorf("resident %d, %v", n, err)
	}
	if n, err := filesOf(os.Getpid()); err != nil || n < 3 {
		t.Errorf("files %d, %v", n, err)
	}
	if load := loadAverage(); len(strings.Fields(load)) != 3 {
		t.Errorf("load %q", load)
	}
}

func FuzzProc(f *testing.F) {
	f.Add([]byte("42 (a) b) S 1 2 3 0 -1 0 0 0 0 0 150 25 7 8"))
	f.Add([]byte("VmRSS:\t1234 kB\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if cpu, err := parseStat(data); err == nil && cpu < 0 {
			t.Errorf("CPU time %v", cpu)
		}
		if n, err := parseResident(data); err == nil && n < 0 {
			t.Errorf("resident %d", n)
		}
	})
}
