package doctor

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/host"
)

// The names of the checks, in the order of their findings.
const (
	ADB  = "adb"
	CVD  = "cvd"
	Disk = "disk"
	KVM  = "kvm"
)

const (
	defaultDeadline = 10 * time.Second
	defaultKeep     = 15 * time.Second
)

// Finding is the answer of one check.
type Finding struct {
	Name    string
	Healthy bool
	Reason  string // what is wrong and what to do about it; empty when healthy
	At      time.Time
	Took    time.Duration
}

// Versioner asks cvd for its version; see [cvd.Client].
type Versioner interface {
	Version(ctx context.Context) (cvd.Version, error)
}

// Options configure a Doctor.
type Options struct {
	Host host.Files
	CVD  Versioner

	InstancesPath string // the runner's own data
	ArtifactsPath string // base images and snapshots
	RuntimePath   string // where cvd keeps its groups; it need not exist; "" = /var/tmp/cvd

	// ADB is how ADB is, as judged by whoever knows the devices; nil leaves the check out. It
	// is called from other goroutines, never twice at once.
	ADB func(ctx context.Context) error

	Deadline time.Duration // of each check; 0 = 10 s
	Keep     time.Duration // how long a finding is good for; 0 = 15 s
	Log      *zap.Logger   // nil = silent
}

// Doctor examines one host. It is safe for concurrent use and needs no closing.
type Doctor struct {
	o      Options
	log    *zap.Logger
	checks []*check // by name; kvm is the last

	mu      sync.Mutex
	suspect string // why KVM is suspected; "" = it is not
}

// New returns a doctor for one host, which it does not touch before it is asked to.
func New(o Options) *Doctor {
	if o.RuntimePath == "" {
		o.RuntimePath = "/var/tmp/cvd"
	}
	if o.Deadline <= 0 {
		o.Deadline = defaultDeadline
	}
	if o.Keep <= 0 {
		o.Keep = defaultKeep
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	d := &Doctor{o: o, log: o.Log.Named("doctor")}
	if o.ADB != nil {
		d.add(ADB, o.ADB, "look at the devices' adbd, and at the runner's log")
	}
	d.add(CVD, d.cvd, "run 'cvd version' as the user that owns the devices and see where it hangs")
	d.add(Disk, d.disk, "a file system hangs: see which one with df, and whether it is a network share that is gone")
	d.add(KVM, d.kvm, "see whether /dev hangs")
	return d
}

func (d *Doctor) add(name string, ask func(context.Context) error, overdue string) {
	d.checks = append(d.checks, &check{
		name: name, ask: ask, overdue: overdue, deadline: d.o.Deadline, keep: d.o.Keep, log: d.log,
	})
}

// SuspectKVM says that a boot failed, for that reason, in a way that puts KVM in doubt. From then
// on KVM is among the checks, and looked at anew at the next examination.
func (d *Doctor) SuspectKVM(reason string) {
	if reason == "" {
		reason = "no reason given"
	}
	d.mu.Lock()
	d.suspect = reason
	d.mu.Unlock()
	d.checks[len(d.checks)-1].forget()
}

func (d *Doctor) suspicion() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.suspect
}

// Examine asks every check and returns the findings by name. A finding not older than Options.Keep
// is given again. It takes the deadline at most; a check that has no answer by then is unhealthy.
// When ctx ends before, such a check answers with what was found last.
func (d *Doctor) Examine(ctx context.Context) []Finding {
	checks := d.checks
	if d.suspicion() == "" {
		checks = checks[:len(checks)-1]
	}
	findings := make([]Finding, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { findings[i] = c.finding(ctx) })
	}
	wg.Wait()
	return findings
}
