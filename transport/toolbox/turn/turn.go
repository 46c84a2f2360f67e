// Package turn lets one request at a time use a device's screen: touch it, type, or have it described.
//
// Words: a [Turn] is that right, of one device for as long as it stays started; whoever holds it gives it back.
// What was done on the screen is counted, so that whoever remembers a screen knows whether it was touched since.
//
//	turns := turn.New()
//	t := turns.Of(leaseContext)
//	if err := t.Take(ctx); err != nil { return err }
//	defer t.Give()
package turn

import (
	"context"
	"sync"
)

// Turns are those of all devices. It is safe for concurrent use.
type Turns struct {
	mu    sync.Mutex
	turns map[context.Context]*Turn
}

// New makes them.
func New() *Turns { return &Turns{turns: map[context.Context]*Turn{}} }

// Turn is the right to use one device's screen.
type Turn struct {
	taken chan struct{}
	acts  uint64 // of whoever holds it
}

// Of is the turn of the device whose lease has this context. It is forgotten when the context ends.
func (ts *Turns) Of(life context.Context) *Turn {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.turns[life]; t != nil {
		return t
	}
	t := &Turn{taken: make(chan struct{}, 1)}
	ts.turns[life] = t
	context.AfterFunc(life, func() {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		delete(ts.turns, life)
	})
	return t
}

// Take waits for the turn, until ctx ends: its cause is the error.
func (t *Turn) Take(ctx context.Context) error {
	select {
	case t.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Give gives the turn back.
func (t *Turn) Give() { <-t.taken }

// Acted says that the screen is about to be touched. Only who holds the turn calls it.
func (t *Turn) Acted() { t.acts++ }

// Acts is how often Acted was called. Only who holds the turn calls it.
func (t *Turn) Acts() uint64 { return t.acts }
