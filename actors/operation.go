package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// lookLimit bounds one look at a device.
const lookLimit = 6 * time.Second

// opKind names an operation.
type opKind string

const (
	opCreate  opKind = "create"
	opStart   opKind = "start"
	opStop    opKind = "stop"
	opDestroy opKind = "destroy"
	opRecover opKind = "recover"
	opRestart opKind = "restart" // of a device that died, by the runner itself
)

// survives reports whether the operation goes on when its runner ends: cvd launches in a
// session of its own, and the next runner waits for it.
func (k opKind) survives() bool { return k == opCreate || k == opStart || k == opRestart }

// during is the state of a sandbox while the operation runs.
func (k opKind) during() sandbox.State {
	switch k {
	case opCreate:
		return sandbox.Creating
	case opStart, opRecover, opRestart:
		return sandbox.Starting
	case opStop:
		return sandbox.Stopping
	case opDestroy:
		return sandbox.Destroying
	}
	return sandbox.Unknown
}

// These end the work of an operation that a destroy, or a stop, makes pointless.
var (
	errSuperseded = fault.New(fault.Conflict, "destroyed meanwhile")
	errHalted     = fault.New(fault.Conflict, "stopped meanwhile")
)

// operation is the one piece of long work that a sandbox has in flight.
type operation struct {
	kind    opKind
	why     string // what the runner does it for by itself; empty: somebody asked for it
	token   kernel.Token
	since   time.Time
	waiters []kernel.Reply
	cancel  context.CancelCauseFunc
	phase   sandbox.Phase
}

func (o *operation) describe() string {
	text := string(o.kind)
	if o.why != "" {
		text = o.why
	}
	if o.phase.Of == 0 {
		return text
	}
	return fmt.Sprintf("%s: waiting for phase %d of %d, %s", text, o.phase.Step, o.phase.Of, o.phase.Name)
}

// join lets r wait for the operation's end.
func (o *operation) join(r kernel.Reply) { o.waiters = append(o.waiters, r) }

// fail answers who waits. The work itself goes on until its context ends.
func (o *operation) fail(err error) {
	failAll(o.waiters, err)
	o.waiters = nil
}

// outcome is what work hands back.
type outcome struct{ recreated bool }

// work is the part of an operation that takes time; it runs off the mailbox.
type work func(ctx context.Context, report func(sandbox.Phase)) (outcome, error)

// begin starts an operation for who waits, and as part of the first one's trace. Its outcome comes
// back as done with the operation's token.
func (s *Sandbox) begin(kind opKind, limit time.Duration, do work, waiters ...kernel.Reply) {
	s.beginBecause("", kind, limit, do, waiters...)
}

// beginBecause is begin for what nobody asked for.
func (s *Sandbox) beginBecause(why string, kind opKind, limit time.Duration, do work, waiters ...kernel.Reply) {
	ctx, cancel := context.WithCancelCause(s.life)
	ctx, free := context.WithTimeoutCause(ctx, limit, fault.Timeoutf("%s took longer than %s", kind, limit))
	op := &operation{kind: kind, why: why, token: s.world.tokens.Next(), since: time.Now(), cancel: cancel, waiters: waiters}
	if len(waiters) > 0 {
		ctx = waiters[0].Trace(ctx)
	}
	ctx, span := s.world.Tracer.Start(ctx, "sandbox "+string(kind), trace.WithAttributes(obs.AttrSandboxID.String(string(s.id))))
	s.op = op
	s.probing, s.again = 0, false // a look from before tells nothing of after
	s.cancel()
	s.become(kind.during(), why)
	s.log.Info("operation started", zap.String(obs.Op, string(kind)), zap.Uint64(obs.OpID, uint64(op.token)),
		obs.TraceField(span.SpanContext()))
	phases := phaseSpans{tracer: s.world.Tracer, ctx: ctx}
	report := func(p sandbox.Phase) {
		phases.next(p)
		s.self.Tell(phaseReached{op.token, p})
	}
	s.world.workers.Go(func() {
		defer cancel(nil)
		defer free()
		result := done{token: op.token}
		result.err = kernel.Guarded(s.log, func() error {
			out, err := do(ctx, report)
			result.recreated = out.recreated
			return cutShort(ctx, err)
		})
		phases.end(result.err)
		obs.EndSpan(span, result.err)
		if err := kernel.Guarded(s.log, func() error {
			result.seen = s.observeAfter(ctx)
			return nil
		}); err != nil {
			result.err = errors.Join(result.err, err)
		}
		s.self.Tell(result)
	})
}

