package pty

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Options bound what callers can ask for. Zero fields mean the default.
type Options struct {
	MaxTerminals int           // of a sandbox; 64
	MaxBehind    int           // bytes that a client may be behind; 1 MiB
	StartTime    time.Duration // for a shell to start; 15 s
	Log          *zap.Logger   // nil: silent
}

// Door has the handlers and the terminals. It is safe for concurrent use.
type Door struct {
	leases *lease.Leases
	shells guestshell.Starter
	boxes  *lease.Kept[*box]
	Options
}

// New makes the door.
func New(leases *lease.Leases, shells guestshell.Starter, o Options) *Door {
	if o.MaxTerminals == 0 {
		o.MaxTerminals = 64
	}
	if o.MaxBehind == 0 {
		o.MaxBehind = 1 << 20
	}
	if o.StartTime == 0 {
		o.StartTime = 15 * time.Second
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("transport.pty")
	return &Door{leases: leases, shells: shells, boxes: lease.Keep(newBox, (*box).end), Options: o}
}

// Routes is the door's table, to be mounted wherever the toolbox is served.
func (d *Door) Routes() []transport.Route {
	const one = "/process/pty/{session}"
	return []transport.Route{
		{Method: http.MethodPost, Path: "/process/pty", Handler: texted(d.create), Slow: true},
		{Method: http.MethodGet, Path: "/process/pty", Handler: texted(d.list)},
		{Method: http.MethodGet, Path: "/process/pty/create-connect", Handler: texted(d.createConnect)},
		{Method: http.MethodGet, Path: one, Handler: texted(d.get)},
		{Method: http.MethodDelete, Path: one, Handler: texted(d.remove), Slow: true},
		{Method: http.MethodPost, Path: one + "/resize", Handler: texted(d.resize), Slow: true},
		{Method: http.MethodGet, Path: one + "/connect", Handler: texted(d.connect)},
	}
}

// texted gives errors the field that the daemon's terminals answer with.
func texted(h transport.Handler) transport.Handler {
	return func(c *transport.Ctx) error { return transport.Texted(h(c)) }
}

// box is the terminals of one leased device.
type box struct {
	lease lease.Lease

	mu        sync.Mutex
	ended     error
	terminals []*terminal // in order of creation
}

func newBox(l lease.Lease) *box { return &box{lease: l} }

// end ends all terminals because the device may no longer be used.
func (b *box) end(cause error) {
	b.mu.Lock()
	b.ended = cause
	all := b.terminals
	b.terminals = nil
	b.mu.Unlock()
	for _, t := range all {
		t.end(ending{err: cause})
	}
}

// add makes a terminal known under its name.
func (b *box) add(t *terminal, limit int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ended != nil:
		return b.ended
	case b.findLocked(t.id) >= 0:
		return fault.Conflictf("PTY session with ID '%s' already exists", t.id)
	case len(b.terminals) >= limit:
		return fault.Exhaustedf("the sandbox has %d PTY sessions, which is the most: delete one", limit)
	}
	b.terminals = append(b.terminals, t)
	return nil
}

func (b *box) findLocked(id string) int {
	return slices.IndexFunc(b.terminals, func(t *terminal) bool { return t.id == id })
}

func (b *box) find(id string) *terminal {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.findLocked(id); i >= 0 {
		return b.terminals[i]
	}
	return nil
}

// drop forgets a terminal, unless another has its name by now.
func (b *box) drop(t *terminal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.terminals = slices.DeleteFunc(b.terminals, func(other *terminal) bool { return other == t })
}

func (b *box) list() []*terminal {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.terminals)
}
