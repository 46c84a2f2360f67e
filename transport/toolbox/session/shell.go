package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// session is one long-lived shell and its commands, which run in it one after another. Its reader owns
// the shell's output; its writer gives the shell one command at a time.
type session struct {
	id     string
	door   *Door
	serial string
	frames frames
	proc   guestshell.Process
	budget *budget

	ready chan struct{} // closed when pid is set
	pid   int
	over  chan struct{} // closed when ended is set: the shell takes no more commands
	quiet chan struct{} // closed when the shell's output has ended
	wake  chan struct{} // poked when a command waits

	mu       sync.Mutex
	ended    error // why the shell takes no more commands
	commands []*command
	waiting  []*command
	current  *command // the one that runs, else the last; nil before the first
	running  bool
}

func newSession(d *Door, id, serial string, b *budget, proc guestshell.Process, f frames) *session {
	return &session{
		id: id, door: d, serial: serial, budget: b, proc: proc, frames: f,
		ready: make(chan struct{}), over: make(chan struct{}), quiet: make(chan struct{}), wake: make(chan struct{}, 1),
	}
}

// run lives with the shell.
func (s *session) run() {
	go s.write()
	err := s.read()
	close(s.quiet)
	s.end(err)
	_ = s.proc.Close()
}

// write gives the shell its commands, each when the one before has ended.
func (s *session) write() {
	if _, err := s.proc.Write(s.frames.begin()); err != nil {
		s.end(err)
		return
	}
	for {
		cmd := s.next()
		if cmd == nil {
			select {
			case <-s.wake:
				continue
			case <-s.over:
				return
			}
		}
		if _, err := s.proc.Write(s.frames.command(cmd.id, cmd.key, cmd.text, cmd.async)); err != nil {
			s.end(err)
			return
		}
		<-cmd.done
	}
}

// next makes the first command that waits the current one.
func (s *session) next() *command {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 || s.ended != nil {
		return nil
	}
	s.current, s.running = s.waiting[0], true
	s.waiting = s.waiting[1:]
	return s.current
}

// read takes the shell's output until there is no more, and returns why.
func (s *session) read() error {
	var streams [len(marks)]*splitter
	var said [len(streams)]mark // the last on each stream
	for i := range streams {
		streams[i] = &splitter{nonce: []byte(s.frames.nonce)}
	}
	text := func(stream int) func([]byte) { return func(data []byte) { s.print(stream, data) } }
	for {
		stream, data, err := s.proc.Next()
		if err != nil {
			for _, stream := range []int{adb.Stdout, adb.Stderr} {
				streams[stream].end(text(stream))
			}
			return s.why(err)
		}
		streams[stream].feed(data, text(stream), func(m mark) {
			said[stream] = m
			if said[adb.Stdout].word == said[adb.Stderr].word { // all that came before is there, on both
				m = said[adb.Stdout]
				said = [len(streams)]mark{}
				s.heard(m)
			}
		})
	}
}

// why the output has ended.
func (s *session) why(err error) error {
	if !errors.Is(err, io.EOF) {
		return fault.Op("session's shell", err)
	}
	exit, err := s.proc.Wait()
	if err != nil {
		return fault.Op("session's shell", err)
	}
	return exitError(exit)
}

// exitError says that the shell is gone, and is how a session that ended by itself is told.
func exitError(exit int) error { return &exited{exit} }

type exited struct{ code int }

func (e *exited) Error() string {
	return fmt.Sprintf("the session's shell has exited with code %d", e.code)
}

// print hands output to the command that runs, or ran last: a job of its may go on.
func (s *session) print(stream int, data []byte) {
	s.mu.Lock()
	cmd := s.current
	s.mu.Unlock()
	if cmd != nil {
		cmd.log.write(stream, data)
		return
	}
	s.door.Log.Debug("session's shell spoke before its first command")
}

// heard takes what the shell says for itself.
func (s *session) heard(m mark) {
	switch m.word {
	case wordReady:
		select {
		case <-s.ready:
		default:
			s.pid = m.value
			close(s.ready)
		}
		return
	case wordExit:
		s.end(exitError(m.value))
		return
	}
	s.mu.Lock()
	cmd, running := s.current, s.running
	if running && cmd.key == m.word {
		s.running = false
	}
	s.mu.Unlock()
	if running && cmd.key == m.word {
		cmd.finish(m.value, nil)
		s.door.trim(s)
	}
}

// end makes the session take no more commands and settles those it has. Only the first reason counts.
func (s *session) end(why error) {
	s.mu.Lock()
	if s.ended != nil {
		s.mu.Unlock()
		return
	}
	s.ended = why
	waiting, cmd := s.waiting, s.current
	if !s.running {
		cmd = nil
	}
	s.waiting, s.running = nil, false
	close(s.over)
	s.mu.Unlock()
	var exit *exited
	if cmd != nil && errors.As(why, &exit) {
		cmd.finish(exit.code, nil) // what the command wanted
	} else if cmd != nil {
		cmd.finish(unknownExit, why)
	}
	for _, cmd := range waiting {
		cmd.finish(unknownExit, transport.Gonef("not run: %v", why))
	}
}

// exec queues a command.
func (s *session) exec(text string, async, echo bool) (*command, error) {
	cmd := &command{
		id: newID(), key: newID(), text: text, async: async, echo: echo,
		log: newLog(s.door.MaxLog, s.budget), done: make(chan struct{}),
	}
	cmd.input = &input{
		start: func() (feeder, error) { return s.feeder(cmd.id) },
		fail:  func(err error) { cmd.log.lines(adb.Stderr, "["+err.Error()+"]") },
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return nil, gone(s.ended)
	}
	if len(s.waiting) >= s.door.MaxCommands/2 {
		return nil, fault.Exhaustedf("%d commands of session %s wait: wait for one of them", len(s.waiting), s.id)
	}
	s.budget.add(len(text))
	s.commands = append(s.commands, cmd)
	s.waiting = append(s.waiting, cmd)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return cmd, nil
}

// deleted reports whether a client wanted the end.
func (s *session) deleted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Is(s.ended, errDeleted)
}

// gone says that a session is no longer of use.
func gone(why error) error {
	var exit *exited
	if errors.As(why, &exit) {
		return transport.Gonef("%v: delete the session and create another", why)
	}
	return transport.Gonef("the session has ended: %v", why)
}

func (s *session) feeder(id string) (feeder, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.door.StartTime)
	defer cancel()
	return s.door.shells.Start(ctx, s.serial, adb.ShellStart{Command: s.frames.feed(id)})
}

// command finds one that is remembered.
func (s *session) command(id string) (*command, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cmd := range s.commands {
		if cmd.id == id {
			return cmd, nil
		}
	}
	return nil, fault.NotFoundf("command not found")
}

func (s *session) list() []*command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

// forgetOldest forgets the oldest command that has ended, and reports whether there was one.
func (s *session) forgetOldest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, cmd := range s.commands {
		if _, over, _ := cmd.ended(); over && i < len(s.commands)-1 {
			s.commands = slices.Delete(s.commands, i, i+1)
			s.budget.add(-len(cmd.text))
			cmd.log.forget()
			return true
		}
	}
	return false
}
