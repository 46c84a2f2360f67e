package tty

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Modes are the switches of a terminal that stty knows.
type Modes struct {
	Canonical bool // icanon: whole lines, with editing
	Echo      bool
	Signals   bool // isig: ^C and ^\
	CRToNL    bool // icrnl
	Post      bool // opost, onlcr: NL goes out as CR NL
}

// Cooked is how a terminal starts.
var Cooked = Modes{Canonical: true, Echo: true, Signals: true, CRToNL: true, Post: true}

// Options are what a terminal is connected to.
type Options struct {
	Rows, Cols int
	// In takes what programs will read; Programs is the other end, which they read from.
	In, Programs *os.File
	// Out shows bytes to the person. It may be called from several goroutines.
	Out io.Writer
	// Signal is called for ^C (SIGINT) and ^\ (SIGQUIT), and for a change of size (SIGWINCH).
	Signal func(sig int)
}

// Terminal is a line discipline. It is safe for concurrent use.
type Terminal struct {
	o Options

	mu      sync.Mutex
	modes   Modes
	rows    int
	cols    int
	line    []byte  // being edited
	quoted  bool    // ^V came before
	sent    int64   // bytes given to programs so far
	ends    []int64 // marks of ^D: how much was sent before each
	readers map[*os.File]int
}

// maxPending is what programs may leave unread before keystrokes are dropped, like the kernel's.
const maxPending = 64 << 10

// maxLine is how long a line may be.
const maxLine = 4095

const (
	sigINT   = 2
	sigQUIT  = 3
	sigWINCH = 28
)

// New makes a terminal in cooked mode.
func New(o Options) *Terminal {
	t := &Terminal{o: o, modes: Cooked, readers: map[*os.File]int{}}
	t.rows, t.cols = sane(o.Rows, o.Cols)
	return t
}

func sane(rows, cols int) (int, int) { return min(max(rows, 0), 65535), min(max(cols, 0), 65535) }

// Size is the window's size in characters.
func (t *Terminal) Size() (rows, cols int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows, t.cols
}

// Resize changes the window's size and tells the programs.
func (t *Terminal) Resize(rows, cols int) {
	t.mu.Lock()
	before := [2]int{t.rows, t.cols}
	t.rows, t.cols = sane(rows, cols)
	changed := before != [2]int{t.rows, t.cols}
	t.mu.Unlock()
	if changed {
		t.o.Signal(sigWINCH)
	}
}

// Modes and SetModes are tcgetattr and tcsetattr.
func (t *Terminal) Modes() Modes {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.modes
}

// SetModes changes the modes; what was typed of a line stays in it.
func (t *Terminal) SetModes(m Modes) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.modes = m
}

// Input takes keystrokes. It may wait for Out.
func (t *Terminal) Input(p []byte) {
	for _, b := range p {
		t.key(b)
	}
}

func (t *Terminal) key(b byte) {
	t.mu.Lock()
	m := t.modes
	quoted := t.quoted
	t.quoted = false
	var echo, ready []byte
	sig := 0
	if b == '\r' && m.CRToNL && !quoted {
		b = '\n'
	}
	switch {
	case m.Signals && !quoted && (b == 0x03 || b == 0x1c):
		t.line = t.line[:0]
		sig = sigINT
		echo = []byte("^C")
		if b == 0x1c {
			sig, echo = sigQUIT, []byte("^\\")
		}
	case !m.Canonical:
		ready, echo = []byte{b}, shown(b)
	case quoted:
		echo = t.add(b)
	case b == 0x16:
		t.quoted = true
	case b == 0x04:
		t.end()
	case b == 0x7f || b == 0x08:
		echo = t.rub(1)
	case b == 0x15:
		echo = t.rub(len(t.line))
	case b == 0x17:
		echo = t.rub(lastWord(t.line))
	case b == '\n':
		ready, echo = append(slices.Clone(t.line), '\n'), []byte{'\n'}
		t.line = t.line[:0]
	default:
		echo = t.add(b)
	}
	if !m.Echo {
		echo = nil
	}
	t.mu.Unlock()
	if len(echo) > 0 {
		t.Write(echo)
	}
	if len(ready) > 0 { // behind its echo, which is on the screen before whoever reads it can answer
		t.mu.Lock()
		t.send(ready)
		t.mu.Unlock()
	}
	if sig != 0 {
		t.o.Signal(sig)
	}
}

