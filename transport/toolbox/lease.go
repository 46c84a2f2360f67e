package toolbox

import (
	"context"
	"sync"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// leases turn leases into contexts. All commands on one device share one, and its goroutine,
// because starting and ending one of each for every command costs as much as a system call.
type leases struct {
	mu   sync.Mutex
	held map[<-chan struct{}]context.Context
}

func newLeases() *leases { return &leases{held: map[<-chan struct{}]context.Context{}} }

// context ends, each with its cause, when the device is no longer to be used and when life ends,
// which must be the same for all calls. Its goroutine ends with it.
func (l *leases) context(life context.Context, lease messages.Lease, id sandbox.ID) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx := l.held[lease.Done]; ctx != nil {
		return ctx
	}
	ctx, end := context.WithCancelCause(life)
	l.held[lease.Done] = ctx
	go func() {
		select {
		case <-lease.Done:
			end(fault.Conflictf("sandbox %s: the device left started while the command ran", id))
		case <-life.Done():
			end(context.Cause(life))
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, lease.Done)
	}()
	return ctx
}
