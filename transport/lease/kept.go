package lease

import (
	"context"
	"sync"
)

// Kept holds what a door keeps of a device for as long as it is leased: one T for each lease, however
// many requests take it. Safe for concurrent use.
type Kept[T any] struct {
	make func(Lease) T
	end  func(kept T, cause error)

	mu   sync.Mutex
	held map[context.Context]T
}

// Keep makes what holds Ts. end is called once for each T, on a goroutine of its own, when its lease has
// ended, with the reason.
func Keep[T any](make func(Lease) T, end func(kept T, cause error)) *Kept[T] {
	return &Kept[T]{make: make, end: end, held: map[context.Context]T{}}
}

// Of returns what is kept for the lease; it is made when there is nothing yet.
func (k *Kept[T]) Of(l Lease) T {
	k.mu.Lock()
	defer k.mu.Unlock()
	if kept, ok := k.held[l.Context]; ok {
		return kept
	}
	kept := k.make(l)
	k.held[l.Context] = kept
	context.AfterFunc(l.Context, func() {
		k.mu.Lock()
		delete(k.held, l.Context)
		k.mu.Unlock()
		k.end(kept, context.Cause(l.Context))
	})
	return kept
}