func (t *Terminal) add(b byte) []byte {
	if len(t.line) >= maxLine {
		return []byte{7}
	}
	t.line = append(t.line, b)
	return shown(b)
}

// shown is how a keystroke is echoed.
func shown(b byte) []byte {
	if b < 0x20 && b != '\n' && b != '\t' {
		return []byte{'^', b + 0x40}
	}
	return []byte{b}
}

// rub takes the last n bytes of the line away, at least a whole character.
func (t *Terminal) rub(n int) (echo []byte) {
	for n > 0 && len(t.line) > 0 {
		_, size := utf8.DecodeLastRune(t.line)
		last := t.line[len(t.line)-size]
		t.line = t.line[:len(t.line)-size]
		n -= size
		for range len(shown(last)) {
			echo = append(echo, "\b \b"...)
		}
	}
	return echo
}

func lastWord(line []byte) int {
	kept := bytes.TrimRight(line, " \t")
	return len(line) - 1 - bytes.LastIndexAny(kept, " \t")
}

// send gives bytes to the programs; the lock is held. What they do not read in time is lost.
func (t *Terminal) send(p []byte) {
	if waiting(t.o.Programs) > maxPending {
		return
	}
	t.o.In.SetWriteDeadline(time.Now().Add(time.Second))
	n, _ := t.o.In.Write(p)
	t.sent += int64(n)
}

// end is ^D: the line so far, or the end of input for the next reader.
func (t *Terminal) end() {
	if len(t.line) > 0 {
		t.send(t.line)
		t.line = t.line[:0]
		return
	}
	if len(t.ends) < 64 {
		t.ends = append(t.ends, t.sent)
	}
	for f := range t.readers {
		f.SetReadDeadline(time.Unix(1, 0))
	}
}

// Read reads from f, a descriptor of this terminal, until ctx is done. Ends of input are io.EOF,
// once each.
func (t *Terminal) Read(ctx context.Context, f *os.File, p []byte, read func([]byte) (int, error)) (int, error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		t.mu.Lock()
		if len(t.ends) > 0 {
			left := t.ends[0] - (t.sent - waiting(t.o.Programs))
			if left <= 0 {
				t.ends = t.ends[1:]
				t.mu.Unlock()
				return 0, io.EOF
			}
			p = p[:min(int64(len(p)), left)]
		}
		t.readers[f]++
		t.mu.Unlock()
		n, err := read(p)
		t.mu.Lock()
		if t.readers[f]--; t.readers[f] == 0 {
			delete(t.readers, f)
		}
		marked := len(t.ends) > 0
		t.mu.Unlock()
		if n == 0 && marked && ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded) {
			f.SetReadDeadline(time.Time{})
			continue
		}
		return n, err
	}
}

// waiting is how many bytes can be read from f at once.
func waiting(f *os.File) int64 {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	return int64(n)
}

// Write shows what programs print.
func (t *Terminal) Write(p []byte) (int, error) { return t.WriteContext(context.Background(), p) }

// contextWriter is an Out that can stop waiting.
type contextWriter interface {
	WriteContext(ctx context.Context, p []byte) (int, error)
}

// WriteContext is Write, given up when ctx is done.
func (t *Terminal) WriteContext(ctx context.Context, p []byte) (int, error) {
	out := p
	if t.Modes().Post && bytes.IndexByte(p, '\n') >= 0 {
		out = bytes.ReplaceAll(p, []byte{'\n'}, []byte{'\r', '\n'})
	}
	var err error
	if w, ok := t.o.Out.(contextWriter); ok {
		_, err = w.WriteContext(ctx, out)
	} else {
		_, err = t.o.Out.Write(out)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}
