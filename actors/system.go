package actors

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// Devices are the devices of the host, one handle for each sandbox.
type Devices interface {
	// Known lists the sandboxes on record.
	Known() []sandbox.ID
	// Open returns the handle of a sandbox, on record or new. It touches nothing; changed is
	// called, from any goroutine, when the device's ADB connection came or went.
	Open(id sandbox.ID, changed func()) Device
}

// Device is one device as its actor uses it. Facts and Observe may be called at any time;
// of the others, one at a time. Work that its context cuts short leaves the device as it is:
// doing the same again carries on from there. All of them work whatever an earlier runner
// left half-done.
type Device interface {
	// Facts returns what is on record, at once.
	Facts() sandbox.Facts
	// Observe looks at the device; it changes nothing and answers Life unknown rather than
	// waiting beyond its context.
	Observe(ctx context.Context) sandbox.Observation
	// Prepare checks that spec can be served, makes what all devices of its kind share, and
	// records what is wanted. NotFound for an unknown snapshot comes before anything is recorded.
	Prepare(ctx context.Context, spec sandbox.Spec) error
	// Create boots the device that was prepared, for the first time, on instance number n. When it fails for any
	// other reason than its context, nothing is left on the host, or what is left is said.
	// *sandbox.NumberTaken asks for another number.
	Create(ctx context.Context, n sandbox.Instance, report func(sandbox.Phase)) error
	// Start boots the device with its files; recreated says that nothing was left of them.
	Start(ctx context.Context, report func(sandbox.Phase)) (recreated bool, err error)
	// Stop halts the device, after the guest's sync unless force.
	Stop(ctx context.Context, force bool) error
	// Destroy removes all that is the device's on the host and verifies it; the error lists
	// what is left. It stays on record until Forget, which comes after its number was given back.
	Destroy(ctx context.Context) error
	Forget(ctx context.Context) error
	// Annotate records metadata.
	Annotate(ctx context.Context, metadata map[string]string) error
	// Close lets go of connections. The device stays as it is.
	Close()
}

// Mappings keeps who holds which instance number.
type Mappings interface {
	SaveMappings(ctx context.Context, numbers map[sandbox.ID]sandbox.Instance) error
}

// Admission says whether the host can promise want beside what is held. The error is of kind
// Exhausted and has the sums.
type Admission interface {
	Admit(held []sandbox.Holding, want sandbox.Resources) error
	// MaxInstance is the highest instance number that the host has room for.
	MaxInstance() sandbox.Instance
}

// Limits are how long things may take.
type Limits struct {
	Create  time.Duration // everything of a create, its retry included; 0: 14 min
	Start   time.Duration // 0: 4 min
	Stop    time.Duration // 0: 90 s
	Destroy time.Duration // 0: 2 min
	Health  time.Duration // between two looks at a device; 0: 30 s
}

func (l Limits) orDefault() Limits {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&l.Create, 14*time.Minute)
	set(&l.Start, 4*time.Minute)
	set(&l.Stop, 90*time.Second)
	set(&l.Destroy, 2*time.Minute)
	set(&l.Health, 30*time.Second)
	return l
}

// Options are what a System is made of.
type Options struct {
	Devices   Devices
	Mappings  Mappings
	Admission Admission
	Defaults  sandbox.Resources // for what a create does not say
	Limits    Limits
	Log       *zap.Logger           // nil: silent
	Library   *slog.Logger          // Proto.Actor's own log; nil: silent
	Registry  prometheus.Registerer // nil: metrics are not shown
}

// System is the running tree. Ask is safe for concurrent use.
type System struct {
	world   *world
	kernel  *kernel.System
	root    *kernel.Ref
	closing atomic.Bool
}

// world is what all actors of a tree share.
type world struct {
	Options
	kernel    *kernel.System
	metrics   *metrics
	tokens    kernel.Tokens
	directory directory
	workers   sync.WaitGroup  // all goroutines of the tree
	life      context.Context // ends with the tree
	end       context.CancelFunc
	allocator *kernel.Ref
	root      *kernel.Ref
}

