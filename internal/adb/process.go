package adb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// Streams of a process, as Next tells them.
const (
	Stdout = 1
	Stderr = 2
)

// ShellStart is a long-lived command of the device's shell.
type ShellStart struct {
	// Command is the script, as behind "sh -c". Empty is an interactive shell: a login shell
	// with a terminal, else one that reads its script from stdin.
	Command string

	// PTY gives the command a terminal. Stderr is then one with stdout, and CloseStdin does
	// nothing: send 0x04 for the end of input and 0x03 to interrupt.
	PTY        bool
	Term       string // of a terminal; "" is xterm-256color
	Rows, Cols int    // of a terminal; 0 leaves them to the device

	Dir string   // where to start; "" is /
	Env []string // NAME=value, exported before Command
}

// Process is a running shell command. Next is for one goroutine; all other methods may be
// called from any, beside it. Whoever started it closes it.
type Process struct {
	out shellReader
	err error // Next's: what it returns from now on

	wmu sync.Mutex // one write at a time
	buf []byte

	once sync.Once
	done chan struct{} // closed when exit and wait are set
	exit int
	wait error
}

var _ io.WriteCloser = (*Process)(nil)

// StartShell starts a command and returns when the device has accepted it. The end of ctx ends
// the starting, not the command.
//
// Errors: those of Open; Invalid for a bad name in Env; Unsupported without shell_v2.
func (d *Device) StartShell(ctx context.Context, start ShellStart) (*Process, error) {
	const op = "start shell"
	service, err := start.service()
	if err != nil {
		return nil, fault.Op(op, err)
	}
	s, err := d.current()
	if err != nil {
		return nil, fault.Op(op, err)
	}
	if err := needFeature(s, "shell_v2", "Android 7"); err != nil {
		return nil, fault.Op(op, err)
	}
	l, err := s.openLink(ctx, service)
	if err != nil {
		return nil, fault.Op(op, err)
	}
	p := &Process{out: shellReader{in: linkReader{link: l}}, done: make(chan struct{}), exit: NoExit}
	if start.Rows > 0 && start.Cols > 0 && start.PTY {
		if err := p.resize(ctx, start.Rows, start.Cols); err != nil {
			_ = p.Close()
			return nil, fault.Op(op, err)
		}
	}
	return p, nil
}

// service is what to open.
func (s *ShellStart) service() ([]byte, error) {
	var script strings.Builder
	if s.Dir != "" {
		fmt.Fprintf(&script, "cd %s || exit 1\n", Quote(s.Dir))
	}
	for _, pair := range s.Env {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || !isName(name) {
			return nil, fault.Invalidf("%q is no name of a variable", name)
		}
		fmt.Fprintf(&script, "export %s=%s\n", name, Quote(value))
	}
	if strings.ContainsRune(script.String()+s.Command+s.Term, 0) {
		return nil, fault.Invalidf("the command holds a NUL")
	}
	switch {
	case s.Command != "":
		script.WriteString(s.Command)
	case !s.PTY:
		script.WriteString("exec /system/bin/sh")
	case script.Len() > 0: // else adbd itself starts a login shell
		script.WriteString("exec /system/bin/sh -")
	}
	if !s.PTY {
		return []byte(shellService + script.String()), nil
	}
	term := s.Term
	switch {
	case term == "":
		term = "xterm-256color"
	case strings.ContainsAny(term, ",:"):
		return nil, fault.Invalidf("%q is no name of a terminal", term)
	}
	return fmt.Appendf(nil, "shell,v2,TERM=%s,pty:%s", term, script.String()), nil
}

// isName reports whether s can name a shell's variable.
func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// Next returns the next piece of output, in order of arrival, and which stream it is of. The
// data is valid until the call after. The device may send on only when the piece before was
// taken by calling Next again, so who stops calling stops the command.
//
// io.EOF is the end, with the exit code seen; ErrNoExit (Unavailable) the end without one;
// ErrClosed (Unavailable) the loss of the device; io.ErrClosedPipe is Close.
func (p *Process) Next() (stream int, data []byte, err error) {
	for p.err == nil {
		f, err := p.out.next(context.Background())
		switch {
		case err != nil:
			p.err = err
			p.end(NoExit, err)
		case f.ID == wire.ShellStdout:
			return Stdout, f.Data, nil
		case f.ID == wire.ShellStderr:
			return Stderr, f.Data, nil
		case f.ID == wire.ShellExit:
			p.err = io.EOF
			p.end(int(f.Data[0]), nil)
		default: // a packet of a later Android
		}
	}
	return 0, nil, p.err
}

// end settles what Wait returns, and ends the stream.
func (p *Process) end(exit int, err error) {
	p.once.Do(func() {
		p.exit, p.wait = exit, fault.Op("run shell command", err)
		close(p.done)
	})
	_ = p.out.in.link.Close()
}

// Copy hands on the output until the end, and returns the exit code. A nil writer drops. It
// takes the place of Next.
func (p *Process) Copy(stdout, stderr io.Writer) (exit int, err error) {
	for {
		stream, data, err := p.Next()
		if errors.Is(err, io.EOF) {
			return p.Wait()
		}
		if err != nil {
			return NoExit, err
		}
		w := stdout
		if stream == Stderr {
			w = stderr
		}
		if w == nil {
			continue
		}
		if _, err := w.Write(data); err != nil {
			return NoExit, fmt.Errorf("hand on the output: %w", err)
		}
	}
}

// Write sends to the command's stdin. It waits while the device takes no more; Close ends that.
func (p *Process) Write(b []byte) (int, error) {
	sent := 0
	for sent < len(b) {
		part := b[sent:min(len(b), sent+min(stdinChunk, p.out.in.link.room()-wire.ShellHeaderSize))]
		if err := p.packet(context.Background(), wire.ShellStdin, part); err != nil {
			return sent, err
		}
		sent += len(part)
	}
	return sent, nil
}

// CloseStdin tells the command that its input has ended. A terminal does not heed it.
func (p *Process) CloseStdin() error {
	return p.packet(context.Background(), wire.ShellCloseStdin, nil)
}

// Resize tells the size of the terminal. It waits while the device takes no input.
func (p *Process) Resize(rows, cols int) error { return p.resize(context.Background(), rows, cols) }

func (p *Process) resize(ctx context.Context, rows, cols int) error {
	if rows < 0 || cols < 0 || rows > 0xffff || cols > 0xffff {
		return fault.Invalidf("a terminal of %d rows and %d columns", rows, cols)
	}
	// The NUL is how adb sends it (ran); pixels are not known.
	return p.packet(ctx, wire.ShellWindowSize, fmt.Appendf(nil, "%dx%d,0x0\x00", rows, cols))
}

func (p *Process) packet(ctx context.Context, id wire.ShellID, data []byte) error {
	p.wmu.Lock()
	defer p.wmu.Unlock()
	p.buf = wire.AppendShell(p.buf[:0], id, data)
	_, err := p.out.in.link.write(ctx, p.buf)
	return err
}

// Wait returns the exit code once Next (or Copy) has come to the end: 128+n after signal n. It
// takes no output itself. After Close it returns NoExit and an error.
func (p *Process) Wait() (exit int, err error) {
	<-p.done
	return p.exit, p.wait
}

// Close ends the conversation: the device sends SIGHUP to the shell, unless it has ended. It
// may be called again.
func (p *Process) Close() error {
	p.end(NoExit, io.ErrClosedPipe)
	return nil
}
