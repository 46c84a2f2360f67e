package guest

import (
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
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
	// TTY makes a shell without a script prompt.
	TTY bool
	// Root runs the shell as root, else it is the shell user.
	Root bool
	// Env is added to Android's environment: NAME=value.
	Env []string
}

// Session is a shell with all it started. Its methods are safe for concurrent use.
type Session struct {
	guest *Guest
	shell *process
	stdin *os.File

	mu      sync.Mutex
	holders int
	drained chan struct{}
	closed  bool
}

// Start starts a session.
func (g *Guest) Start(spec Spec) (*Session, error) {
	stdin, err := newStdin(spec.Stdin)
	if err != nil {
		return nil, err
	}
	if spec.Stdout == nil {
		spec.Stdout = io.Discard
	}
	if spec.Stderr == nil {
		spec.Stderr = io.Discard
	}
	s := &Session{guest: g, stdin: stdin, drained: make(chan struct{})}
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
		Ctx: p.ctx, Args: args, Dir: "/", Env: withValues(g.environment(cred), spec.Env), View: g.view(p),
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
func (s *Session) Interrupt() {
	for _, p := range s.guest.table.all() {
		if p.pgid == s.shell.pid {
			p.deliver(toybox.SIGINT)
		}
	}
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
