package actors_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

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
	queue   *fakeQueue  // nil: the runner takes no jobs
	states  *fakeStates // nil: nobody is told of crashes
	log     *zap.Logger // nil: silent
	images  *fakeImages
	bucket  *fakeSaved
	collect actors.Collection
	journal fakeJournal
	limits  actors.Limits
	groups  map[sandbox.ID]sandbox.Instance // in cvd's list, which is asked for every five minutes
	vague   bool                            // which says too little
	panics  string                          // name of the method that panics
}

var (
	_ actors.Devices   = (*fakeHost)(nil)
	_ actors.Mappings  = (*fakeHost)(nil)
	_ actors.Admission = (*fakeHost)(nil)
	_ actors.Device    = (*fakeDevice)(nil)
)

func newFakeHost() *fakeHost {
	images := newFakeImages()
	return &fakeHost{devices: map[sandbox.ID]*fakeDevice{}, highest: 4, images: images, bucket: &fakeSaved{images: images}}
}

// set changes knobs under the lock.
func (h *fakeHost) set(change func(*fakeHost)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

func (h *fakeHost) panicIn(method string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.panics == method {
		panic("in " + method)
	}
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
	h.panicIn("open")
	d := h.device(id)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed = changed
	return d
}

func (h *fakeHost) Groups() (map[sandbox.ID]sandbox.Instance, time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.groups), time.Now().Truncate(5 * time.Minute)
}

func (h *fakeHost) TakeOver(id sandbox.ID, intent sandbox.Intent) bool {
	h.mu.Lock()
	n, vague := h.groups[id], h.vague
	h.mu.Unlock()
	if vague {
		return false
	}
	h.device(id).set(func(d *fakeDevice) {
		d.facts = sandbox.Facts{Known: true, Created: true, Intent: intent, Instance: n}
	})
	return true
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
	h.panicIn("admit")
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.full
}

func (h *fakeHost) MaxInstance() sandbox.Instance { return h.highest }

// panicsOnce is a log that panics where it is told a message, the first time.
func panicsOnce(message string) *zap.Logger {
	told := false
	return zap.NewNop().WithOptions(zap.WrapCore(func(zapcore.Core) zapcore.Core {
		return zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(io.Discard), zapcore.DebugLevel)
	}), zap.Hooks(func(e zapcore.Entry) error {
		if e.Message == message && !told {
			told = true
			panic("at: " + message)
		}
		return nil
	}))
}

// fakeDevice boots in virtual time and misbehaves on request.
type fakeDevice struct {
	mu          sync.Mutex
	facts       sandbox.Facts
	life        sandbox.Life
	layer       string        // that decides
	death       sandbox.Death // when it is absent; empty: crashed
	changed     func()
	bootTime    time.Duration
	looks       int
	creates     int
	starts      int
	stops       int
	destroys    int
	tidies      int
	captures    int
	captureTime time.Duration
	closed      bool
	sameBoot    bool     // the host was not rebooted since it ran
	unlisted    bool     // cvd's list is older than its end
	misnamed    string   // by cvd's list, while it runs
	renewals    int      // of its ADB connection
	left        []string // by a dead one, for Tidy
	tidyErr     error

	prepareErr, createErr, startErr, stopErr, destroyErr error
	taken                                                sandbox.Instance // a stranger's number
	panics                                               string           // name of the method that panics
	blindLook                                            chan struct{}    // observe waits for it
	factsPanic                                           bool
	unrecorded                                           bool // the ledger takes no failure
	words                                                []string
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
	o := sandbox.Observation{
		Life: d.life, Layer: d.layer, At: time.Now(), Reason: "it is " + string(d.life), Evidence: []sandbox.Evidence{{Layer: "fake", Fact: string(d.life)}},
	}
	o.Renewals = d.renewals
	switch d.looks++; d.life {
	case sandbox.LifeAbsent:
		o.Death, o.SameBoot, o.Listed = cmp.Or(d.death, sandbox.DeathCrashed), d.sameBoot, !d.unlisted
	case sandbox.LifeRunning:
		o.Misnamed = d.misnamed
	default:
	}
	return o
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
	d.facts.Intent, d.facts.Halted = sandbox.IntentStarted, false
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

func (d *fakeDevice) Halt(ctx context.Context) error {
	d.set(func(d *fakeDevice) { d.facts.Halted = true })
	return d.Stop(ctx, false)
}

func (d *fakeDevice) StayHalted(context.Context) error {
	d.set(func(d *fakeDevice) { d.facts.Halted = false })
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

func (d *fakeDevice) Tidy(context.Context) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tidies++
	if d.panics == "tidy" {
		panic("in tidy")
	}
	return d.left, d.tidyErr
}

func (d *fakeDevice) Capture(ctx context.Context, _ string, report func(sandbox.Phase)) error {
	d.mu.Lock()
	d.captures++
	takes, panics := d.captureTime, d.panics == "capture"
	d.mu.Unlock()
	if panics {
		panic("in capture")
	}
	report(sandbox.Phase{Name: "copy", Step: 1, Of: 3})
	select {
	case <-time.After(takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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

func (d *fakeDevice) LastWords(context.Context) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.panics == "words" {
		panic("in last words")
	}
	return d.words
}

func (d *fakeDevice) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

func (d *fakeDevice) looked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.looks
}

// set changes knobs under the lock.
func (d *fakeDevice) set(change func(*fakeDevice)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

// fakeJournal keeps transitions in memory, as a disk would: beyond the end of a system.
type fakeJournal struct {
	mu     sync.Mutex
	kept   map[sandbox.ID][]sandbox.Transition
	err    error // of every write
	writes int
}

func (j *fakeJournal) Transitions(_ context.Context, id sandbox.ID) ([]sandbox.Transition, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.kept[id], j.err
}

func (j *fakeJournal) SaveTransitions(_ context.Context, id sandbox.ID, all []sandbox.Transition) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.writes++; j.err != nil {
		return j.err
	}
	if j.kept == nil {
		j.kept = map[sandbox.ID][]sandbox.Transition{}
	}
	j.kept[id] = all
	return nil
}

func (j *fakeJournal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err = err
}

func (j *fakeJournal) tries() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.writes
}

func (j *fakeJournal) of(id sandbox.ID) []sandbox.Transition {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.kept[id]
}

// rig is a system on a fake host, inside a synctest bubble.
type rig struct {
	*testing.T
	host    *fakeHost
	sys     *actors.System
	metrics *prometheus.Registry // of the system that runs now
}

// counter returns the value of a counter with that label.
func (r *rig) counter(name, label string) (value float64) {
	r.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				value += m.GetCounter().GetValue()
			}
		}
	}
	return value
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
	r.metrics = prometheus.NewRegistry()
	o := actors.Options{
		Registry: r.metrics, Journal: &r.host.journal, Limits: r.host.limits,
		Devices: r.host, Mappings: r.host, Admission: r.host, Images: r.host.images, Saved: r.host.bucket, Collect: r.host.collect,
		Log:      r.host.log,
		Defaults: sandbox.Resources{CPUs: 4, MemoryMB: 4096, DiskGB: 20},
	}
	if q := r.host.queue; q != nil {
		o.Daytona = actors.Daytona{Queue: q, Outbox: q}
	}
	if s := r.host.states; s != nil {
		o.Daytona.States, o.Daytona.Reports = s, s
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
