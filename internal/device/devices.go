package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/disktemplate"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/image"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/operator"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

// Options are what devices need of the host.
type Options struct {
	Host   host.Host
	CVD    *cvd.Client
	ADB    *adb.Pool
	Ledger *ledger.Ledger
	Images *image.Catalog
	// Snapshots is where devices' data are saved; nil: nowhere.
	Snapshots *snapshot.Store
	// Templates spare a device that is made of a snapshot its first boot; nil only without Snapshots.
	Templates *disktemplate.Store
	Paths     cvd.Paths
	Log       *zap.Logger // nil: silent
	// Operator is where devices show their screens; nil: nobody looks.
	Operator *operator.Client
	// SuspectKVM hears why, when a boot failed as boots fail without KVM; nil: nobody listens.
	SuspectKVM func(reason string)

	ADBBasePort int // port of instance 1
	GPUMode     string
	Audio       bool

	// SweepAge is how old a reading of the process table may be that looks at devices share; 0: a second.
	SweepAge time.Duration

	BootTimeout     time.Duration // for one launch, from its first process to boot completed
	BootConcurrency int           // launches at once, until adbd answers
	Defaults        sandbox.Resources
}

// Devices are all devices of this host that the runner has on record. Safe for concurrent use.
type Devices struct {
	o       Options
	slots   *slots
	digests chan *Device // those whose images have no digests yet

	sweep     *sweep
	inventory *inventory
	lost      bool // records were lost, and cvd did not say of what

	mu      sync.Mutex
	records map[sandbox.ID]ledger.Record // as loaded, until they are opened
}

// rebuildLimit bounds the one fleet call that a damaged ledger makes necessary.
const rebuildLimit = 10 * time.Second

// Load reads the ledger and starts nothing. Where records are damaged or missing, groups that
// `cvd fleet` lists under our names are taken over; a fleet that does not answer costs only
// those. Problems are for the log: none of them keeps the runner from serving.
func Load(ctx context.Context, o Options) (devices *Devices, problems []error, err error) {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.SuspectKVM == nil {
		o.SuspectKVM = func(string) {}
	}
	snap, err := o.Ledger.Load(ctx)
	if err != nil {
		return nil, nil, err
	}
	d := &Devices{
		o: o, slots: newSlots(o.BootConcurrency), digests: make(chan *Device, maxDigests),
		records: map[sandbox.ID]ledger.Record{}, inventory: newInventory(),
	}
	d.sweep = newSweep(&d.o)
	for id, rec := range snap.Records {
		d.records[id] = adopted(rec)
	}
	for _, p := range snap.Problems {
		problems = append(problems, errors.New(p.String()))
	}
	if len(problems) > 0 || len(snap.Records) == 0 { // nothing at all may also mean that all is lost
		problems = append(problems, d.rebuild(ctx)...)
	}
	for id, rec := range d.records {
		if rec.Version == 0 && rec.Instance == 0 {
			delete(d.records, id)
			problems = append(problems, fmt.Errorf("sandbox %s: neither its record nor its number could be found again", id))
		}
	}
	return d, problems, nil
}

// adopted completes a record of which only the number is known, as an installation older than
// the records leaves it: there is a device, it has booted once, and it was to run.
func adopted(rec ledger.Record) ledger.Record {
	if rec.Version == 0 {
		rec.Created, rec.Intent, rec.Group = true, sandbox.IntentStarted, rec.ID.Group()
	}
	return rec
}

// rebuild takes over our groups that the ledger lost.
func (d *Devices) rebuild(ctx context.Context) []error {
	ctx, cancel := context.WithTimeout(ctx, rebuildLimit)
	defer cancel()
	fleet, err := d.o.CVD.Fleet(ctx)
	if err != nil {
		d.lost = true
		return []error{fmt.Errorf("rebuild the ledger from cvd fleet: %w", err)}
	}
	var problems []error
	for _, g := range fleet.Groups {
		id, ours := sandbox.ParseGroup(g.Name)
		if known := d.records[id]; !ours || known.Instance != 0 || known.Version != 0 || len(g.Instances) != 1 {
			continue
		}
		n, ok := g.Instances[0].Number()
		if !ok {
			continue
		}
		rec := adopted(ledger.Record{ID: id, Instance: n})
		rec.Paths.GroupHome, rec.Paths.InstanceDir = g.Instances[0].GroupHome(), g.Instances[0].InstanceDir
		d.records[id] = rec
		problems = append(problems, fmt.Errorf("sandbox %s was taken over from cvd fleet as %s: its record was lost", id, n))
	}
	return problems
}

