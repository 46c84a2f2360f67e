package lease

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
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
	actors  transport.Asker
	granted prometheus.Counter

	mu   sync.Mutex
	held map[<-chan struct{}]context.Context
}

// New makes leases of the devices that the actors keep. Without a registry metrics are not shown.
func New(actors transport.Asker, registry prometheus.Registerer) *Leases {
	l := &Leases{actors: actors, held: map[<-chan struct{}]context.Context{}}
	l.granted = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: obs.Namespace, Name: "leases_granted_total", Help: "Uses of started devices that were granted.",
	})
	if registry != nil {
		registry.MustRegister(l.granted, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: obs.Namespace, Name: "leased_devices", Help: "Devices that were used since they started, and may still be.",
		}, l.devices))
	}
	return l
}

func (l *Leases) devices() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(len(l.held))
}

// Take leases the device of the sandbox in the request's path. The actor gives the lease or refuses it
// at once: NotFound for an unknown sandbox, Conflict ("is the sandbox started?") for one that is not
// started.
func (l *Leases) Take(c *transport.Ctx) (Lease, error) {
	id, err := c.SandboxID()
	if err != nil {
		return Lease{}, err
	}
	return l.For(c, id)
}

// For is Take for a sandbox that the request names in another way.
func (l *Leases) For(c *transport.Ctx, id sandbox.ID) (Lease, error) {
	granted, err := transport.Ask[messages.Lease](c.Query(), l.actors, messages.AttachSandbox{ID: id})
	if err != nil {
		return Lease{}, err
	}
	l.granted.Inc()
	if granted.Usage != nil {
		c.OnEnd(granted.Usage.Begin())
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
