package actors

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
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
	// Groups lists the groups under our names in cvd's last list, with their numbers, and when that was asked for.
	Groups() (groups map[sandbox.ID]sandbox.Instance, asked time.Time)
	// TakeOver puts such a group, of no sandbox, on record with the intent; it is opened next. False where
	// too little is known of it.
	TakeOver(id sandbox.ID, intent sandbox.Intent) bool
}

// Device is one device as its actor uses it. Facts and Observe may be called at any time;
// of the others, one at a time. Work that its context cuts short leaves the device as it is:
// doing the same again carries on from there. All of them work whatever an earlier runner
// left half-done.
type Device interface {
	// Facts returns what is on record, at once. It is shared: nobody changes it.
	Facts() *sandbox.Facts
	// Observe looks at the device; it changes nothing of it and answers Life unknown rather than
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
	// Halt is Stop for a snapshot: that the device is to be started again is on record.
	Halt(ctx context.Context) error
	// StayHalted takes that off the record.
	StayHalted(ctx context.Context) error
	// Tidy removes what a device that died left beside its files, and says what that was. It does nothing to one that is
	// not absent.
	Tidy(ctx context.Context) (removed []string, err error)
	// Destroy removes all that is the device's on the host and verifies it; the error lists
	// what is left. It stays on record until Forget, which comes after its number was given back.
	Destroy(ctx context.Context) error
	Forget(ctx context.Context) error
	// Capture saves the device's data as a snapshot of the name, and lets the device go on.
	Capture(ctx context.Context, name string, report func(sandbox.Phase)) error
	// Annotate records metadata.
	Annotate(ctx context.Context, metadata map[string]string) error
	// Resize records what the next start gets; of a device that has not booted yet, what the next
	// create gets.
	Resize(ctx context.Context, next sandbox.Resources) error
	// SetNetwork records network settings.
	SetNetwork(ctx context.Context, network sandbox.Network) error
	// LastWords returns what the device's logs say about its end: a few short lines, or none. It may
	// be called at any time.
	LastWords(ctx context.Context) []string
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

// Images are the base images of the host, and the names that Daytona has given them.
type Images interface {
	// Leads is the snapshot, "org/name", that a name leads to on this host, whole or not; empty where it is another directory.
	// NotFound where the name leads nowhere.
	Leads(ctx context.Context, name string) (snapshot string, err error)
	// Exists reports whether sandboxes can be created from the name, without reading the image.
	Exists(ctx context.Context, name string) (bool, error)
	// Inspect identifies the image of a name that sandboxes can be created from; NotFound otherwise.
	Inspect(ctx context.Context, name string) (sandbox.Image, error)
	// InspectSource identifies the image that a reference of a registry stands for here.
	InspectSource(ctx context.Context, ref string) (sandbox.Image, error)
	// Link makes the image of a source known as ref, in one step; doing it again changes nothing.
	Link(ctx context.Context, source, ref string) (sandbox.Image, error)
	// Unlink forgets a name that Link made. Base images stay: removed is false.
	Unlink(ctx context.Context, name string) (removed bool, err error)
	// Count returns how many names there are.
	Count(ctx context.Context) (int, error)
}

// Saved are the snapshots of devices' data on this host, and in the bucket that hosts share. What makes a name whole and
// what removes it wait for each other; Push, and a removal from the bucket, are not called beside each other for one name.
type Saved interface {
	// Shared reports whether there is a bucket.
	Shared() bool
	// NameOf is the snapshot "org/name" that a reference stands for; Invalid where it is none.
	NameOf(ref string) (string, error)
	// Check asks whether the bucket, if there is one, can be read, and says what is wrong.
	Check(ctx context.Context) error
	// Remote identifies the snapshot of a name in the bucket; NotFound where there is none.
	Remote(ctx context.Context, name string) (sandbox.Image, error)
	// Free is a Conflict where a sandbox's data cannot be saved under the name, because it is taken.
	Free(ctx context.Context, name, sandbox string) error
	// Use notes that something is made of a snapshot of this host, and reports whether it is whole: if not, Pull makes it so.
	// NotFound where it is not here.
	Use(ctx context.Context, name string) (whole bool, err error)
	// Pull sees to it that a snapshot is on this host, whole. NotFound where neither host nor bucket has it.
	Pull(ctx context.Context, name string, report func(sandbox.Progress)) error
	// Push sends one of this host to the bucket; doing it again goes on, or is success.
	Push(ctx context.Context, name string, report func(sandbox.Progress)) error
	// Pending lists the names that are to be sent and were not.
	Pending(ctx context.Context) ([]string, error)
	// Remove takes one away with its files, and reports whether it was one: base images stay.
	Remove(ctx context.Context, name string) (removed bool, err error)
	// RemoveRemote takes one out of the bucket.
	RemoveRemote(ctx context.Context, name string) error
	// SettleBackup removes what a backup that is in the bucket makes superfluous: its copy here, and from the bucket all but the
	// newest of its sandbox. It does nothing to what is no backup.
	SettleBackup(ctx context.Context, name string) (removed []string, err error)
	// Unused lists those that the bucket has as well, and of which nothing was made for a time.
	Unused(ctx context.Context, since time.Duration) ([]string, error)
	// RemoveUnused is Remove, for one that still is unused.
	RemoveUnused(ctx context.Context, name string, since time.Duration) (removed bool, err error)
	// Tidy ends uploads, and removes what sendings and pulls left, that nobody goes on with.
	Tidy(ctx context.Context) (aborted int, err error)
}

// Collection is what becomes of copies of snapshots that nobody uses and that the bucket has.
type Collection struct {
	After  time.Duration // how long nothing was made of them; 0: they are not looked for
	Remove bool          // false: it is only said which
}

// Journal keeps the last transitions of each sandbox for as long as the sandbox is on record.
type Journal interface {
	Transitions(ctx context.Context, id sandbox.ID) ([]sandbox.Transition, error)
	// SaveTransitions replaces them; NotFound for a sandbox that is not on record.
	SaveTransitions(ctx context.Context, id sandbox.ID, all []sandbox.Transition) error
}

// Limits are how long things may take.
type Limits struct {
	Create  time.Duration // everything of a create, its retry included; 0: 14 min
	Start   time.Duration // 0: 4 min
	Stop    time.Duration // 0: 90 s
	Destroy time.Duration // 0: 2 min
	Health  time.Duration // between two looks at a device; 0: 30 s
	// Failures is how many looks in a row must find a started device absent before it is dead; 0: 3.
	Failures int
	Healing  Healing
	Term     Term
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
	set(&l.Healing.Window, time.Hour)
	if l.Failures == 0 {
		l.Failures = 3
	}
	return l
}

// Options are what a System is made of.
type Options struct {
	Devices   Devices
	Mappings  Mappings
	Admission Admission
	Images    Images
	Saved     Saved
	Collect   Collection
	Journal   Journal           // nil: transitions are kept in memory only
	Defaults  sandbox.Resources // for what a create does not say
	Limits    Limits
	Daytona   Daytona               // nil Queue: no jobs
	Tracer    trace.Tracer          // nil: no spans
	Log       *zap.Logger           // nil: silent
	Library   *slog.Logger          // Proto.Actor's own log; nil: silent
	Registry  prometheus.Registerer // nil: metrics are not shown
}

// System is the running tree. Ask is safe for concurrent use.
type System struct{ world *world }

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
	closing   atomic.Bool
	root      *kernel.Ref
	allocator *kernel.Ref
	snapshots *kernel.Ref
	jobs      *kernel.Ref   // nil: none are taken
	crashes   *kernel.Ref   // nil: nobody is told
	populated chan struct{} // closed when all of the above are there
}

