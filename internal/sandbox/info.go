package sandbox

import "time"

// Resources is what a sandbox was promised. Zero fields mean "the default".
type Resources struct {
	CPUs     int
	MemoryMB int
	DiskGB   int
}

// The least that a device can run on; smaller wishes are raised to these and shown so.
const (
	MinMemoryMB = 2048
	MinDiskGB   = 8
)

// OrDefault fills zero fields from d and raises what is below the least.
func (r Resources) OrDefault(d Resources) Resources {
	if r.CPUs == 0 {
		r.CPUs = d.CPUs
	}
	if r.MemoryMB == 0 {
		r.MemoryMB = d.MemoryMB
	}
	if r.DiskGB == 0 {
		r.DiskGB = d.DiskGB
	}
	return Resources{CPUs: r.CPUs, MemoryMB: max(r.MemoryMB, MinMemoryMB), DiskGB: max(r.DiskGB, MinDiskGB)}
}

// Holding is what one sandbox holds of the host: what it was promised (no CPUs and memory
// while it is stopped), and the memory that it was seen to use, in MiB; 0: not measured.
type Holding struct {
	Resources
	MeasuredMB int
}

// Spec is what a caller asks for at create.
type Spec struct {
	Snapshot  string // name of a base image or snapshot, as internal/image resolves it
	Resources Resources
	Metadata  map[string]string // Daytona's own notes; kept, shown, never interpreted
	SkipStart bool              // create it, but leave it stopped
	Network   Network
}

// Network is what a sandbox's network may be used for. It is kept and shown; nothing on a
// Cuttlefish host enforces it.
type Network struct {
	BlockAll        bool
	AllowList       string // addresses, comma-separated CIDR; empty: all
	DomainAllowList string // names; empty: all
	LimitEgress     bool
}

// Restricts reports whether anything is forbidden.
func (n Network) Restricts() bool { return n != Network{} }

// NetworkChange is what changes of a Network; nil stays.
type NetworkChange struct {
	BlockAll        *bool
	AllowList       *string
	DomainAllowList *string
	LimitEgress     *bool
}

