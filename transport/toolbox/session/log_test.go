package session

import (
	"fmt"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/adb"
)

// Ensure lines are whole, marked and in the order in which they ended, however they came.
func TestLog(t *testing.T) {
	t.Parallel()
	l := newLog(1<<20, nil)
	l.write(adb.Stdout, []byte("a\nb"))
	l.write(adb.Stderr, []byte("e"))
	l.write(adb.Stdout, []byte("c\n\n"))
	l.lines(adb.Stdout, "in\n")
	l.write(adb.Stdout, []byte("last"))
	l.flush()
	const o, e = "\x01\x01\x01", "\x02\x02\x02"
	if got, want := string(l.all()), o+"a\n"+o+"bc\n"+o+"\n"+o+"in\n"+o+"last\n"+e+"e\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := string(strip(l.all())); got != "a\nbc\n\nin\nlast\ne\n" {
		t.Errorf("without marks: %q", got)
	}
	out, err := split(l.all())
	if string(out) != "a\nbc\n\nin\nlast\n" || string(err) != "e\n" {
		t.Errorf("by stream: %q %q", out, err)
	}
}

// Ensure a log keeps its last lines, and says to each reader how many it has not seen.
func TestLogDropsItsFirstLines(t *testing.T) {
	t.Parallel()
	l := newLog(100, nil)
	var early reader
	l.write(adb.Stdout, []byte("0\n1\n"))
	l.read(nil, &early, 1) // one line
	for i := range 1000 {
		l.write(adb.Stdout, fmt.Appendf(nil, "line %d\n", i))
	}
	const notice = "\x02\x02\x02[%d lines were dropped here: 100 bytes are kept]\n"
	got := string(l.all())
	kept := strings.Count(got, "line ") - 0
	if want := fmt.Sprintf(notice, 1002-kept); kept == 0 || !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "line 999\n") {
		t.Errorf("got %q, want %q first", got, want)
	}
	text, _ := l.read(nil, &early, 1<<20)
	if want := fmt.Sprintf(notice, 1001-kept); !strings.HasPrefix(string(text), want) {
		t.Errorf("got %q, want %q first", text, want)
	}
	if text, _ := l.read(nil, &early, 1<<20); len(text) > 0 {
		t.Errorf("read again: %q", text)
	}
	if cap(l.buf) > 1<<10 {
		t.Errorf("the log holds %d bytes", cap(l.buf))
	}
}

func TestLogWithoutNewlines(t *testing.T) {
	t.Parallel()
	l := newLog(10*maxLine, nil)
	for range 5 {
		l.write(adb.Stdout, make([]byte, maxLine/2))
	}
	l.flush()
	if got := len(l.all()); got != 5*maxLine/2+3*(markSize+1) {
		t.Errorf("%d bytes", got)
	}
}

// Ensure all logs of a sandbox together keep to their budget, and give back what they held.
func TestLogsShareABudget(t *testing.T) {
	t.Parallel()
	b := &budget{limit: 4 * floor}
	var logs []*log
	for range 8 {
		l := newLog(1<<30, b)
		for range 1 << 10 {
			l.write(adb.Stdout, make([]byte, 1<<9))
			l.write(adb.Stdout, []byte("\n"))
		}
		logs = append(logs, l)
	}
	if b.used > 12*floor {
		t.Errorf("%d bytes used of %d", b.used, b.limit)
	}
	for _, l := range logs {
		l.forget()
		l.write(adb.Stdout, []byte("more\n"))
	}
	if b.used != 0 {
		t.Errorf("%d bytes are still counted", b.used)
	}
}
