package kernel

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
)

// DefaultMailbox is how many messages may wait for an actor before asks are refused.
const DefaultMailbox = 256

// Options are what a System is made with. All fields may be left out.
type Options struct {
	Log      *zap.Logger           // nil: silent
	Library  *slog.Logger          // where Proto.Actor itself logs; nil: nowhere
	Registry prometheus.Registerer // nil: metrics are kept but not shown
}

// System holds the actors of one process. It is safe for concurrent use.
type System struct {
	actors  *actor.ActorSystem
	log     *zap.Logger
	metrics *metrics

	mu   sync.Mutex
	refs map[string]*Ref // by pid
}

// NewSystem makes a system without actors.
func NewSystem(o Options) *System {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Library == nil {
		o.Library = slog.New(slog.DiscardHandler)
	}
	s := &System{log: o.Log, metrics: newMetrics(o.Registry), refs: map[string]*Ref{}}
	if o.Registry != nil {
		o.Registry.MustRegister(newDepths(s))
	}
	s.actors = actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return o.Library }),
		actor.WithDeadLetterRequestLogging(false),
	)
	s.actors.EventStream.SubscribeWithPredicate(s.onDeadLetter, func(e any) bool {
		_, dead := e.(*actor.DeadLetterEvent)
		return dead
	})
	return s
}

// onDeadLetter runs in the sender's goroutine. An ask that found nobody is answered.
func (s *System) onDeadLetter(e any) {
	letter, _ := e.(*actor.DeadLetterEvent)
	s.metrics.deadLetters.Inc()
	if a, asked := letter.Message.(*ask); asked && letter.PID != nil {
		a.reply.Fail(fault.Unavailablef("%s has ended; ask again", letter.PID.Id))
	}
}

// Spec says what to spawn.
type Spec struct {
	Name    string // unique among its siblings
	Kind    string // for logs, metrics and the tree
	Mailbox int    // messages that may wait; 0: DefaultMailbox
	// New makes an incarnation: at spawn and after each restart. It must have no effect:
	// what an actor needs it takes in *actor.Started. self is the same in every incarnation.
	New func(self *Ref) actor.Actor
	// Lost hears that the actor was given up, and why, each time anew; nil: nobody listens. It is
	// called in the supervisor's turn: it must not wait.
	Lost func(reason string)
}

// SpawnRoot spawns the actor that all others are below. It is never restarted: a panic loses
// the message, not the children.
func (s *System) SpawnRoot(spec Spec) (*Ref, error) {
	keep := actor.NewOneForOneStrategy(1, time.Minute, func(any) actor.Directive { return actor.ResumeDirective })
	return s.spawn(s.actors.Root, "", spec, actor.WithGuardian(keep))
}

// Spawn spawns a child of the actor whose turn ctx is.
func (s *System) Spawn(ctx actor.Context, spec Spec) (*Ref, error) {
	return s.spawn(ctx, ctx.Self().Id+"/", spec)
}

type spawner interface {
	SpawnNamed(props *actor.Props, name string) (*actor.PID, error)
}

func (s *System) spawn(by spawner, prefix string, spec Spec, more ...actor.PropsOption) (*Ref, error) {
	if spec.Mailbox == 0 {
		spec.Mailbox = DefaultMailbox
	}
	ref := &Ref{sys: s, vitals: newVitals(prefix+spec.Name, spec.Kind), gone: make(chan struct{}), lost: spec.Lost}
	ref.pid = actor.NewPID(s.actors.Address(), prefix+spec.Name)
	options := append([]actor.PropsOption{
		actor.WithMailbox(newMailbox(ref.vitals, spec.Mailbox, s.metrics.refused.WithLabelValues(spec.Kind).Inc)),
		actor.WithReceiverMiddleware(s.receive),
		actor.WithSupervisor(strategy{s}),
	}, more...)
	if !s.register(ref) {
		return nil, fault.Conflictf("actor %s exists", ref.vitals.Path)
	}
	_, err := by.SpawnNamed(actor.PropsFromProducer(func() actor.Actor {
		return &incarnation{Actor: spec.New(ref), ref: ref}
	}, options...), spec.Name)
	if err != nil {
		s.unregister(ref)
		return nil, fault.Wrap(fault.Internal, "spawn "+ref.vitals.Path, err)
	}
	return ref, nil
}

// incarnation closes the ref when the actor has stopped for good.
type incarnation struct {
	actor.Actor
	ref *Ref
}

// Receive passes the message on and watches for the end.
func (i *incarnation) Receive(ctx actor.Context) {
	i.Actor.Receive(ctx)
	if _, stopped := ctx.Message().(*actor.Stopped); stopped {
		i.ref.vitals.stopRetry()
		i.ref.sys.unregister(i.ref)
		close(i.ref.gone)
	}
}

func (i *incarnation) beginTurn(r Reply) {
	if t, ok := i.Actor.(turns); ok {
		t.beginTurn(r)
	}
}

func (i *incarnation) answered() bool {
	t, ok := i.Actor.(turns)
	return ok && t.answered()
}

func (s *System) register(r *Ref) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs[r.pid.Id] != nil {
		return false
	}
	s.refs[r.pid.Id] = r
	return true
}

func (s *System) unregister(r *Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.refs, r.pid.Id)
}

func (s *System) lookup(pid *actor.PID) *Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refs[pid.Id]
}

// End lets the actor handle what already waits, then ends it with its children. It returns
// at once; [Ref.Gone] tells when it is over. New asks are refused from now on.
func (r *Ref) End() {
	r.vitals.Refuse(fault.Unavailablef("%s is ending; ask again", r.vitals.Path))
	r.vitals.stopRetry()
	r.sys.actors.Root.Poison(r.pid)
	if h, _, _, _ := r.vitals.Report(); h != Running {
		// A suspended mailbox would never reach the pill; nothing of it can be handled anyway.
		r.sys.actors.Root.Stop(r.pid)
	}
}

// Stop ends the tree below root and waits for it until ctx ends; it then reports what is
// still alive. The system takes no actor afterwards.
func (s *System) Stop(ctx context.Context, root *Ref) error {
	root.End()
	select {
	case <-root.gone:
		s.actors.Shutdown()
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		return fault.Timeoutf("stop the actors: %d still alive", len(s.refs))
	}
}
