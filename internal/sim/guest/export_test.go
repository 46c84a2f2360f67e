package guest

import (
	"fmt"
	"io"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
)

// Describe lists the processes of sessions, for a test that finds too many.
func (g *Guest) Describe() string {
	var b strings.Builder
	for _, p := range g.table.all() {
		p.mu.Lock()
		fmt.Fprintf(&b, "[%d<%d group %d %q signal %d]", p.pid, p.ppid, p.pgid, p.args, p.signal)
		p.mu.Unlock()
	}
	return b.String()
}

// ForkTooLate starts a background job in a shell of which nothing runs any more, as a part of a
// killed job may; it returns what the part is told to do.
func (g *Guest) ForkTooLate() ([]string, error) {
	s := &Session{guest: g, drained: make(chan struct{})}
	p, err := g.table.fork(nil, shellCred(), s, []string{"sh"}, true)
	if err != nil {
		return nil, err
	}
	defer g.table.finish(p, 0)
	sh := &shell{g: g, p: p, users: 1, jobs: map[int]*process{}}
	sh.ctx, sh.cancel, _ = untilKilled(g.table.ctx, p)
	s.stdin, _, err = socketPair()
	if err != nil {
		return nil, err
	}
	s.hold()
	sh.unuse()
	return sh.fork(interp.HandlerContext{Env: expand.ListEnviron(), Stderr: io.Discard}, p), nil
}

// LateSignal ends a shell that leaves a job behind, and signals the shell when that is decided but
// not done; it tells whether the job can still run.
func (g *Guest) LateSignal(sig int) (bool, error) {
	s := &Session{guest: g, drained: make(chan struct{})}
	p, err := g.table.fork(nil, shellCred(), s, []string{"sh"}, true)
	if err != nil {
		return false, err
	}
	sh := &shell{g: g, p: p, users: 2, jobs: map[int]*process{}} // the shell, and its job
	var detach func()
	sh.ctx, sh.cancel, detach = untilKilled(g.table.ctx, p)
	defer sh.cancel()
	sh.close(detach)
	p.deliver(sig)
	<-p.ctx.Done()
	g.table.finish(p, 0)
	select {
	case <-sh.ctx.Done():
		return false, nil
	case <-time.After(50 * time.Millisecond): // the time a mistaken end would take to come
		return true, nil
	}
}
