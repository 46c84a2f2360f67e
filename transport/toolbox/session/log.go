package session

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/daytonaio/runner-android/internal/adb"
)

const (
	// maxLine is the longest line that stays in one piece.
	maxLine = 1 << 20
	// markSize is how long the mark before a line is.
	markSize = 3
	// floor is what a log keeps, however much its sandbox holds.
	floor = 64 << 10
)

// marks stand before each line of a log and say which stream it is of; Daytona's clients know them.
var marks = [...]string{adb.Stdout: "\x01\x01\x01", adb.Stderr: "\x02\x02\x02"}

// log holds the last lines of a command's output: each with its mark and a newline. Safe for
// concurrent use.
type log struct {
	limit  int
	budget *budget

	mu      sync.Mutex
	buf     []byte // whole lines; those before head are dropped
	head    int
	start   int64              // where head is in all that was ever logged
	dropped int64              // lines before start
	partial [len(marks)][]byte // lines that have not ended
	changed chan struct{}      // closed when something is added; then replaced
}

func newLog(limit int, b *budget) *log {
	return &log{limit: limit, budget: b, changed: make(chan struct{})}
}

// write adds output of one stream. A line shows when it has ended.
func (l *log) write(stream int, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(data) > 0 {
		line, rest, ended := bytes.Cut(data, []byte("\n"))
		part := &l.partial[stream]
		room := maxLine - len(*part)
		switch {
		case len(line) > room:
			line, rest = data[:room], data[room:] // the line ends here
			fallthrough
		case ended && len(*part) > 0:
			*part = append(*part, line...)
			line = *part
			*part = (*part)[:0]
			fallthrough
		case ended:
			l.add(stream, line)
		default:
			*part = append(*part, line...)
		}
		data = rest
	}
}

// lines adds whole lines at once, between those that come in pieces.
func (l *log) lines(stream int, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines([]byte(text)) {
		l.add(stream, bytes.TrimSuffix(line, []byte("\n")))
	}
}

// flush ends the lines that have not ended.
func (l *log) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for stream, line := range l.partial {
		if len(line) > 0 {
			l.add(stream, line)
		}
		l.partial[stream] = nil
	}
}

// add needs the lock.
func (l *log) add(stream int, line []byte) {
	size := markSize + len(line) + 1
	l.buf = append(append(append(l.buf, marks[stream]...), line...), '\n')
	over := l.budget.add(size)
	kept := len(l.buf) - l.head
	for kept > size && (kept > l.limit || over > 0 && kept > floor) {
		n := bytes.IndexByte(l.buf[l.head:], '\n') + 1
		l.head, l.start, kept = l.head+n, l.start+int64(n), kept-n
		l.dropped++
		over -= n
		l.budget.add(-n)
	}
	if l.head > 0 && l.head >= kept {
		l.buf = l.buf[:copy(l.buf, l.buf[l.head:])]
		l.head = 0
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// forget gives back what the log counted for; it goes on for who reads it still.
func (l *log) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budget.add(-(len(l.buf) - l.head))
	l.budget = nil
}

// reader is a place in a log. The zero value is its beginning.
type reader struct {
	at    int64 // in all that was ever logged
	lines int64 // before at
}

// read appends whole lines from r on to dst, one at least if there is one, and about size bytes. Lines
// that were dropped before they were read are counted in a line of their own. changed is closed
// when there is more than there was.
func (l *log) read(dst []byte, r *reader, size int) (text []byte, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.at < l.start {
		dst = fmt.Appendf(dst, "%s[%d lines were dropped here: %d bytes are kept]\n", marks[adb.Stderr], l.dropped-r.lines, l.limit)
		r.at, r.lines = l.start, l.dropped
	}
	rest := l.buf[l.head+int(r.at-l.start):]
	for taken := 0; len(rest) > 0 && taken < size; {
		n := bytes.IndexByte(rest, '\n') + 1
		dst = append(dst, rest[:n]...)
		rest = rest[n:]
		taken += n
		r.at += int64(n)
		r.lines++
	}
	return dst, l.changed
}

// all is what the log holds now.
func (l *log) all() []byte {
	text, _ := l.read(nil, new(reader), l.limit+maxLine)
	return text
}

// strip takes the marks off whole lines, in place.
func strip(text []byte) []byte {
	out := text[:0]
	for line := range bytes.Lines(text) {
		out = append(out, line[markSize:]...)
	}
	return out
}

// split returns the lines of each stream, without marks.
func split(text []byte) (stdout, stderr []byte) {
	for line := range bytes.Lines(text) {
		if string(line[:markSize]) == marks[adb.Stderr] {
			stderr = append(stderr, line[markSize:]...)
		} else {
			stdout = append(stdout, line[markSize:]...)
		}
	}
	return stdout, stderr
}

// budget is what all logs of a sandbox may hold together. A nil one counts nothing.
type budget struct {
	limit int

	mu   sync.Mutex
	used int
}

// add counts n bytes and returns how many there are over the limit.
func (b *budget) add(n int) (over int) {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
	return b.used - b.limit
}
