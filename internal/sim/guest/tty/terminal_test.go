package tty

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a terminal with what it shows, what its programs read, and its signals.
type desk struct {
	*Terminal
	programs *os.File

	shown   display
	mu      sync.Mutex
	signals []int
}

// display is what the person sees.
type display struct {
	mu sync.Mutex
	bytes.Buffer
}

func (d *display) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Buffer.Write(p)
}

func open(t testing.TB) *desk {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{programs: os.NewFile(uintptr(fds[0]), "programs")}
	in := os.NewFile(uintptr(fds[1]), "in")
	t.Cleanup(func() { d.programs.Close(); in.Close() })
	d.Terminal = New(Options{Rows: 24, Cols: 80, In: in, Programs: d.programs, Out: &d.shown,
		Signal: func(sig int) { d.mu.Lock(); defer d.mu.Unlock(); d.signals = append(d.signals, sig) }})
	return d
}

// read reads what there is, "EOF" at an end of input.
func (d *desk) read(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	buf := make([]byte, 100)
	n, err := d.Read(ctx, d.programs, buf, d.programs.Read)
	if errors.Is(err, io.EOF) {
		return "EOF"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestLinesAreEdited(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, keys, line, shown string }{
		{"a line", "ab\r", "ab\n", "ab\r\n"},
		{"backspace", "ab\x7fc\n", "ac\n", "ab\b \bc\r\n"},
		{"backspace at the start", "\x7fa\n", "a\n", "a\r\n"},
		{"backspace over a character of several bytes", "é\x7fa\n", "a\n", "é\b \ba\r\n"},
		{"kill", "abc\x15d\n", "d\n", "abc\b \b\b \b\b \bd\r\n"},
		{"a word", "ab cd\x17e\n", "ab e\n", "ab cd\b \b\b \be\r\n"},
		{"control characters", "\x01\n", "\x01\n", "^A\r\n"},
		{"quoted", "\x16\x03\n", "\x03\n", "^C\r\n"},
		{"interrupt drops the line", "ab\x03c\n", "c\n", "ab^Cc\r\n"},
		{"end in a line hands it on", "ab\x04", "ab", "ab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			d.Input([]byte(c.keys))
			if got := d.read(t); got != c.line {
				t.Errorf("programs read %q, want %q", got, c.line)
			}
			if got := d.shown.String(); got != c.shown {
				t.Errorf("shown %q, want %q", got, c.shown)
			}
		})
	}
}

func TestAnEndOfInputIsForOneReader(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.Input([]byte("a\n\x04b\n"))
	for _, want := range []string{"a\n", "EOF", "b\n"} {
		if got := d.read(t); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	got := make(chan string)
	go func() { got <- d.read(t) }()
	d.Input([]byte{4})
	if end := <-got; end != "EOF" {
		t.Errorf("a reader that waits gets %q", end)
	}
	d.Input([]byte("c\n"))
	if after := d.read(t); after != "c\n" {
		t.Errorf("afterwards %q", after)
	}
}

func TestSignalsAndModes(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.Input([]byte("\x03\x1c"))
	d.Resize(30, 100)
	d.Resize(30, 100)
	if rows, cols := d.Size(); rows != 30 || cols != 100 {
		t.Errorf("size %d %d", rows, cols)
	}
	if want := []int{sigINT, sigQUIT, sigWINCH}; len(d.signals) != 3 || d.signals[0] != want[0] || d.signals[1] != want[1] || d.signals[2] != want[2] {
		t.Errorf("signals %v, want %v", d.signals, want)
	}
	d.SetModes(Modes{})
	d.Input([]byte("\x03\x04\r"))
	if got := d.read(t); got != "\x03" && got != "\x03\x04\r" {
		t.Errorf("raw: %q", got)
	}
	d.shown.Reset()
	io.WriteString(d.Terminal, "a\n")
	if got := d.shown.String(); got != "a\n" {
		t.Errorf("raw output %q", got)
	}
}

func TestReadersCanGiveUp(t *testing.T) {
	t.Parallel()
	d := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	context.AfterFunc(ctx, func() { d.programs.SetReadDeadline(time.Unix(1, 0)) })
	done := make(chan error)
	go func() {
		_, err := d.Read(ctx, d.programs, make([]byte, 1), d.programs.Read)
		done <- err
	}()
	cancel()
	if err := <-done; err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("ab\x7f\x17\x15\x16\x03\x04\r\n"), true)
	f.Fuzz(func(t *testing.T, keys []byte, canonical bool) {
		d := open(t)
		if len(keys) > 4096 {
			return
		}
		d.SetModes(Modes{Canonical: canonical, Echo: true})
		d.Input(keys)
		if n := waiting(d.programs); n > int64(len(keys)) {
			t.Errorf("%d keys become %d bytes", len(keys), n)
		}
	})
}
