package kernel

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.opentelemetry.io/otel/trace"

	"github.com/daytonaio/runner-android/internal/fault"
)

// ask carries a message and the slot for its answer through a mailbox.
type ask struct {
	msg   any
	reply Reply
}

// failed is an answer that is an error.
type failed struct{ err error }

// Reply is the slot for one answer, and the trace that the question belongs to. The zero Reply
// swallows answers: a message that was told, not asked, needs none. Replies may be kept and filled
// from any goroutine.
type Reply struct {
	slot chan any
	span *trace.SpanContext // of the asker; nil: no trace
}

// Send fills the slot with v; a second answer is dropped.
func (r Reply) Send(v any) {
	if r.slot == nil {
		return
	}
	select {
	case r.slot <- v:
	default:
	}
}

// Fail fills the slot with an error.
func (r Reply) Fail(err error) { r.Send(failed{err}) }

// Wanted reports whether somebody waits for the answer.
func (r Reply) Wanted() bool { return r.slot != nil }

// Trace returns ctx with the asker's span, so that what is done for it becomes part of its trace.
func (r Reply) Trace(ctx context.Context) context.Context {
	if r.span == nil {
		return ctx
	}
	return trace.ContextWithSpanContext(ctx, *r.span)
}

// Ref is the address of one actor together with its vital signs. It stays valid after the
// actor is gone; asking then fails. Safe for concurrent use.
type Ref struct {
	pid    *actor.PID
	sys    *System
	vitals *Vitals
	gone   chan struct{} // closed when the actor has ended for good
	lost   func(reason string)
}

// Vitals returns the signs that survive the actor's restarts.
func (r *Ref) Vitals() *Vitals { return r.vitals }

// Gone is closed when the actor has ended for good.
func (r *Ref) Gone() <-chan struct{} { return r.gone }

// Tell sends msg and asks for no answer. What comes for an actor that has ended, such as the result
// of its last work, is counted as a dead letter and no more: the library would log it.
func (r *Ref) Tell(msg any) {
	select {
	case <-r.gone:
		r.sys.metrics.deadLetters.Inc()
	default:
		r.sys.actors.Root.Send(r.pid, msg)
	}
}

// TellAfter tells msg after d, unless the returned function is called first. Timers of an
// actor are its own to cancel, when it stops and when it restarts.
func (r *Ref) TellAfter(d time.Duration, msg any) (cancel func()) {
	t := time.AfterFunc(d, func() { r.Tell(msg) })
	return func() { t.Stop() }
}

// Forward passes msg on for another asker: the answer goes to reply.
func (r *Ref) Forward(msg any, reply Reply) {
	r.sys.actors.Root.Send(r.pid, &ask{msg: msg, reply: reply})
}

// Post asks without waiting; the answer is taken with [Ref.Await]. For asking many at once. The
// span of ctx crosses the mailbox with the question.
func (r *Ref) Post(ctx context.Context, msg any) Reply {
	reply := Reply{slot: make(chan any, 1)}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		reply.span = &sc
	}
	r.Forward(msg, reply)
	return reply
}

// Ask sends msg and waits for the answer, an error, the end of ctx or of the actor. An error
// made by the actor comes back as it was; Timeout and Cancelled say that ctx ended, and the
// command may still take effect; Unavailable says that the actor ended first.
func (r *Ref) Ask(ctx context.Context, msg any) (any, error) { return r.Await(ctx, r.Post(ctx, msg)) }

// Await waits for the answer to an earlier Post.
func (r *Ref) Await(ctx context.Context, reply Reply) (any, error) {
	select {
	case v := <-reply.slot:
		return unwrap(v)
	default:
	}
	select {
	case v := <-reply.slot:
		return unwrap(v)
	case <-ctx.Done():
		return nil, fault.Op("ask "+r.vitals.Path, context.Cause(ctx))
	case <-r.gone:
		select { // the last turn may have answered
		case v := <-reply.slot:
			return unwrap(v)
		default:
			return nil, fault.Unavailablef("%s has ended; ask again", r.vitals.Path)
		}
	}
}

func unwrap(v any) (any, error) {
	if f, bad := v.(failed); bad {
		return nil, f.err
	}
	return v, nil
}
