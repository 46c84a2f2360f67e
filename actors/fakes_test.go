package actors_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// fakeHost is a host in memory. It outlives the systems that run on it, as a real host does.
type fakeHost struct {
	mu      sync.Mutex
	devices map[sandbox.ID]*fakeDevice
	saved   []map[sandbox.ID]sandbox.Instance
	saveErr error
	full    error
	highest sandbox.Instance
	queue   *fakeQueue // nil: the runner takes no jobs
	images  *fakeImages
}

var (
	_ actors.Devices   = (*fakeHost)(nil)
	_ actors.Mappings  = (*fakeHost)(nil)
	_ actors.Admission = (*fakeHost)(nil)
	_ actors.Device    = (*fakeDevice)(nil)
)

func newFakeHost() *fakeHost {
	return &fakeHost{devices: map[sandbox.ID]*fakeDevice{}, highest: 4, images: newFakeImages()}
}

// set changes knobs under the lock.
func (h *fakeHost) set(change func(*fakeHost)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

// booting counts the devices that boot now.
func (h *fakeHost) booting() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.devices {
		d.mu.Lock()
		if d.life == sandbox.LifeBooting {
			n++
		}
		d.mu.Unlock()
	}
	return n
}

func (h *fakeHost) Known() []sandbox.ID {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []sandbox.ID
	for id, d := range h.devices {
		if d.Facts().Known {
			out = append(out, id)
		}
	}
	return out
}

func (h *fakeHost) Open(id sandbox.ID, changed func()) actors.Device {
	d := h.device(id)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed = changed
	return d
}

// device returns the one of the sandbox, made at first use; tests set its knobs.
func (h *fakeHost) device(id sandbox.ID) *fakeDevice {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.devices[id] == nil {
		h.devices[id] = &fakeDevice{bootTime: 90 * time.Second, life: sandbox.LifeAbsent}
	}
	return h.devices[id]
}

func (h *fakeHost) SaveMappings(_ context.Context, numbers map[sandbox.ID]sandbox.Instance) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.saveErr == nil {
		h.saved = append(h.saved, numbers)
	}
	return h.saveErr
}

func (h *fakeHost) mappings() map[sandbox.ID]sandbox.Instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.saved) == 0 {
		return nil
	}
	return h.saved[len(h.saved)-1]
}

func (h *fakeHost) Admit([]sandbox.Holding, sandbox.Resources) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.full
}

func (h *fakeHost) MaxInstance() sandbox.Instance { return h.highest }

// fakeDevice boots in virtual time and misbehaves on request.
type fakeDevice struct {
	mu       sync.Mutex
	facts    sandbox.Facts
	life     sandbox.Life
	changed  func()
	bootTime time.Duration
	creates  int
	starts   int
	stops    int
	destroys int
	closed   bool

	prepareErr, createErr, startErr, stopErr, destroyErr error
	taken                                                sandbox.Instance // a stranger's number
	panics                                               string           // name of the method that panics
	blindLook                                            chan struct{}    // observe waits for it
	factsPanic                                           bool
	unrecorded                                           bool // the ledger takes no failure
}

func (d *fakeDevice) Facts() *sandbox.Facts {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.factsPanic {
		panic("facts")
	}
	now := d.facts
	return &now
}

