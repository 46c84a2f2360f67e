package actors_test

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
)

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
	haltTime    time.Duration
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
	var takes time.Duration
	d.set(func(d *fakeDevice) { d.facts.Halted, takes = true, d.haltTime })
	select {
	case <-time.After(takes):
		return d.Stop(ctx, false)
	case <-ctx.Done():
		return ctx.Err()
	}
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
