package lease

import (
	"context"
	"sync"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
)

// Lease is the use of one started device.
type Lease struct {
	ID     sandbox.ID
	Serial string // name of the device in the ADB pool
	// Context ends when the device leaves started (Conflict, "the device left started") and when the
	// server has waited long enough to stop. Many share it: derive from it, and cancel what you derive.
	Context context.Context
}

// Leases hand out leases. All of one device share a context, and its goroutine, because starting and
// ending one of each for every command costs as much as a system call. Safe for concurrent use.
type Leases struct {
	actors transport.Asker

	mu   sync.Mutex
	held map[<-chan struct{}]context.Context
}

// New makes leases of the devices that the actors keep.
func New(actors transport.Asker) *Leases {
	return &Leases{actors: actors, held: map[<-chan struct{}]context.Context{}}
}

// Take leases the device of the sandbox in the request's path. The actor gives the lease or refuses it
// at once: NotFound for an unknown sandbox, Conflict ("is the sandbox started?") for one that is not
// started.
func (l *Leases) Take(c *transport.Ctx) (Lease, error) {
	id, err := c.SandboxID()
	if err != nil {
		return Lease{}, err
	}
	granted, err := transport.Ask[messages.Lease](c.Query(), l.actors, messages.AttachSandbox{ID: id})
	if err != nil {
		return Lease{}, err
	}
	return Lease{ID: id, Serial: granted.Serial, Context: l.context(c.Life(), granted, id)}, nil
}

// context ends, each with its cause, when the device is no longer to be used and when life ends,
// which must be the same for all calls. Its goroutine ends with it.
func (l *Leases) context(life context.Context, granted messages.Lease, id sandbox.ID) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx := l.held[granted.Done]; ctx != nil {
		return ctx
	}
	ctx, end := context.WithCancelCause(life)
	l.held[granted.Done] = ctx
	go func() {
		select {
		case <-granted.Done:
			end(fault.Conflictf("sandbox %s: the device left started while the command ran", id))
		case <-life.Done():
			end(context.Cause(life))
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, granted.Done)
	}()
	return ctx
}