func (d *fakeDevice) Observe(ctx context.Context) sandbox.Observation {
	d.mu.Lock()
	blind := d.blindLook
	d.mu.Unlock()
	if blind != nil {
		select {
		case <-blind:
		case <-ctx.Done():
			return sandbox.Observation{Life: sandbox.LifeUnknown, At: time.Now()}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return sandbox.Observation{Life: d.life, At: time.Now(), Evidence: []sandbox.Evidence{{Layer: "fake", Fact: string(d.life)}}}
}

func (d *fakeDevice) Prepare(_ context.Context, spec sandbox.Spec) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.prepareErr != nil {
		return d.prepareErr
	}
	d.facts.Known, d.facts.Intent, d.facts.Failure = true, sandbox.IntentStarted, ""
	d.facts.Snapshot, d.facts.Resources, d.facts.Metadata = spec.Snapshot, spec.Resources, spec.Metadata
	if spec.SkipStart {
		d.facts.Intent = sandbox.IntentStopped
	}
	return nil
}

func (d *fakeDevice) Forget(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.facts, d.life = sandbox.Facts{}, sandbox.LifeAbsent
	return nil
}

func (d *fakeDevice) Create(ctx context.Context, n sandbox.Instance, report func(sandbox.Phase)) error {
	d.mu.Lock()
	if d.panics == "create" {
		d.mu.Unlock()
		panic("in create")
	}
	d.creates++
	if n == d.taken {
		d.mu.Unlock()
		return &sandbox.NumberTaken{Instance: n, By: "a stranger"}
	}
	d.facts.Instance, d.facts.ADBPort, d.facts.ADBSerial = n, n.ADBPort(6520), n.Serial(6520)
	if d.facts.Intent == sandbox.IntentStopped {
		d.mu.Unlock()
		return nil
	}
	d.mu.Unlock()
	report(sandbox.Phase{Name: "adb answers", Step: 2, Of: 3})
	if err := d.boot(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.createErr != nil && d.unrecorded {
		d.life = sandbox.LifeAbsent
		return d.createErr
	}
	if d.createErr != nil {
		d.facts.Instance, d.facts.Failure, d.life = 0, d.createErr.Error(), sandbox.LifeAbsent
		return d.createErr
	}
	d.facts.Created = true
	return nil
}

func (d *fakeDevice) boot(ctx context.Context) error {
	d.mu.Lock()
	if d.life != sandbox.LifeRunning {
		d.life = sandbox.LifeBooting
	}
	wait := d.bootTime
	d.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life = sandbox.LifeRunning
	return nil
}

func (d *fakeDevice) Start(ctx context.Context, _ func(sandbox.Phase)) (bool, error) {
	d.mu.Lock()
	d.starts++
	d.facts.Intent = sandbox.IntentStarted
	err := d.startErr
	d.mu.Unlock()
	if err != nil {
		return false, err
	}
	return false, d.boot(ctx)
}

func (d *fakeDevice) Stop(context.Context, bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.panics == "stop" {
		panic("in stop")
	}
	d.stops++
	d.facts.Intent = sandbox.IntentStopped
	if d.stopErr != nil {
		return d.stopErr
	}
	d.life = sandbox.LifeAbsent
	return nil
}

func (d *fakeDevice) Destroy(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.destroys++
	d.facts.Intent = sandbox.IntentDestroyed
	if d.destroyErr != nil {
		return d.destroyErr
	}
	d.life = sandbox.LifeAbsent
	return nil
}

func (d *fakeDevice) Annotate(_ context.Context, m map[string]string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.facts.Metadata = m
	return nil
}

func (d *fakeDevice) Resize(_ context.Context, next sandbox.Resources) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.facts.Created {
		d.facts.Next = next
	} else {
		d.facts.Resources = next
	}
	return nil
}

func (d *fakeDevice) SetNetwork(_ context.Context, network sandbox.Network) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.facts.Network = network
	return nil
}

func (d *fakeDevice) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// set changes knobs under the lock.
func (d *fakeDevice) set(change func(*fakeDevice)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

// rig is a system on a fake host, inside a synctest bubble.
type rig struct {
	*testing.T
	host *fakeHost
	sys  *actors.System
}

func inBubble(t *testing.T, prepare func(*fakeHost), test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, host: newFakeHost()}
		if prepare != nil {
			prepare(r.host)
		}
		r.start()
		test(r)
		r.stop()
		time.Sleep(2 * time.Second) // virtual: the library's dead-letter throttle lives one second
	})
}

func (r *rig) start() {
	r.Helper()
	o := actors.Options{
		Devices: r.host, Mappings: r.host, Admission: r.host, Images: r.host.images,
		Defaults: sandbox.Resources{CPUs: 4, MemoryMB: 4096, DiskGB: 20},
	}
	if q := r.host.queue; q != nil {
		o.Daytona = actors.Daytona{Queue: q, Outbox: q}
	}
	r.sys = actors.New(o)
	if err := r.sys.Start(r.Context()); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) stop() {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.sys.Stop(ctx); err != nil {
		r.Errorf("stop: %v", err)
	}
}

// ask asks with half an hour of virtual time.
func (r *rig) ask(msg any) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	return r.sys.Ask(ctx, msg)
}

// later asks in a goroutine; the returned function waits for the answer.
func (r *rig) later(msg any) func() (any, error) {
	type answer struct {
		v   any
		err error
	}
	ch := make(chan answer, 1)
	go func() {
		v, err := r.ask(msg)
		ch <- answer{v, err}
	}()
	synctest.Wait()
	return func() (any, error) {
		a := <-ch
		return a.v, a.err
	}
}

func (r *rig) info(id sandbox.ID) sandbox.Info {
	r.Helper()
	v, err := r.ask(messages.GetSandbox{ID: id})
	if err != nil {
		r.Fatalf("get %s: %v", id, err)
	}
	return v.(sandbox.Info)
}

func (r *rig) mustAsk(msg any) any {
	r.Helper()
	v, err := r.ask(msg)
	if err != nil {
		r.Fatalf("%T: %v", msg, err)
	}
	return v
}

func (r *rig) wantState(id sandbox.ID, want sandbox.State) {
	r.Helper()
	synctest.Wait()
	if info := r.info(id); info.State != want {
		r.Fatalf("state of %s is %s (%s); want %s", id, info.State, info.Reason, want)
	}
}

func create(id sandbox.ID) messages.CreateSandbox {
	return messages.CreateSandbox{ID: id, Spec: sandbox.Spec{Snapshot: "android-LATEST"}}
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("got %v (%s); want %s", err, fault.KindOf(err), want)
	}
}

var errDisk = errors.New("no space left on device")
