package lease

import (
	"sync"

	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Places are how many of something each sandbox may have at a time. The zero value is ready; safe for concurrent
// use.
type Places struct {
	mu    sync.Mutex
	taken map[sandbox.ID]int
}

// Take takes one, unless limit are taken already. Who got one gives it back with Leave.
func (p *Places) Take(id sandbox.ID, limit int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[id] >= limit {
		return false
	}
	if p.taken == nil {
		p.taken = map[sandbox.ID]int{}
	}
	p.taken[id]++
	return true
}

// Leave gives one back.
func (p *Places) Leave(id sandbox.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[id]--; p.taken[id] == 0 {
		delete(p.taken, id)
	}
}
