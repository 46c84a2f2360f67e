package cvd

import (
	"regexp"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Class is a failure of cvd that we can tell from others by what it printed.
type Class string

// The classes. The comments at the rules say what each text means.
const (
	Unexplained    Class = "unexplained"
	UnknownGroup   Class = "unknown group"
	AmbiguousGroup Class = "ambiguous group"
	GroupExists    Class = "group exists"
	AlreadyStarted Class = "already started"
	NotRunning     Class = "not running"
	StillActive    Class = "still active"
	NumberInUse    Class = "number in use"
	NoLock         Class = "no lock"
	NoTap          Class = "no tap"
	NoHostTools    Class = "no host tools"
	HostUnfit      Class = "host unfit"
	NoKVM          Class = "no kvm"
	UnknownFlag    Class = "unknown flag"
	DiskFull       Class = "disk full"
	NoNamespaces   Class = "no namespaces"
	AddressInUse   Class = "address in use"
	FilesInUse     Class = "files in use"
	LauncherDied   Class = "launcher died"
	BootFailed     Class = "boot failed"
	BootTimedOut   Class = "boot timed out"
	Interrupted    Class = "interrupted"
	Killed         Class = "killed"
	NothingPrinted Class = "nothing printed"
)

// rule says what a class means to the caller and to people.
type rule struct {
	kind      fault.Kind
	transient bool // one more try makes sense once the leftovers are cleaned
	means     string
	hint      string
}

// rules has one entry for each class.
var rules = map[Class]rule{
	Unexplained: {kind: fault.Unavailable, means: "cvd did not say why in words we know",
		hint: "read launcher.log and the cvd logs of the device"},
	UnknownGroup: {kind: fault.NotFound, means: "cvd knows no such group"},
	AmbiguousGroup: {kind: fault.Conflict, means: "cvd has several groups of this name",
		hint: "remove the stray one by hand; cvd fleet lists them"},
	GroupExists: {kind: fault.Conflict, means: "a group of this name exists already",
		hint: "remove it before creating it again"},
	AlreadyStarted: {kind: fault.Conflict, means: "the group is already started"},
	NotRunning:     {kind: fault.Conflict, means: "nothing of the group runs"},
	StillActive: {kind: fault.Conflict, means: "cvd could not stop the group, so it did not remove it",
		hint: "end its processes first"},
	NumberInUse: {kind: fault.Conflict, means: "the instance number belongs to another group",
		hint: "remove that group, or use another number"},
	NoLock: {kind: fault.Unavailable, means: "cvd may not make the lock file of the instance number",
		hint: "its directory belongs to another user: all devices of a host must be one user's"},
	NoTap: {kind: fault.Unavailable, means: "the device's network interfaces are missing or held by another VM",
		hint: tapHint("cvd-mtap-NN")},
	NoHostTools: {kind: fault.Unavailable, means: "the host package is missing or incomplete",
		hint: "the image directory, its host/ or CVD_HOME must hold bin/cvd_internal_start"},
	HostUnfit: {kind: fault.Unavailable, means: "this host cannot run Cuttlefish as it is",
		hint: "the device user must be in the groups kvm and cvdnetwork and able to open /dev/kvm"},
	NoKVM: {kind: fault.Unavailable, means: "crosvm cannot open /dev/kvm",
		hint: "load the module kvm_intel or kvm_amd, and see that the device user is in the group kvm"},
	UnknownFlag: {kind: fault.Unsupported, means: "the host package does not know a launch flag",
		hint: "use an image whose host package knows it, or launch without it"},
	// The words "no space left on device" are what Daytona recognises as recoverable.
	DiskFull: {kind: fault.Exhausted, means: "no space left on device",
		hint: "free space where the groups live, by default /var/tmp/cvd"},
	NoNamespaces: {kind: fault.Unavailable, means: "crosvm may not make its sandbox",
		hint: "allow unprivileged user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
	AddressInUse: {kind: fault.Unavailable, transient: true,
		means: "a leftover process holds a port or socket of the device",
		hint:  "end the leftover processes of this instance number"},
	FilesInUse: {kind: fault.Unavailable, transient: true, means: "a leftover process holds files of the device",
		hint: "end the processes whose ids cvd lists"},
	LauncherDied: {kind: fault.Unavailable, transient: true, means: "the launcher died before the boot was over",
		hint: "launcher.log says why; often a stale socket, a busy tap or port, or crosvm"},
	BootFailed: {kind: fault.Unavailable, transient: true, means: "Android did not boot",
		hint: "kernel.log and logcat of the device say how far it came"},
	BootTimedOut: {kind: fault.Timeout, means: "Android did not boot in time",
		hint: "the host may be overloaded: lower CVD_BOOT_CONCURRENCY or raise CVD_BOOT_TIMEOUT"},
	Interrupted: {kind: fault.Cancelled, transient: true, means: "the launching cvd was interrupted by a signal",
		hint: "the VM may still be alive: look for its processes before anything else"},
	Killed: {kind: fault.Unavailable, transient: true, means: "the launching cvd was killed",
		hint: "the kernel's out-of-memory killer leaves a line in dmesg"},
	NothingPrinted: {kind: fault.Unavailable, transient: true,
		means: "cvd ended without printing the group it launched"},
}

func tapHint(tap string) string {
	return "tap " + tap + " is missing: raise num_cvd_accounts in /etc/default/cuttlefish-host-resources " +
		"and restart that service while no device runs"
}

// texts maps what cvd, cvd_internal_start and run_cvd print to classes, most telling first: a
// failed boot prints several of them, each less precise than the one before. The texts are those of
// google/android-cuttlefish 1.0 to 1.55, and of crosvm (run_kvm in src/crosvm/sys/linux.rs), whose
// output is in the launcher's log; every fragment of an entry must be on one line.
var texts = []struct {
	class     Class
	fragments []string
}{
	{NumberInUse, []string{"New instance conflicts with existing instance"}},
	{GroupExists, []string{"Group named", "already exists"}},
	{AlreadyStarted, []string{"Selected instance group is already started"}},
	{NotRunning, []string{"Selected group is not running"}},
	{StillActive, []string{"Group still contains active instances"}},
	{UnknownGroup, []string{"No instance groups available"}},
	{UnknownGroup, []string{"No instances available"}},
	{UnknownGroup, []string{"is not applicable: no device"}},
	{AmbiguousGroup, []string{"Multiple groups found."}},
	// LockFileManager::OpenLockFile in lock_file.cpp, which also gives the directory the mode 0755.
	{NoLock, []string{"/local-instance-", "Permission denied"}},
	{NoHostTools, []string{"Could not find the required host tools"}},
	{NoHostTools, []string{"is not a tool directory"}},
	{HostUnfit, []string{"Host configuration requirements not met"}},
	{NoKVM, []string{"failed to open KVM device"}},
	{UnknownFlag, []string{"unknown command line flag"}},
	{UnknownFlag, []string{"Unexpected argument"}},
	{DiskFull, []string{"Not enough space remaining"}},
	{DiskFull, []string{"No space left on device"}},
	{NoTap, []string{"Failed to validate tap devices"}},
	{NoNamespaces, []string{"unshare(CLONE_NEW", "Operation not permitted"}},
	{FilesInUse, []string{"Instance directory files in use"}},
	{AddressInUse, []string{"Address already in use"}},
	{BootTimedOut, []string{"boot", "timed out"}},
	{BootTimedOut, []string{"boot", "timeout", "exceeded"}},
	{BootFailed, []string{"Virtual device failed to boot"}},
	{BootFailed, []string{"VIRTUAL_DEVICE_BOOT_FAILED"}},
	{LauncherDied, []string{"Failed to read a complete exit code"}},
}

// classify finds the most telling known text and the line it is on. Of several such lines the last
// one counts. Without a known text the line is the last that says something.
func classify(text string) (Class, string) {
	lines := cleanLines([]byte(text), maxScanLines)
	folded := make([]string, len(lines))
	for i, line := range lines {
		folded[i] = strings.ToLower(line)
	}
	for _, t := range texts {
		for i := len(lines) - 1; i >= 0; i-- {
			if containsAll(folded[i], t.fragments) {
				return t.class, lines[i]
			}
		}
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if !boilerplate(lines[i]) {
			return Unexplained, lines[i]
		}
	}
	return Unexplained, ""
}

func containsAll(folded string, fragments []string) bool {
	for _, f := range fragments {
		if !strings.Contains(folded, strings.ToLower(f)) {
			return false
		}
	}
	return true
}

// boilerplate reports lines that cvd prints around every failure.
func boilerplate(line string) bool {
	return strings.Contains(line, "go/cuttlefish-bug") ||
		(strings.HasPrefix(line, "version: ") && strings.Contains(line, "| VCS:"))
}

var (
	conflictText = regexp.MustCompile(`conflicts with existing instance: (\S+) with id (\d+)`)
	flagText     = regexp.MustCompile(`(?:unknown command line flag|Unexpected argument) ['"]?([\w=-]+)`)
)

// sentence joins what a failure means with the line that gave it away.
func sentence(means, line string) string {
	switch {
	case line == "":
		return means
	case means == "":
		return line
	default:
		return means + " (" + line + ")"
	}
}
