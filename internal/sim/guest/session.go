package guest

import (
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/tty"
)

// Spec says what a session runs and on what.
type Spec struct {
	// Script is run by sh -c. Empty means a shell that reads its commands from Stdin.
	Script string
	// Stdin is read by a goroutine of its own, which ends when Read fails: the caller closes it
	// once the session is over. Nil is an empty input.
	Stdin io.Reader
	// Stdout and Stderr should be ContextWriters. Nil discards.
	Stdout, Stderr io.Writer
	// TTY puts a terminal between the session and its streams: Stdin are keystrokes, all output
	// goes to Stdout, and a shell without a script prompts.
	TTY bool
	// Rows and Cols are the terminal's size at the start; 0 is not known.
	Rows, Cols int
	// Root runs the shell as root, else it is the shell user.
	Root bool
	// Dir is where it starts. Default /.
	Dir string
	// Env is added to Android's environment: NAME=value.
	Env []string
}

// Session is a shell with all it started. Its methods are safe for concurrent use.
type Session struct {
	guest *Guest
	shell *process
	stdin *os.File
	// terminal is the session's, nil if it has none.
	terminal *tty.Terminal

	mu      sync.Mutex
	holders int
	drained chan struct{}
	closed  bool
}

// Start starts a session.
func (g *Guest) Start(spec Spec) (*Session, error) {
	if spec.Stdout == nil {
		spec.Stdout = io.Discard
	}
	if spec.Stderr == nil {
		spec.Stderr = io.Discard
	}
	if spec.Dir == "" {
		spec.Dir = "/"
	}
	s := &Session{guest: g, drained: make(chan struct{})}
	ready := make(chan struct{})
	defer close(ready)
	if err := s.connect(&spec, ready); err != nil {
		return nil, err
	}
	stdin := s.stdin
	args := []string{"/system/bin/sh", "-c", spec.Script}
	if spec.Script == "" {
		args = []string{"/system/bin/sh", "-"}
	}
	cred := shellCred()
	if spec.Root {
		cred = rootCred()
	}
	p, err := g.enter(func() (*process, error) { return g.table.fork(nil, cred, s, args, true) })
	if err != nil {
		stdin.Close()
		return nil, err
	}
	p.ppid = adbdPID
	s.shell = p
	p.hold(true)
	call := &toybox.Call{
		Ctx: p.ctx, Args: args, Dir: spec.Dir, Env: withValues(g.environment(cred), spec.Env), View: g.view(p),
		In:  stdin,
		Out: &sessionOut{ctx: p.ctx, w: spec.Stdout, pipe: func() { p.deliver(toybox.SIGPIPE) }},
		Err: &sessionOut{ctx: p.ctx, w: spec.Stderr, pipe: func() { p.deliver(toybox.SIGPIPE) }},
		Sys: &system{g, p},
	}
	go func() {
		defer g.leave()
		growStack()
		g.table.finish(p, g.runShell(p, call, spec.TTY))
	}()
	return s, nil
}

// connect makes the session's input, and its terminal if it has one: nothing is typed before ready
// is closed.
func (s *Session) connect(spec *Spec, ready <-chan struct{}) (err error) {
	if !spec.TTY {
		s.stdin, err = newStdin(spec.Stdin)
		return err
	}
	guest, host, err := socketPair()
	if err != nil {
		return err
	}
	s.stdin = guest
	s.terminal = tty.New(tty.Options{Rows: spec.Rows, Cols: spec.Cols, In: host, Programs: guest, Out: spec.Stdout,
		Signal: func(sig int) { <-ready; s.signal(sig) }})
	spec.Stdout, spec.Stderr = s.terminal, s.terminal
	keys := spec.Stdin
	if keys == nil {
		host.Close()
		return nil
	}
	go func() {
		defer host.Close()
		buf := make([]byte, 4<<10)
		for {
			n, err := keys.Read(buf)
			s.terminal.Input(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	return nil
}

// Resize changes the size of the session's terminal; without one it does nothing.
func (s *Session) Resize(rows, cols int) {
	if s.terminal != nil {
		s.terminal.Resize(rows, cols)
	}
}

// withValues is env with values added, or put in the place of those of the same names.
func withValues(env, values []string) []string {
	for _, kv := range values {
		name, _, _ := strings.Cut(kv, "=")
		env = slices.DeleteFunc(env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		env = append(env, kv)
	}
	return env
}

// growStack makes room on the calling goroutine's stack for the frames of a parser and an
// interpreter: grown now, it is empty; grown when it is needed, it would be copied several times.
//
//go:noinline
func growStack() {
	var room [24 << 10]byte
	runtime.KeepAlive(&room)
}

// PID is the shell's process id, which is the group's too.
func (s *Session) PID() int { return s.shell.pid }

// Exited is closed when the shell has ended; what it started may go on.
func (s *Session) Exited() <-chan struct{} { return s.shell.exited }

// Done is closed when the shell has ended and nothing holds the session's output any more.
func (s *Session) Done() <-chan struct{} { return s.drained }

// Wait waits for Done and returns the exit status: 128 and its number for a signal.
func (s *Session) Wait() int {
	<-s.drained
	<-s.shell.exited
	s.shell.mu.Lock()
	defer s.shell.mu.Unlock()
	return s.shell.status
}

// Hangup is the loss of the terminal or connection: SIGHUP, to the shell alone.
func (s *Session) Hangup() { s.shell.deliver(toybox.SIGHUP) }

// Interrupt is ctrl-C: SIGINT to the whole group.
func (s *Session) Interrupt() { s.signal(toybox.SIGINT) }

// signal reaches the foreground: the shell's process group.
func (s *Session) signal(sig int) {
	if s.shell == nil {
		return // it never started
	}
	group := s.shell.pid
	s.guest.table.signal(func(p *process) bool { return p.pgid == group }, func(p *process) { p.deliver(sig) })
}

func (s *Session) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holders++
}

func (s *Session) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holders--; s.holders == 0 && !s.closed {
		s.closed = true
		s.stdin.Close()
		close(s.drained)
	}
}
