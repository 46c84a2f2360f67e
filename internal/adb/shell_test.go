package adb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// shellDevice knows a few commands; what follows the service's name picks one.
func shellDevice() *fakeDevice {
	return &fakeDevice{serve: func(s *fakeStream) {
		switch name, arg, _ := strings.Cut(strings.TrimPrefix(s.service, shellService), " "); name {
		case "true":
			_, _ = s.stdin(nil)
			s.exit(0)
		case "exit":
			_, _ = s.stdin(nil)
			s.exit(arg[0] - '0')
		case "mixed":
			s.print(wire.ShellStdout, "one ")
			s.print(wire.ShellStderr, "two ")
			s.print(wire.ShellStdout, "three")
			s.exit(0)
		case "split": // every byte a payload of its own
			for _, b := range wire.AppendShell(nil, wire.ShellStdout, []byte("hi\n")) {
				s.write([]byte{b})
			}
			s.exit(3)
		case "cat":
			in, closed := s.stdin(nil)
			if closed {
				s.printAll(in)
				s.exit(0)
			}
		case "slow-cat":
			in, closed := s.stdin(func() { time.Sleep(time.Millisecond) })
			if closed {
				s.printAll(in)
				s.exit(0)
			}
		case "head": // reads one payload, leaves the rest and ends
			s.read()
			s.exit(1)
		case "yes":
			for s.print(wire.ShellStdout, strings.Repeat("y\n", 8<<10)) {
				if arg == "" {
					continue
				}
				for range 15 {
					s.print(wire.ShellStdout, strings.Repeat("y\n", 8<<10))
				}
				s.exit(0)
				return
			}
		case "lost":
			s.print(wire.ShellStdout, "half")
			_ = s.dev.nc.Close()
		case "no-exit":
			s.print(wire.ShellStdout, "half")
			s.close()
		case "garbage":
			s.write([]byte{255, 1, 2, 3, 4, 5})
			s.close()
		case "hang":
			<-s.gone
		}
	}}
}

func (st *fakeStream) printAll(p []byte) {
	for len(p) > 0 {
		n := min(len(p), 100_000)
		st.print(wire.ShellStdout, string(p[:n]))
		p = p[n:]
	}
}

func TestShell(t *testing.T) {
	t.Parallel()
	c := connect(t, shellDevice())
	big := bytes.Repeat([]byte("it's \"quoted\"; $(x)\n\x00\xff"), 2<<20/22) // 2 MiB
	tests := []struct {
		name   string
		cmd    ShellCommand
		code   int
		output string
	}{
		{"a command that only ends", ShellCommand{Command: "true"}, 0, ""},
		{"an exit code", ShellCommand{Command: "exit 7"}, 7, ""},
		{"stdout and stderr in order of arrival", ShellCommand{Command: "mixed"}, 0, "one two three"},
		{"packets cut anywhere", ShellCommand{Command: "split"}, 3, "hi\n"},
		{"an empty reader as stdin", ShellCommand{Command: "cat", Stdin: strings.NewReader("")}, 0, ""},
		{"a short stdin", ShellCommand{Command: "cat", Stdin: strings.NewReader("abc")}, 0, "abc"},
		{"a short stdin of unknown length",
			ShellCommand{Command: "cat", Stdin: iotest.OneByteReader(strings.NewReader("abc"))}, 0, "abc"},
		{"a reader that returns its end with its data",
			ShellCommand{Command: "cat", Stdin: iotest.DataErrReader(strings.NewReader("abc"))}, 0, "abc"},
		{"2 MiB of stdin", ShellCommand{Command: "cat", Stdin: bytes.NewReader(big)}, 0, string(big)},
		{"2 MiB of stdin of unknown length to a slow reader",
			ShellCommand{Command: "slow-cat", Stdin: io.MultiReader(bytes.NewReader(big))}, 0, string(big)},
		{"a command that ends before its stdin", ShellCommand{Command: "head", Stdin: bytes.NewReader(big)}, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res, err := c.Shell(within(t), tt.cmd)
			if err != nil || res.ExitCode != tt.code || res.Truncated != 0 {
				t.Fatalf("exit %d, %d truncated, %v; want exit %d", res.ExitCode, res.Truncated, err, tt.code)
			}
			if string(res.Output) != tt.output {
				t.Errorf("output of %d bytes differs from the expected %d: %.40q",
					len(res.Output), len(tt.output), res.Output)
			}
		})
	}
}

func TestShellOutputIsCutAndTheCommandEnds(t *testing.T) {
	t.Parallel()
	c := connect(t, shellDevice())
	const printed = 16 * 16 << 10
	res, err := c.Shell(within(t), ShellCommand{Command: "yes once", MaxOutput: 20_001})
	if err != nil || res.ExitCode != 0 || len(res.Output) != 20_001 || res.Truncated != printed-20_001 {
		t.Errorf("exit %d, %d bytes, %d truncated, %v", res.ExitCode, len(res.Output), res.Truncated, err)
	}
}