// New makes a tree and starts nothing.
func New(o Options) *System {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Limits = o.Limits.orDefault()
	k := kernel.NewSystem(kernel.Options{Log: o.Log, Library: o.Library, Registry: o.Registry})
	w := &world{Options: o, kernel: k, metrics: newMetrics(o.Registry), directory: directory{refs: map[sandbox.ID]*kernel.Ref{}}}
	w.life, w.end = context.WithCancel(context.Background())
	return &System{world: w, kernel: k}
}

// Start spawns the tree: root, allocator, and an actor for each sandbox on record. It
// returns when questions can be asked; states read unknown until they were probed.
func (s *System) Start(ctx context.Context) error {
	ref, err := s.kernel.SpawnRoot(kernel.Spec{
		Name: "root", Kind: "root", Mailbox: rootMailbox,
		New: func(self *kernel.Ref) actor.Actor { return newRoot(s.world, self) },
	})
	if err != nil {
		return err
	}
	s.root, s.world.root = ref, ref
	_, err = ref.Ask(ctx, populate{})
	return fault.Op("start the actors", err)
}

// Ask sends a public message to whom it is for and waits for the answer, until ctx ends. A
// command goes on when ctx ends first; asking again waits for the same command.
func (s *System) Ask(ctx context.Context, msg any) (any, error) {
	if s.closing.Load() {
		return nil, errClosing
	}
	switch m := msg.(type) {
	case messages.CreateSandbox, messages.ListSandboxes, messages.Describe:
		return s.root.Ask(ctx, msg)
	case messages.Addressed:
		ref := s.world.directory.find(m.Sandbox())
		if ref == nil {
			return answerForUnknown(m)
		}
		answer, err := ref.Ask(ctx, msg)
		if _, look := m.(messages.GetSandbox); look && fault.Is(err, fault.Unavailable) {
			return sandbox.Info{ID: m.Sandbox(), State: sandbox.Unknown, Reason: err.Error(), Since: time.Now()}, nil
		}
		return answer, err
	default:
		return nil, fault.Internalf("nobody answers %T", msg)
	}
}

// errClosing refuses what comes while the runner stops.
var errClosing = fault.New(fault.Cancelled, "the runner is stopping; ask again when it is back")

// answerForUnknown says what Daytona expects for a sandbox that this host does not have.
func answerForUnknown(m messages.Addressed) (any, error) {
	switch m.(type) {
	case messages.GetSandbox:
		return sandbox.Info{ID: m.Sandbox(), State: sandbox.Destroyed, Reason: "no such sandbox on this runner"}, nil
	case messages.DestroySandbox, messages.ForgetSandbox:
		return messages.Done{}, nil
	default:
		return nil, fault.NotFoundf("sandbox %s does not exist on this runner", m.Sandbox())
	}
}

// endLimit is how long the tree may take to end once operations are no longer waited for.
const endLimit = 3 * time.Second

// Stop refuses new questions, answers those that wait, lets a stop or destroy in flight end
// until ctx ends, and then ends the tree. Devices, and launches under way, go on; an operation
// that did not end in time is cut short, and carried on by the next runner. The error is what
// did not end at all.
func (s *System) Stop(ctx context.Context) error {
	s.closing.Store(true)
	if _, err := s.root.Ask(ctx, drain{}); err != nil {
		s.world.Log.Warn("operations are cut short", zap.Error(err))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endLimit)
	defer cancel()
	stopped := s.kernel.Stop(ctx, s.root)
	s.world.end()
	done := make(chan struct{})
	go func() {
		s.world.workers.Wait()
		close(done)
	}()
	select {
	case <-done:
		return stopped
	case <-ctx.Done(): // a clean-up that has its own limit; its commands go on without us
		s.world.Log.Warn("workers are left behind")
		return stopped
	}
}

// directory knows the actor of each sandbox.
type directory struct {
	mu   sync.RWMutex
	refs map[sandbox.ID]*kernel.Ref
}

func (d *directory) find(id sandbox.ID) *kernel.Ref {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.refs[id]
}

func (d *directory) add(id sandbox.ID, r *kernel.Ref) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refs[id] = r
}

func (d *directory) remove(id sandbox.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.refs, id)
}

func (d *directory) all() map[sandbox.ID]*kernel.Ref {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := make(map[sandbox.ID]*kernel.Ref, len(d.refs))
	for id, r := range d.refs {
		out[id] = r
	}
	return out
}
