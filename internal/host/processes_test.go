package host

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// numbered is a stat line whose fields from 3 on are their own numbers, but for the state.
func numbered(comm, state string) string {
	line := "42 (" + comm + ") " + state
	for _, n := range strings.Fields("4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24") {
		line += " " + n
	}
	return line + "\n"
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	for _, comm := range []string{"crosvm", "a b", "a) R 1 (b", "", "\xff)"} {
		got, err := parseStat([]byte(numbered(comm, "S")))
		want := stat{comm: comm, state: 'S', ppid: 4, pgid: 5, start: 22}
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", comm, got, err, want)
		}
	}
	for _, bad := range []string{"", "42", "42 (x", "42 )x(", "42 (x) S 1 2", numbered("x", "SS"), strings.Replace(numbered("x", "S"), " 22 ", " -22 ", 1)} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, got)
		}
	}
	if z, _ := parseStat([]byte(numbered("x", "Z"))); !z.zombie() {
		t.Error("Z is not a zombie")
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte(numbered("crosvm", "S")))
	f.Add([]byte("1 () Z"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseStat(data)
		if err == nil && !strings.Contains(string(data), "("+s.comm+")") {
			t.Errorf("name %q is not in %q", s.comm, data)
		}
	})
}

func TestSplitNUL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"": nil, "a\x00": {"a"}, "a\x00\x00b\x00": {"a", "", "b"}, "a": {"a"}, "\x00": {""},
	} {
		if got := splitNUL([]byte(in)); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestAwaitByPolling(t *testing.T) {
	t.Parallel()
	c := exec.Command("sleep", "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	row, err := readStat(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	id := ProcessID{PID: c.Process.Pid, Start: row.start}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := awaitPolling(short, id); !fault.Is(err, fault.Timeout) {
		t.Errorf("while it lives: got %v, want Timeout", err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := awaitPolling(t.Context(), id); err != nil { // as a zombie
		t.Error(err)
	}
	_ = c.Wait()
	if err := awaitPolling(t.Context(), id); err != nil {
		t.Error(err)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	if wrap("x", nil) != nil {
		t.Error("nil became an error")
	}
	for _, k := range kinds {
		err := wrap("", &os.PathError{Op: "open", Path: "/x", Err: k.errno})
		if !fault.Is(err, k.kind) || !errors.Is(err, k.errno) {
			t.Errorf("%v: got kind %v, want %v", k.errno, fault.KindOf(err), k.kind)
		}
	}
	if got := fault.KindOf(wrap("", os.ErrPermission)); got != fault.Internal {
		t.Errorf("permission: got %v", got)
	}
	if got := fault.KindOf(wrap("", fault.Conflictf("kept"))); got != fault.Conflict {
		t.Errorf("an error with a kind: got %v", got)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	var all []byte
	tl := &tail{limit: 10}
	for i := range 100 {
		chunk := []byte(strings.Repeat(string(rune('a'+i%26)), i%23))
		all = append(all, chunk...)
		if n, err := tl.Write(chunk); n != len(chunk) || err != nil {
			t.Fatal(n, err)
		}
		if want := all[max(0, len(all)-10):]; string(tl.bytes()) != string(want) || len(tl.buf) > 20 {
			t.Fatalf("got %q of %d bytes, want %q", tl.bytes(), len(tl.buf), want)
		}
	}
}