// Apply returns n with the change.
func (c NetworkChange) Apply(n Network) Network {
	set(&n.BlockAll, c.BlockAll)
	set(&n.AllowList, c.AllowList)
	set(&n.DomainAllowList, c.DomainAllowList)
	set(&n.LimitEgress, c.LimitEgress)
	return n
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// Image is what a device is made from, as others name it.
type Image struct {
	Name  string
	Hash  string // 64 hex digits over its content: equal on two hosts for the same image
	Bytes int64
	// Consistency is what state the disk of a snapshot is in, "stopped", "paused" or "crash", and PausedFor how long its
	// device stood still for it; empty of base images.
	Consistency string
	PausedFor   time.Duration
	// Unverified is a snapshot that somebody else made, whose manifest says nothing by which its content could be checked.
	Unverified bool
}

// Evidence is one observation behind a state: which layer said what, and when.
type Evidence struct {
	Layer string // "adb", "launcher", "process", "guest", "display", "cvd", "ledger", "runner"
	Fact  string // "answered in 1 ms", "no crosvm for cvd-3"
	At    time.Time
}

// Life is what the layers below say about a device, before intent is considered.
type Life string

// The verdicts. Not answering in time is never proof of death.
const (
	LifeUnknown   Life = "unknown"   // layers disagree or did not answer in time
	LifeAbsent    Life = "absent"    // no process of the device, no socket that answers
	LifeLaunching Life = "launching" // a cvd that launches it is at work
	LifeBooting   Life = "booting"   // its processes are up, Android is not
	LifeRunning   Life = "running"   // Android has booted
)

// Death is how a device that is absent ended, as far as that left traces.
type Death string

// The deaths. The first three are orderly: they are no failure of the device.
const (
	DeathPoweredOff Death = "powered_off"  // Android switched itself off
	DeathStopped    Death = "stopped"      // somebody told cvd to stop it
	DeathRebooted   Death = "rebooted"     // the host was rebooted since it ran
	DeathCrashed    Death = "crashed"      // its processes are gone, and nothing says why
	DeathPanicked   Death = "kernel_panic" // the guest's kernel gave up
	DeathReplaced   Death = "number_taken" // a stranger runs under its number
)

// Orderly reports whether the end was no failure of the device.
func (d Death) Orderly() bool {
	return d == DeathPoweredOff || d == DeathStopped || d == DeathRebooted
}

// Observation is one look at a device.
type Observation struct {
	Life   Life
	Layer  string // which layer decided: "adb", "launcher", "process", "ledger"; empty: none could
	Reason string // why that is the verdict, for people
	Death  Death  // of an absent device; empty where it is not absent, or never was
	// SameBoot says of an absent device that the host has not been rebooted since it ran. Where it is not known it is false.
	SameBoot bool
	// Listed says of an absent device that cvd's list, which may know who stopped it, is newer than its last sign of life.
	Listed bool
	// Misnamed is what cvd's list calls a running device that it does not call running; empty: it does, or was not asked.
	Misnamed string
	// Renewals is how often its ADB connection hung and was made anew, since somebody last attached to it.
	Renewals int
	At       time.Time
	Evidence []Evidence
	// Who runs the device and how much memory (PSS, MiB) it holds; 0 where not known.
	CrosvmPID, LauncherPID, MemoryMB int
}

// Info is a sandbox as the runner knows it. Slices and maps are shared: never modify them.
type Info struct {
	ID         ID
	State      State
	Since      time.Time // when State began
	ObservedAt time.Time // when a layer below last spoke; zero before the first probe
	Life       Life      // what the layers said then; empty before the first probe
	Reason     string    // why it is in this state, for people; empty when there is nothing to say
	Evidence   []Evidence
	Instance   Instance // 0 while it holds no number
	ADBPort    int      // 0 while it holds no number
	ADBSerial  string
	Snapshot   string
	Resources  Resources
	Next       Resources // what it gets at its next start; zero: the same
	Network    Network
	Metadata   map[string]string
	Backup     Backup
	Recreated  bool // the last start found nothing left and made a new device
}

// Phase is a step of a long operation that people are told about.
type Phase struct {
	Name string // "adb answers"
	Step int    // from 1
	Of   int
}

// Intent is what the last accepted command wants of a device. It is recorded before the act,
// so that whoever finds the record knows what was under way.
type Intent string

// The intents.
const (
	IntentStarted   Intent = "started"
	IntentStopped   Intent = "stopped"
	IntentDestroyed Intent = "destroyed"
)

// Facts is what is on record about a device; it needs no look at the host.
type Facts struct {
	Known     bool // there is a record, or a mapping of an older installation
	Intent    Intent
	Created   bool   // Android has booted at least once
	Failure   string // why the last create failed; empty otherwise
	Unchecked bool   // a start was under way, and whether it kept the files is not known yet
	Halted    bool   // it was stopped for a snapshot, and is to be started again
	Begun     time.Time
	Group     string
	Instance  Instance // 0 while it holds no number
	ADBPort   int
	ADBSerial string
	Snapshot  string
	Resources Resources
	Next      Resources // what the next start gets; zero: the same
	Network   Network
	Metadata  map[string]string
	LaunchPID int // the cvd that launches it, as last recorded
}

// Spec is what a create that is carried on, or tried again, wants.
func (f *Facts) Spec() Spec {
	return Spec{Snapshot: f.Snapshot, Resources: f.Resources, Metadata: f.Metadata, Network: f.Network}
}

// AtNextStart is what the device gets when it boots the next time.
func (f *Facts) AtNextStart() Resources {
	if f.Next != (Resources{}) {
		return f.Next
	}
	return f.Resources
}

// NumberTaken is the error of a launch that found its instance number in a stranger's hands.
type NumberTaken struct {
	Instance Instance
	By       string
}

// Error names the number and its holder.
func (e *NumberTaken) Error() string {
	return "instance number " + e.Instance.String() + " is taken by " + e.By
}

// Backup is the last one of a sandbox that this runner was asked for.
type Backup struct {
	State   BackupState
	Ref     string
	Failure string // why it failed
}

// BackupState is what became of a backup, in Daytona's words (daytona facts, 2.3).
type BackupState string

// The states. The empty one stands for none.
const (
	BackupInProgress BackupState = "IN_PROGRESS"
	BackupCompleted  BackupState = "COMPLETED"
	BackupFailed     BackupState = "FAILED"
)

// Progress is how far a long piece of work is.
type Progress struct {
	Step        string // "copy", "digest", "check", "upload", "download", and the file that it is about
	Done, Total int64  // bytes of what the step is about; Total is 0 where that is not known
	Moved       int64  // bytes that went over the network for the whole work, repeated ones too
}
