// Package freeze is how a simulated VM makes its guest stand still.
//
// Words: a *gate* is open while the virtual processors run. What the guest does waits at the gate before each step, so that
// a closed one stops it between two steps: nothing is refused, nothing is lost.
//
// The package refuses to stop code that does not come to the gate: a step that has begun ends.
//
//	if err := gate.Wait(ctx); err != nil {
//		return err
//	}
package freeze

import (
	"context"
	"sync"
)

// Gate is open or closed. The zero value is open, and so is a nil one. It is safe for concurrent use.
type Gate struct {
	mu     sync.Mutex
	opened chan struct{} // closed when the gate opens; nil while it is open
}

// Close makes all who come wait. A closed gate stays closed.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

// Open lets all pass.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

// Closed reports whether the gate is closed.
func (g *Gate) Closed() bool { return g.state() != nil }

func (g *Gate) state() <-chan struct{} {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opened
}

// Wait returns when the gate is open, or with the context's error. The gate may be closed again by then.
func (g *Gate) Wait(ctx context.Context) error {
	for {
		opened := g.state()
		if opened == nil {
			return ctx.Err()
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
