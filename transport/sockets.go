package transport

import (
	"context"
	"sync"
)

// sockets counts those that are open: fasthttp forgets the connections that it hands over.
type sockets struct {
	life context.Context // ends when the server begins to drain
	stop context.CancelCauseFunc

	mu   sync.Mutex
	open int
	idle chan struct{} // closed when open becomes 0; nil while nobody waits
}

// enter registers a connection until leave is called. Its context has the values of span and ends with
// gone. When the server begins to drain it ends too, and stop, which may come in before enter returns,
// is called with the cause.
func (r *sockets) enter(span context.Context, stop func(cause error)) (ctx context.Context, gone context.CancelCauseFunc, leave func()) {
	ctx, gone = context.WithCancelCause(span)
	told := make(chan struct{})
	unwatch := context.AfterFunc(r.life, func() {
		defer close(told)
		gone(context.Cause(r.life))
		stop(context.Cause(r.life))
	})
	r.mu.Lock()
	r.open++
	r.mu.Unlock()
	return ctx, gone, func() {
		if !unwatch() {
			<-told // the connection is closed when we return
		}
		gone(errClientGone)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.open--; r.open == 0 && r.idle != nil {
			close(r.idle)
			r.idle = nil
		}
	}
}

// wait returns when no socket is open, or ctx ends.
func (r *sockets) wait(ctx context.Context) error {
	r.mu.Lock()
	if r.open == 0 {
		r.mu.Unlock()
		return nil
	}
	if r.idle == nil {
		r.idle = make(chan struct{})
	}
	idle := r.idle
	r.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