// Known lists the sandboxes on record.
func (d *Devices) Known() []sandbox.ID {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := make([]sandbox.ID, 0, len(d.records))
	for id := range d.records {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Open returns the handle of a sandbox's device, on record or new; it touches nothing. changed
// is called, from any goroutine, when the device's ADB connection came or went. The caller
// closes the handle, and opens no second one before that.
func (d *Devices) Open(id sandbox.ID, changed func()) *Device {
	rec, known := d.take(id)
	if !known {
		rec = ledger.Record{ID: id, Group: id.Group()}
	}
	dev := &Device{
		o: &d.o, slots: d.slots, working: make(chan struct{}, 1), digests: d.digests, id: id, changed: changed, known: known, rec: rec,
		sweep: d.sweep, inventory: d.inventory,
		log: d.o.Log.With(zap.String(obs.SandboxID, string(id))),
	}
	dev.publish()
	if rec.Created {
		dev.wantDigests()
	}
	return dev
}

// take hands over a loaded record once: afterwards its device knows better.
func (d *Devices) take(id sandbox.ID) (ledger.Record, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rec, known := d.records[id]
	delete(d.records, id)
	return rec, known
}

// Device is one device. One operation at a time may change it; Facts and Observe are safe
// beside it.
type Device struct {
	o       *Options
	slots   *slots
	digests chan<- *Device
	id      sandbox.ID
	changed func()
	log     *zap.Logger

	sweep     *sweep
	inventory *inventory

	working chan struct{} // held by the one operation that may change the device
	saving  sync.Mutex    // one change of the record at a time

	mu     sync.Mutex
	known  bool
	rec    ledger.Record
	facts  *sandbox.Facts // replaced, never changed
	booted bool           // sys.boot_completed was seen since the last launch
	vm     vm
	watch  watch
}

// Facts returns what is on record. It is shared: nobody changes it.
func (d *Device) Facts() *sandbox.Facts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.facts
}

// exclusive waits until no other operation is at work on the device. Its actor sees to that,
// except for the clean-up of an operation that it no longer waits for.
func (d *Device) exclusive(ctx context.Context) (done func(), err error) {
	select {
	case d.working <- struct{}{}:
		d.touched()
		return func() {
			d.touched()
			<-d.working
		}, nil
	case <-ctx.Done():
		return nil, fault.Op("wait for an earlier operation on the device to end", context.Cause(ctx))
	}
}

// record returns a copy of the record.
func (d *Device) record() ledger.Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rec
}

// publish derives the facts from the record.
func (d *Device) publish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.rec
	facts := &sandbox.Facts{
		Known: d.known, Intent: r.Intent, Created: r.Created && r.Restore == "", Failure: r.Failure, Begun: r.CreatedAt,
		Group: r.Group, Instance: r.Instance, Snapshot: r.Snapshot, Resources: sandbox.Resources(r.Resources),
		Next: sandbox.Resources(r.Next), Network: sandbox.Network(r.Network),
		Unchecked: r.Disk != (ledger.Disk{}), Halted: r.Halted, Metadata: r.Metadata, LaunchPID: r.Launcher.PID,
	}
	if r.Instance != 0 {
		facts.ADBPort = r.Instance.ADBPort(d.o.ADBBasePort)
		facts.ADBSerial = r.Instance.Serial(d.o.ADBBasePort)
	}
	d.facts = facts
}

// save changes the record on disk first and in memory only when that worked.
func (d *Device) save(ctx context.Context, change func(*ledger.Record)) error {
	d.saving.Lock()
	defer d.saving.Unlock()
	return d.store(ctx, change)
}

// amend is save for what is beside the operations: it changes a record and never makes one.
func (d *Device) amend(ctx context.Context, change func(*ledger.Record)) error {
	d.saving.Lock()
	defer d.saving.Unlock()
	if !d.Facts().Known {
		return nil
	}
	return d.store(ctx, change)
}

func (d *Device) store(ctx context.Context, change func(*ledger.Record)) error {
	next := d.record()
	change(&next)
	if err := d.o.Ledger.SaveRecord(ctx, next); err != nil {
		return fmt.Errorf("record %s: %w", d.id, err)
	}
	d.mu.Lock()
	d.rec, d.known = next, true
	d.mu.Unlock()
	d.publish()
	return nil
}

// Forget removes the record and the logs. The device must be gone, and its number given back.
func (d *Device) Forget(ctx context.Context) error {
	d.saving.Lock()
	defer d.saving.Unlock()
	if err := d.o.Ledger.RemoveRecord(ctx, d.id); err != nil {
		return err
	}
	d.mu.Lock()
	d.rec, d.known, d.booted = ledger.Record{ID: d.id, Group: d.id.Group()}, false, false
	d.mu.Unlock()
	d.publish()
	return nil
}

// Annotate records metadata, which replaces what was there.
func (d *Device) Annotate(ctx context.Context, metadata map[string]string) error {
	return d.amend(ctx, func(r *ledger.Record) { r.Metadata = metadata })
}

// StayHalted has a device that was halted for a snapshot stay so when that is taken.
func (d *Device) StayHalted(ctx context.Context) error {
	return d.amend(ctx, func(r *ledger.Record) { r.Halted = false })
}

// Resize records what the next start gets. A device that has not booted yet is made by the next
// create, which gets it at once.
func (d *Device) Resize(ctx context.Context, next sandbox.Resources) error {
	return d.amend(ctx, func(r *ledger.Record) {
		switch {
		case !r.Created:
			r.Resources = ledger.Quotas(next)
		case next == sandbox.Resources(r.Resources):
			r.Next = ledger.Quotas{}
		default:
			r.Next = ledger.Quotas(next)
		}
	})
}

// SetNetwork records network settings, which nothing enforces.
func (d *Device) SetNetwork(ctx context.Context, network sandbox.Network) error {
	return d.amend(ctx, func(r *ledger.Record) { r.Network = ledger.Network(network) })
}

// Close lets go of the ADB connection; the device stays as it is.
func (d *Device) Close() { d.disconnect() }