// New makes a tree and starts nothing.
func New(o Options) *System {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	o.Limits, o.Daytona = o.Limits.orDefault(), o.Daytona.orDefault()
	k := kernel.NewSystem(kernel.Options{Log: o.Log, Library: o.Library, Registry: o.Registry})
	w := &world{Options: o, kernel: k, metrics: newMetrics(o.Registry), directory: newDirectory(), populated: make(chan struct{})}
	w.life, w.end = context.WithCancel(context.Background())
	return &System{world: w}
}

// Start spawns the tree: root, allocator, snapshots, an actor for each sandbox on record, and the
// poller of jobs. It returns when questions can be asked; states read unknown until they were probed.
func (s *System) Start(ctx context.Context) error {
	w := s.world
	ref, err := w.kernel.SpawnRoot(kernel.Spec{
		Name: "root", Kind: "root", Mailbox: rootMailbox,
		New: func(self *kernel.Ref) actor.Actor { return newRoot(w, self) },
	})
	if err != nil {
		return err
	}
	w.root = ref
	_, err = ref.Ask(ctx, populate{})
	return fault.Op("start the actors", err)
}

// Ask sends a public message to whom it is for and waits for the answer, until ctx ends. A
// command goes on when ctx ends first; asking again waits for the same command.
func (s *System) Ask(ctx context.Context, msg any) (any, error) { return s.world.ask(ctx, msg) }

