package verdict

// ADB is what the device's adbd said.
type ADB string

// The answers of ADB.
const (
	ADBNotAsked ADB = "not asked"
	ADBRefused  ADB = "refused" // nobody accepts there, or not as an adbd
	ADBSilent   ADB = "silent"  // it did not answer in time
	ADBAnswers  ADB = "answers"
)

// Boot is what Android said about its boot. It tells nothing where ADB did not answer.
type Boot string

// The answers of Android.
const (
	BootNotKnown Boot = "not known" // the question failed
	BootNotYet   Boot = "not yet"
	Booted       Boot = "booted"
)

// Launcher is what the socket of run_cvd said.
type Launcher string

// The answers of the launcher.
const (
	LauncherNotAsked Launcher = "not asked"
	LauncherSilent   Launcher = "silent" // it did not answer in time, or not in its own words
	LauncherAbsent   Launcher = "absent" // no socket, or one that refuses
	LauncherAlive    Launcher = "alive"
)

// Process is what the process table holds of the device.
type Process string

// The answers of the process table.
const (
	ProcessNotRead Process = "not read" // not asked, or it could not be read
	NoProcess      Process = "none"
	VMRuns         Process = "crosvm"    // its crosvm, with exactly its socket
	CVDLaunches    Process = "launching" // a cvd that launches it
)

// Ending is how the log of the guest's kernel ends.
type Ending string

// The endings.
const (
	EndingNotKnown Ending = ""
	PoweredDown    Ending = "powered down"
	Panicked       Ending = "kernel panic"
)

// HostBoot is whether the host still is in the boot in which the device was last seen running.
type HostBoot string

// The answers about the host.
const (
	BootOfHostNotKnown HostBoot = ""
	SameBoot           HostBoot = "the same"
	Rebooted           HostBoot = "rebooted"
)

// What cvd's list may say of a device beside the statuses that cvd prints.
const (
	FleetNotKnown = ""        // it was not asked, or not since the device was last changed
	FleetMissing  = "missing" // it does not list the device
	fleetStopped  = "Stopped"
)

// Evidence is what one look at a device gathered. What is left out was not asked.
type Evidence struct {
	Numbered bool   // the sandbox holds an instance number; without one there is nothing to ask
	Stranger string // who has the number instead of the device; whatever answers there is that. Empty: nobody else

	ADB       ADB
	Boot      Boot
	HadBooted bool // Android was seen booted since the last launch

	Launcher Launcher
	Process  Process
	PID      int // of the crosvm or the cvd

	Ending  Ending // of an absent device, as its files tell
	Stopper bool   // a cvd that ends it was seen since the device was last seen alive

	Host HostBoot // of an absent device

	Fleet      string // the status in cvd's list
	FleetLater bool   // the list was asked for after the device was last seen alive

	Display string // whether a browser could see it; never for life
}