// phaseSpans makes a span of each phase of a boot. A phase lasts until the next one is reported.
type phaseSpans struct {
	tracer  trace.Tracer
	ctx     context.Context // of the operation
	current trace.Span      // nil before the first phase
}

func (p *phaseSpans) next(phase sandbox.Phase) {
	p.end(nil)
	_, p.current = p.tracer.Start(p.ctx, "boot: "+phase.Name)
}

func (p *phaseSpans) end(err error) {
	if p.current != nil {
		obs.EndSpan(p.current, err)
		p.current = nil
	}
}

// cutShort names the cause when a context ended the work.
func cutShort(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		return fault.Wrap(fault.KindOf(cause), cause.Error(), err)
	}
	return err
}

// observeAfter looks at the device once the work is over, unless nobody will want to know.
func (s *Sandbox) observeAfter(ctx context.Context) sandbox.Observation {
	if errors.Is(ctx.Err(), context.Canceled) {
		return sandbox.Observation{Life: sandbox.LifeUnknown}
	}
	look, cancel := context.WithTimeout(s.life, lookLimit)
	defer cancel()
	return s.device.Observe(look)
}

func (s *Sandbox) onPhase(msg phaseReached) {
	if s.op != nil && msg.token == s.op.token {
		s.op.phase = msg.phase
	}
}

// onDone ends the operation: the sandbox becomes what is true now, and who waits is answered.
func (s *Sandbox) onDone(msg done) {
	op := s.op
	if op == nil || msg.token != op.token {
		return // of an earlier incarnation
	}
	s.op = nil
	s.seen, s.absences = msg.seen, 0
	s.world.metrics.finished(op.kind, msg.err, time.Since(op.since))
	s.log.Info("operation ended", zap.String(obs.Op, string(op.kind)), zap.Uint64(obs.OpID, uint64(op.token)),
		zap.Duration(obs.Took, time.Since(op.since)), zap.Error(msg.err))
	if s.doomed != nil {
		op.fail(fault.Wrap(fault.Conflict, string(op.kind), errSuperseded))
		waiters := *s.doomed
		s.doomed = nil
		s.dropHalt(errSuperseded)
		s.dropRest(errSuperseded)
		s.beginDestroy(waiters...)
		return
	}
	if op.kind == opRestart && s.halted() {
		op.fail(errHalted)
		return
	}
	if op.kind == opDestroy && msg.err == nil {
		s.become(sandbox.Destroyed, "")
		s.world.root.Tell(retired{id: s.id, waiters: op.waiters})
		return
	}
	if op.kind == opCreate && msg.err != nil && !s.device.Facts().Known {
		// Refused before anything was recorded: there is no such sandbox.
		s.become(sandbox.Destroyed, msg.err.Error())
		s.world.root.Tell(retired{id: s.id, waiters: op.waiters, err: msg.err})
		return
	}
	s.recreated = msg.recreated
	s.settled(op, msg)
	if s.op != nil {
		return // it is restarted once more
	}
	for _, w := range op.waiters {
		if msg.err != nil {
			w.Fail(msg.err)
		} else {
			w.Send(s.info())
		}
	}
	for _, w := range s.drained {
		w.Send(messages.Done{})
	}
	s.drained = nil
	if s.rested(); s.op != nil {
		return // it goes on
	}
	s.arm()
}

// settled becomes what the sandbox is after an operation.
func (s *Sandbox) settled(op *operation, msg done) {
	if op.kind == opRestart {
		s.onRestarted(op, msg)
		s.witness()
		return
	}
	next, reason := settle(op.kind, msg.err, msg.seen.Life, s.device.Facts())
	if op.kind == opStop && op.why != "" && msg.err == nil {
		s.become(next, op.why)
		s.world.noteOwnWill()
		return
	}
	s.become(next, reason)
}

// settle says what a sandbox is after an operation. It never guesses: what was seen decides,
// and the operation only explains it.
func settle(kind opKind, err error, life sandbox.Life, f *sandbox.Facts) (sandbox.State, string) {
	switch {
	case err == nil && f.Intent == sandbox.IntentStopped: // a stop, or what was to be left stopped
		return sandbox.Stopped, ""
	case err == nil:
		return sandbox.Started, ""
	case fault.Is(err, fault.Exhausted) && kind == opStart && life == sandbox.LifeAbsent:
		return sandbox.Stopped, err.Error() // nothing was tried; there may be room later
	case kind == opStop && life == sandbox.LifeRunning:
		return sandbox.Started, err.Error()
	case kind == opStop && life == sandbox.LifeAbsent:
		return sandbox.Stopped, err.Error()
	default:
		return sandbox.Error, err.Error()
	}
}