func TestShellWriters(t *testing.T) {
	t.Parallel()
	c := connect(t, shellDevice())
	var stdout, stderr bytes.Buffer
	res, err := c.Shell(within(t), ShellCommand{Command: "mixed", Stdout: &stdout, Stderr: &stderr})
	if err != nil || stdout.String() != "one three" || stderr.String() != "two " || len(res.Output) != 0 {
		t.Errorf("%q, %q, %+v, %v", &stdout, &stderr, res, err)
	}
	stdout.Reset()
	res, err = c.Shell(within(t), ShellCommand{Command: "mixed", Stdout: &stdout, MaxOutput: 5})
	if err != nil || stdout.String() != "one " || string(res.Output) != "t" || res.Truncated != 8 {
		t.Errorf("%q, %+v, %v", &stdout, res, err)
	}
}

// failing is a reader and writer whose other end has gone.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestShellFailures(t *testing.T) {
	t.Parallel()
	left := fault.New(fault.Cancelled, "the caller left")
	tests := []struct {
		name string
		cmd  ShellCommand
		kind fault.Kind
		is   error
		out  string
	}{
		{"the connection is lost half-way", ShellCommand{Command: "lost"}, fault.Unavailable, ErrClosed, "half"},
		{"the stream ends without an exit code",
			ShellCommand{Command: "no-exit"}, fault.Unavailable, ErrNoExit, "half"},
		{"the output is not shell v2", ShellCommand{Command: "garbage"}, fault.Unavailable, wire.ErrMalformed, ""},
		{"stdin cannot be read", ShellCommand{Command: "hang", Stdin: failing{left}}, fault.Cancelled, left, ""},
		{"stdin returns nothing for ever",
			ShellCommand{Command: "hang", Stdin: failing{}}, fault.Internal, io.ErrNoProgress, ""},
		{"nobody takes the output", ShellCommand{Command: "yes", Stdout: failing{left}}, fault.Cancelled, left, ""},
		{"no command", ShellCommand{}, fault.Invalid, nil, ""},
		{"a negative limit", ShellCommand{Command: "true", MaxOutput: -1}, fault.Invalid, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := connect(t, shellDevice())
			res, err := c.Shell(within(t), tt.cmd)
			if !fault.Is(err, tt.kind) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v (%v), want %v", err, fault.KindOf(err), tt.kind)
			}
			if res.ExitCode != NoExit || string(res.Output) != tt.out {
				t.Errorf("got exit %d and %q", res.ExitCode, res.Output)
			}
		})
	}
}

func TestShellNeedsShellV2(t *testing.T) {
	t.Parallel()
	c := connect(t, &fakeDevice{banner: "device::features=cmd"})
	if _, err := c.Shell(within(t), ShellCommand{Command: "true"}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("got %v", err)
	}
}

func TestShellEndsWithItsContext(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	var once sync.Once
	c := connect(t, &fakeDevice{serve: func(s *fakeStream) {
		s.print(wire.ShellStdout, "so far")
		<-s.gone
		once.Do(func() { close(closed) })
	}})
	own := errors.New("exec limit")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, own)
	defer cancel()
	stdin, endless := io.Pipe() // never has anything
	defer func() { _ = endless.Close() }()
	res, err := c.Shell(ctx, ShellCommand{Command: "sleep 1000", Stdin: stdin})
	if !fault.Is(err, fault.Timeout) || !errors.Is(err, own) ||
		string(res.Output) != "so far" || res.ExitCode != NoExit {
		t.Errorf("got %+v, %v", res, err)
	}
	select {
	case <-closed: // the device saw CLSE, and would send SIGHUP
	case <-within(t).Done():
		t.Error("the device's stream was left open")
	}
	if c.Err() != nil {
		t.Errorf("the connection ended: %v", c.Err())
	}
}

func TestACommandMayEndWhileItsStdinStaysOpen(t *testing.T) {
	t.Parallel()
	c := connect(t, shellDevice())
	stdin, open := io.Pipe()
	defer func() { _ = open.Close() }()
	res, err := c.Shell(within(t), ShellCommand{Command: "mixed", Stdin: stdin})
	if err != nil || res.ExitCode != 0 {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestManyCommandsShareOneConnection(t *testing.T) {
	t.Parallel()
	c := connect(t, shellDevice())
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 10 {
				res, err := c.Shell(within(t), ShellCommand{Command: "cat", Stdin: strings.NewReader("x")})
				if err != nil || string(res.Output) != "x" {
					t.Errorf("got %+v, %v", res, err)
					return
				}
			}
		})
	}
	wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.streams) != 0 {
		t.Errorf("%d streams are left", len(c.streams))
	}
}
