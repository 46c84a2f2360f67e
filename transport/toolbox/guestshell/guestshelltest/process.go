package guestshelltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

var _ guestshell.Starter = Shell{}

// Start implements guestshell.Starter: a command behind pipes or a terminal, in a session of its own.
func (s Shell) Start(_ context.Context, _ string, o adb.ShellStart) (guestshell.Process, error) {
	script := o.Command
	if script == "" {
		script = "exec " + s.program
		if o.PTY {
			script += " -i"
		}
	}
	if o.Dir != "" {
		script = "cd " + adb.Quote(o.Dir) + " || exit 1\n" + script
	}
	term := "dumb"
	if o.PTY {
		if term = o.Term; term == "" {
			term = "xterm-256color"
		}
	}
	cmd := exec.CommandContext(context.Background(), s.program, "-c", script)
	cmd.Env = append([]string{"PATH=" + s.path, "HOME=/", "TMPDIR=" + os.TempDir(), "LC_ALL=C", "PS1=$ ", "TERM=" + term}, o.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p := &Process{cmd: cmd, pieces: make(chan pieceOf), closed: make(chan struct{}), done: make(chan struct{}), exit: adb.NoExit}
	if o.PTY {
		err := p.terminal(o.Rows, o.Cols)
		return p, err
	}
	err := p.pipes()
	return p, err
}

// Process is a process of this machine in the place of one of a guest.
type Process struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	master  *os.File // of a terminal; nil: there is none
	pieces  chan pieceOf
	readers sync.WaitGroup

	once   sync.Once
	closed chan struct{}
	done   chan struct{}
	exit   int
	err    error
	last   error // what Next returns from now on
}

type pieceOf struct {
	stream int
	data   []byte
}

func (p *Process) pipes() error {
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return err
	}
	p.stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, outW, errW
	err = p.cmd.Start()
	_, _ = outW.Close(), errW.Close()
	if err != nil {
		return err
	}
	p.read(adb.Stdout, outR)
	p.read(adb.Stderr, errR)
	p.watch()
	return nil
}

func (p *Process) terminal(rows, cols int) error {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	p.master = os.NewFile(uintptr(fd), "ptmx")
	p.stdin = p.master
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	if err := p.Resize(rows, cols); err != nil {
		return err
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
	p.cmd.SysProcAttr.Setctty = true
	err = p.cmd.Start()
	_ = slave.Close()
	if err != nil {
		return err
	}
	p.read(adb.Stdout, p.master)
	p.watch()
	return nil
}

func (p *Process) read(stream int, from *os.File) {
	go func() {
		<-p.closed
		_ = from.Close()
	}()
	p.readers.Go(func() {
		for {
			buf := make([]byte, 4096)
			n, err := from.Read(buf)
			if n > 0 {
				select {
				case p.pieces <- pieceOf{stream, buf[:n]}:
				case <-p.closed:
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
}

// watch ends with the process and its output. A shell that is about to become its last command may miss that it was hung up
// on: what does not end by itself is killed.
func (p *Process) watch() {
	gone := make(chan struct{})
	go func() {
		select {
		case <-gone:
			return
		case <-p.closed:
		}
		select {
		case <-gone:
		case <-time.After(hangUp):
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		}
	}()
	go func() {
		p.readers.Wait()
		_ = p.cmd.Wait()
		close(gone)
		p.end(nil)
		close(p.pieces)
	}()
}

// hangUp is how long what was hung up on may take to end.
const hangUp = 200 * time.Millisecond

// end settles the process; with a nil error its exit code was seen.
func (p *Process) end(err error) {
	p.once.Do(func() {
		p.err = err
		if err == nil {
			status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
			p.exit = status.ExitStatus()
			if status.Signaled() {
				p.exit = 128 + int(status.Signal())
			}
		} else {
			_ = p.cmd.Process.Signal(syscall.SIGHUP)
			_ = p.stdin.Close()
		}
		close(p.done)
		close(p.closed)
	})
}

// Next implements guestshell.Process.
func (p *Process) Next() (stream int, data []byte, err error) {
	if p.last != nil {
		return 0, nil, p.last
	}
	select {
	case piece, ok := <-p.pieces:
		if ok {
			return piece.stream, piece.data, nil
		}
	case <-p.closed:
		select {
		case piece, ok := <-p.pieces: // raced with a piece
			if ok {
				return piece.stream, piece.data, nil
			}
		default: // of a process that was lost nothing is waited for
		}
	}
	if p.last = p.err; p.last == nil {
		p.last = io.EOF
	}
	return 0, nil, p.last
}

// Write implements guestshell.Process.
func (p *Process) Write(data []byte) (int, error) {
	n, err := p.stdin.Write(data)
	if errors.Is(err, os.ErrClosed) {
		err = io.ErrClosedPipe
	}
	return n, err
}

// CloseStdin implements guestshell.Process; a terminal does not heed it.
func (p *Process) CloseStdin() error {
	if p.master != nil {
		return nil
	}
	return p.stdin.Close()
}

// Resize implements guestshell.Process.
func (p *Process) Resize(rows, cols int) error {
	if p.master == nil || rows == 0 {
		return nil
	}
	raw, err := p.master.SyscallConn()
	if err != nil {
		return err
	}
	controlled := raw.Control(func(fd uintptr) {
		err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(cols)})
	})
	return errors.Join(controlled, err)
}

// Wait implements guestshell.Process.
func (p *Process) Wait() (exit int, err error) {
	<-p.done
	return p.exit, p.err
}

// Close implements guestshell.Process: the shell is hung up on, and with a terminal who is in its
// foreground.
func (p *Process) Close() error {
	p.end(io.ErrClosedPipe)
	return nil
}

// Lose ends the process as the loss of its device does.
func (p *Process) Lose() {
	p.end(fault.Wrap(fault.Unavailable, "adb "+strings.TrimSpace(p.cmd.Path), adb.ErrClosed))
}
