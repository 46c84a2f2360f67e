package pty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// terminal is one shell behind a pseudo terminal.
type terminal struct {
	id, cwd string
	envs    map[string]string
	created time.Time
	lazy    bool
	door    *Door
	box     *box

	starting chan struct{} // the right to start the shell

	mu         sync.Mutex
	cols, rows int
	proc       guestshell.Process // nil: not started
	clients    []*client
	over       bool
}

// ending is how a terminal ended: by an exit code, or for another reason.
type ending struct {
	exit int
	err  error // nil: the code was seen
}

// reason is the daemon's word for an exit code.
func (e ending) reason() string {
	switch {
	case e.exit == 0:
		return ""
	case e.exit == 130:
		return "Ctrl+C"
	case e.exit == 137:
		return "SIGKILL"
	case e.exit == 143:
		return "SIGTERM"
	case e.exit > 128:
		return fmt.Sprintf("signal %d", e.exit-128)
	default:
		return "non-zero exit"
	}
}

// killed is how a terminal that a client deletes ends.
var killed = ending{exit: 137}

// start starts the shell, if it has not been.
func (t *terminal) start(ctx context.Context) (guestshell.Process, error) {
	select {
	case t.starting <- struct{}{}:
		defer func() { <-t.starting }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	t.mu.Lock()
	proc, over := t.proc, t.over
	o := adb.ShellStart{PTY: true, Term: t.envs["TERM"], Rows: t.rows, Cols: t.cols, Dir: t.cwd}
	t.mu.Unlock()
	switch {
	case proc != nil:
		return proc, nil
	case over:
		return nil, t.gone()
	}
	for _, name := range slices.Sorted(maps.Keys(t.envs)) {
		o.Env = append(o.Env, name+"="+t.envs[name])
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.door.StartTime, fault.Timeoutf("the shell did not start within %s", t.door.StartTime))
	defer cancel()
	proc, err := t.door.shells.Start(ctx, t.box.lease.Serial, o)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		_ = proc.Close()
		return nil, t.gone()
	}
	t.proc = proc
	go t.read(proc)
	return proc, nil
}

func (t *terminal) gone() error { return transport.Gonef("PTY session %s has ended", t.id) }

// read hands the output to all clients until there is no more.
func (t *terminal) read(proc guestshell.Process) {
	for {
		_, data, err := proc.Next()
		if err != nil {
			t.end(t.endingOf(proc, err))
			return
		}
		data = slices.Clone(data) // shared by the clients
		t.mu.Lock()
		for _, c := range t.clients {
			c.send(data)
		}
		t.mu.Unlock()
	}
}

func (t *terminal) endingOf(proc guestshell.Process, err error) ending {
	if errors.Is(err, io.EOF) {
		exit, err := proc.Wait()
		return ending{exit, err}
	}
	return ending{adb.NoExit, err}
}

// end ends the terminal; the first caller says how. Its clients get what was printed before.
func (t *terminal) end(how ending) {
	t.mu.Lock()
	if t.over {
		t.mu.Unlock()
		return
	}
	t.over = true
	clients, proc := t.clients, t.proc
	t.clients = nil
	t.mu.Unlock()
	t.box.drop(t)
	if proc != nil {
		_ = proc.Close()
	}
	for _, c := range clients {
		c.finish(how)
	}
}

// attach adds a client.
func (t *terminal) attach(c *client) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return t.gone()
	}
	t.clients = append(t.clients, c)
	return nil
}

func (t *terminal) detach(c *client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clients = slices.DeleteFunc(t.clients, func(other *client) bool { return other == c })
}

// resize tells the shell its size.
func (t *terminal) resize(cols, rows int) error {
	t.mu.Lock()
	proc := t.proc
	if proc == nil || t.over {
		t.mu.Unlock()
		return transport.DaemonErrorf(fault.Conflict, "cannot resize inactive PTY session")
	}
	t.cols, t.rows = cols, rows
	t.mu.Unlock()
	return proc.Resize(rows, cols)
}

// client is who is attached: a queue between the terminal, which waits for nobody, and a socket.
type client struct {
	limit int
	wake  chan struct{}

	mu      sync.Mutex
	waiting [][]byte
	behind  int
	slow    bool    // more than limit waited
	how     *ending // the terminal has ended
}

func newClient(limit int) *client { return &client{limit: limit, wake: make(chan struct{}, 1)} }

// send queues data, which is shared and never modified.
func (c *client) send(data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slow = c.slow || c.behind+len(data) > c.limit; !c.slow {
		c.waiting = append(c.waiting, data)
		c.behind += len(data)
	}
	c.poke()
}

func (c *client) finish(how ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.how = &how
	c.poke()
}

func (c *client) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take returns what waits. A slow client has nothing more to come.
func (c *client) take() (data [][]byte, slow bool, how *ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, c.waiting, c.behind = c.waiting, nil, 0
	return data, c.slow, c.how
}
