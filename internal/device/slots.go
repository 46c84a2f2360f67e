package device

import (
	"context"
	"sync"

	"github.com/daytonaio/runner-android/internal/fault"
)

// class is the urgency of a boot. Starts go before creates: somebody's files wait.
type class int

const (
	forStart class = iota
	forCreate
	classes
)

// slots bounds how many devices are assembled and booted at once: assembly is heavy on the
// disk, and a host that boots everything at once boots nothing in time. A slot covers
// assembly until adbd answers. Safe for concurrent use.
type slots struct {
	mu      sync.Mutex
	free    int
	waiting [classes][]chan struct{} // first come, first served within a class
}

func newSlots(n int) *slots { return &slots{free: n} }

// acquire waits for a slot and returns the function that gives it back; calling that again
// does nothing.
func (s *slots) acquire(ctx context.Context, c class) (release func(), err error) {
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return sync.OnceFunc(s.pass), nil
	}
	turn := make(chan struct{})
	s.waiting[c] = append(s.waiting[c], turn)
	s.mu.Unlock()
	select {
	case <-turn:
		return sync.OnceFunc(s.pass), nil
	case <-ctx.Done():
		if !s.leave(c, turn) {
			s.pass() // the turn came at the same moment
		}
		return nil, fault.Op("wait for a boot slot", context.Cause(ctx))
	}
}

// pass hands the slot to the next in line, or keeps it free.
func (s *slots) pass() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.waiting {
		if line := s.waiting[c]; len(line) > 0 {
			s.waiting[c] = line[1:]
			close(line[0])
			return
		}
	}
	s.free++
}

// leave takes turn out of the line; false says that it was already called.
func (s *slots) leave(c class, turn chan struct{}) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range s.waiting[c] {
		if t == turn {
			s.waiting[c] = append(s.waiting[c][:i:i], s.waiting[c][i+1:]...)
			return true
		}
	}
	return false
}
