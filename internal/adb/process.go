package adb

import (
	"context"
	"io"

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
type Process struct{}

var _ io.WriteCloser = (*Process)(nil)

// StartShell starts a command and returns when the device has accepted it. The end of ctx ends
// the starting, not the command.
//
// Errors: those of Open; Invalid for a bad name in Env; Unsupported without shell_v2.
func (d *Device) StartShell(ctx context.Context, start ShellStart) (*Process, error) {
	return nil, fault.Unsupportedf("not built yet")
}

// Next returns the next piece of output, in order of arrival, and which stream it is of. The
// data is valid until the call after. The device may send on only when the piece before was
// taken by calling Next again, so who stops calling stops the command.
//
// io.EOF is the end, with the exit code seen; ErrNoExit (Unavailable) the end without one;
// ErrClosed (Unavailable) the loss of the device; io.ErrClosedPipe is Close.
func (p *Process) Next() (stream int, data []byte, err error) { return 0, nil, io.ErrClosedPipe }

// Copy hands on the output until the end, and returns the exit code. A nil writer drops.
func (p *Process) Copy(stdout, stderr io.Writer) (exit int, err error) {
	return NoExit, io.ErrClosedPipe
}

// Write sends to the command's stdin. It waits while the device takes no more.
func (p *Process) Write(b []byte) (int, error) { return 0, io.ErrClosedPipe }

// CloseStdin tells the command that its input has ended. A terminal does not heed it.
func (p *Process) CloseStdin() error { return io.ErrClosedPipe }

// Resize tells the size of the terminal.
func (p *Process) Resize(rows, cols int) error { return io.ErrClosedPipe }

// Wait returns the exit code once Next (or Copy) has come to the end: 128+n after signal n. It
// takes no output itself. After Close it returns NoExit and an error.
func (p *Process) Wait() (exit int, err error) { return NoExit, io.ErrClosedPipe }

// Close ends the conversation: the device sends SIGHUP to the shell, unless it has ended. It
// may be called again.
func (p *Process) Close() error { return nil }
