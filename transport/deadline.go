package transport

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// grain is how much later than its limit a shared context may end.
const grain = time.Second

// deadlines hands out contexts with a time limit. All requests that begin within one grain
// share one, because a context and a timer for each would cost more than the rest of a query.
type deadlines struct {
	life    context.Context
	limit   time.Duration
	current atomic.Pointer[epoch]
	mu      sync.Mutex // renewal
}

type epoch struct {
	ctx   context.Context
	until time.Time // from then on a new one is due
}

// at returns a context that ends between limit and limit+grain after now.
func (d *deadlines) at(now time.Time) context.Context {
	if e := d.current.Load(); e != nil && now.Before(e.until) {
		return e.ctx
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.current.Load(); e != nil && now.Before(e.until) {
		return e.ctx
	}
	ctx, cancel := context.WithTimeoutCause(d.life, d.limit+grain, fault.Timeoutf("no answer within %s", d.limit))
	context.AfterFunc(ctx, cancel) // it ends by itself, never before its time
	d.current.Store(&epoch{ctx: ctx, until: now.Add(grain)})
	return ctx
}