func (w *world) ask(ctx context.Context, msg any) (any, error) {
	if w.closing.Load() {
		return nil, errClosing
	}
	switch m := msg.(type) {
	case messages.CreateSandbox, messages.ListSandboxes, messages.Describe:
		return w.root.Ask(ctx, msg)
	case messages.InspectSnapshot, messages.PullSnapshot, messages.BeginPullSnapshot, messages.RemoveSnapshot, messages.TakeSnapshot,
		messages.GetSnapshot, messages.HasSnapshot, messages.CountSnapshots, messages.GetSnapshotProgress:
		return w.snapshots.Ask(ctx, msg)
	case messages.Addressed:
		ref := w.directory.find(m.Sandbox())
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

// endLimit is how long the tree may take to end once operations are no longer waited for, and
// reportLimit how long the last outcomes of jobs have to reach the API. They are on disk.
const (
	endLimit    = 3 * time.Second
	reportLimit = 2 * time.Second
)

// Stop takes no more jobs, refuses new questions, answers those that wait, lets a stop or destroy in
// flight end until ctx ends, and then ends the tree. Devices, and launches under way, go on; an
// operation that did not end in time is cut short, and carried on by the next runner. The error is
// what did not end at all.
func (s *System) Stop(ctx context.Context) error {
	w := s.world
	w.closing.Store(true)
	w.drainJobs(ctx, drain{})
	if _, err := w.root.Ask(ctx, drain{}); err != nil {
		w.Log.Warn("operations are cut short", zap.Error(err))
	}
	report, cancel := context.WithTimeout(ctx, reportLimit)
	w.drainJobs(report, settleAll{})
	cancel()
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), endLimit)
	defer cancel()
	stopped := w.kernel.Stop(ctx, w.root)
	w.end()
	done := make(chan struct{})
	go func() {
		w.workers.Wait()
		close(done)
	}()
	select {
	case <-done:
		return stopped
	case <-ctx.Done(): // a clean-up that has its own limit; its commands go on without us
		w.Log.Warn("workers are left behind")
		return stopped
	}
}

func (w *world) drainJobs(ctx context.Context, msg any) {
	if w.jobs == nil {
		return
	}
	if _, err := w.jobs.Ask(ctx, msg); err != nil {
		w.Log.Warn("jobs are cut short; what was done is on disk", zap.Error(err))
	}
}

// directory knows the actor of each sandbox, and its device for questions that need no actor.
type directory struct {
	mu      sync.RWMutex
	refs    map[sandbox.ID]*kernel.Ref
	devices map[sandbox.ID]Device
}

func newDirectory() directory {
	return directory{refs: map[sandbox.ID]*kernel.Ref{}, devices: map[sandbox.ID]Device{}}
}

func (d *directory) find(id sandbox.ID) *kernel.Ref {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.refs[id]
}

// device returns nil for an unknown sandbox.
func (d *directory) device(id sandbox.ID) Device {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.devices[id]
}

func (d *directory) add(id sandbox.ID, r *kernel.Ref, device Device) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refs[id], d.devices[id] = r, device
}

func (d *directory) remove(id sandbox.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.refs, id)
	delete(d.devices, id)
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
