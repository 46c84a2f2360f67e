package device

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/device/verdict"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// How long one question to a layer may take.
const (
	pingLimit    = 2 * time.Second
	connectLimit = 2 * time.Second
	getpropLimit = 2 * time.Second
	syncLimit    = 3 * time.Second
)

// endingLines is how much of the kernel's log is read for how a device ended: a panic is followed by its traces.
const endingLines = 60

// Observe looks at the device: ADB first, which settles everything when it answers; then the launcher's
// socket and the process table, which all looks share. It never waits for cvd. Of a device that runs it keeps on
// record which boot of the host it runs in.
func (d *Device) Observe(ctx context.Context) sandbox.Observation {
	l := look{Device: d, rec: d.record()}
	l.gather(ctx)
	v := verdict.Judge(l.said)
	l.conclude(ctx, v)
	o := sandbox.Observation{
		Life: v.Life, Layer: v.Layer, Reason: v.Reason, Death: v.Death, At: time.Now(), Evidence: l.noted,
		LauncherPID: l.vm.launcher, CrosvmPID: l.vm.crosvm.PID, MemoryMB: l.vm.memoryMB,
		SameBoot: l.said.Host == verdict.SameBoot, Listed: l.said.FleetLater, Renewals: l.renewals(),
	}
	if fleet := l.said.Fleet; v.Life == sandbox.LifeRunning && fleet != verdict.FleetNotKnown && fleet != cvd.StatusRunning {
		o.Misnamed = fleet
	}
	if v.Life == sandbox.LifeUnknown && l.said.Process == verdict.VMRuns {
		o.CrosvmPID = l.said.PID
	}
	return o
}

// look is one look at a device: what the layers said, for the verdict and for people.
type look struct {
	*Device
	rec   ledger.Record
	said  verdict.Evidence
	noted []sandbox.Evidence
	vm    vm // who runs it, where that is known

	read *reading // of the process table; nil: not read
}

func (l *look) note(layer, format string, args ...any) {
	l.noted = append(l.noted, sandbox.Evidence{Layer: layer, Fact: fmt.Sprintf(format, args...), At: time.Now()})
}

// gather asks the layers, and no more of them than are needed.
func (l *look) gather(ctx context.Context) {
	if l.rec.Instance == 0 {
		l.note("ledger", "it holds no instance number")
		return
	}
	l.said = verdict.Evidence{
		Numbered: true, ADB: verdict.ADBNotAsked, Boot: verdict.BootNotKnown, Launcher: verdict.LauncherNotAsked,
		Process: verdict.ProcessNotRead, HadBooted: l.bootSeen(),
	}
	l.letGoOn(ctx)
	l.askFleet()
	if l.said.ADB = l.ping(ctx); l.said.ADB == verdict.ADBAnswers {
		l.askAndroid(ctx)
		l.exposeStranger(ctx)
		if l.said.Boot == verdict.Booted && l.said.Stranger == "" {
			l.lookAtDisplay(ctx)
		}
		return
	}
	if home := l.strangerHome(ctx); home != "" {
		l.replacedBy(home)
		return
	}
	l.askLauncher(ctx)
	l.readProcesses(ctx)
	if l.said.ADB != verdict.ADBSilent && (l.said.Launcher == verdict.LauncherAlive || l.said.Process == verdict.VMRuns) {
		if l.said.ADB = l.connectAndPing(ctx); l.said.ADB == verdict.ADBAnswers {
			l.askAndroid(ctx)
			return
		}
	}
	if l.said.Launcher == verdict.LauncherAlive {
		l.vm = l.describeVM(ctx)
	}
	if l.said.Launcher == verdict.LauncherAbsent && l.said.Process == verdict.NoProcess && l.rec.Intent == sandbox.IntentStarted {
		l.readEnding(ctx)
		l.said.Host = l.hostBoot(ctx)
	}
}

// conclude keeps what the next look needs to know, and lets go of a device that is not there.
func (l *look) conclude(ctx context.Context, v verdict.Verdict) {
	if l.rec.Paused && len(l.working) == 0 && (v.Life == sandbox.LifeRunning || v.Life == sandbox.LifeAbsent) {
		if err := l.markUnpaused(ctx); err != nil {
			l.log.Warn("that the device does not stand still is not on record", zap.Error(err))
		}
	}
	switch v.Life {
	case sandbox.LifeAbsent:
		if l.said.Numbered {
			l.setBooted(false)
			l.disconnect()
			l.vm = vm{}
		}
		l.wonder(l.rec.Intent == sandbox.IntentStarted && l.said.Numbered)
	case sandbox.LifeUnknown:
		l.wonder(true)
	case sandbox.LifeRunning:
		l.seenAlive()
		l.wonder(false)
		l.markBoot(ctx)
	case sandbox.LifeLaunching, sandbox.LifeBooting:
		l.seenAlive()
	}
}

// ping asks adbd for a sign of life on the connection that is open, if one is.
func (l *look) ping(ctx context.Context) verdict.ADB {
	conn, err := l.o.ADB.Get(l.serial())
	if err != nil || !conn.State().Connected {
		return verdict.ADBNotAsked
	}
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	began := time.Now()
	if err := conn.Ping(ctx); err != nil {
		l.note("adb", "did not answer: %v", err)
		if ctx.Err() != nil {
			return verdict.ADBSilent
		}
		return verdict.ADBRefused
	}
	l.note("adb", "answered in %s", time.Since(began).Round(10*time.Microsecond))
	return verdict.ADBAnswers
}

// connectAndPing is for a device that seems to be there and has no connection.
func (l *look) connectAndPing(ctx context.Context) verdict.ADB {
	if l.connect(ctx) {
		return l.ping(ctx)
	}
	if why := l.disconnected(); why != nil {
		l.note("adb", "no connection to %s: %v", l.serial(), why)
	} else {
		l.note("adb", "nobody answers on %s", l.serial())
	}
	return verdict.ADBRefused
}

// askAndroid asks whether it has booted, and who runs it.
func (l *look) askAndroid(ctx context.Context) {
	l.said.Boot = l.askBooted(ctx, l.note)
	l.vm = l.describeVM(ctx)
}

func (l *look) askLauncher(ctx context.Context) {
	state, err := l.launcherState(ctx)
	switch state {
	case cvd.LauncherAlive:
		l.said.Launcher = verdict.LauncherAlive
		l.note("launcher", "answers")
	case cvd.LauncherAbsent:
		l.said.Launcher = verdict.LauncherAbsent
		l.note("launcher", "is gone")
	case cvd.LauncherUnknown:
		l.said.Launcher = verdict.LauncherSilent
		l.note("launcher", "gave no answer that tells: %v", err)
	}
}

// processes returns the process table, read since the device was last changed and since the look before this one.
func (l *look) processes(ctx context.Context) (*table, error) {
	if l.read == nil {
		floor, used := l.freshness()
		read, err := l.sweep.table(ctx, floor, used)
		if err != nil {
			return nil, err
		}
		l.read = read
		l.used(read)
	}
	return l.read.table, l.read.err
}

func (l *look) readProcesses(ctx context.Context) {
	t, err := l.processes(ctx)
	if err != nil {
		l.note("process", "the process table cannot be read: %v", err)
		return
	}
	defer func() { l.noted[len(l.noted)-1].At = l.read.began }() // as old as what it tells
	l.said.Stopper = l.stopperSeen(cvd.FindStop(t.cvds, l.rec.Group))
	if launch, ok := t.launchOf(l.rec.Group); ok {
		l.said.Process, l.said.PID = verdict.CVDLaunches, launch.PID
		l.note("process", "cvd %d is launching it", launch.PID)
		return
	}
	if vm, ok := t.vms[l.paths(ctx, l.rec).CrosvmSocket(l.rec.Instance)]; ok {
		l.said.Process, l.said.PID = verdict.VMRuns, vm.PID
		l.note("process", "crosvm %d runs", vm.PID)
		return
	}
	l.said.Process = verdict.NoProcess
	l.note("process", "no crosvm of %s", l.rec.Instance)
}

// strangerHome returns the group home of whoever runs under the device's number in its stead.
func (l *look) strangerHome(ctx context.Context) string {
	t, err := l.processes(ctx)
	if err != nil {
		return ""
	}
	return l.strangerIn(ctx, t, l.rec)
}

// replacedBy notes a stranger who has what the device had: of the device nothing is there.
func (l *look) replacedBy(home string) {
	l.said.Stranger = fmt.Sprintf("%s is run by the group in %s, which is not this sandbox's", l.rec.Instance, home)
	l.note("process", "%s", l.said.Stranger)
}

// exposeStranger finds out whether the one who answers on the device's port is not the device: its run_cvd
// has another home, or neither crosvm nor launcher is there. It is looked at once for each ADB
// connection. Where it is not on record where the device keeps its sockets, nothing of it can be missed.
func (l *look) exposeStranger(ctx context.Context) {
	if l.trusted() {
		return
	}
	if _, err := l.processes(ctx); err != nil {
		return
	}
	if home := l.strangerHome(ctx); home != "" {
		l.replacedBy(home)
		return
	}
	if l.vm.crosvm.IsZero() && l.rec.Paths.GroupHome != "" {
		if state, _ := l.launcherState(ctx); state == cvd.LauncherAbsent {
			l.said.Stranger = fmt.Sprintf("no crosvm of %s and no launcher: whoever answers on %s is not this device", l.rec.Instance, l.serial())
			l.note("process", "%s", l.said.Stranger)
			return
		}
	}
	l.trust()
}

// askFleet adds what cvd's list said last, which nobody waits for.
func (l *look) askFleet() {
	label, asked := l.inventory.label(l.rec.Group, l.changedAt())
	if label == verdict.FleetNotKnown {
		return
	}
	l.said.Fleet, l.said.FleetLater = label, asked.After(l.lastAlive())
	fact := "its list says " + label
	if label == verdict.FleetMissing {
		fact = "its list does not have it"
	}
	l.noted = append(l.noted, sandbox.Evidence{Layer: "cvd", Fact: fact, At: asked})
}

// readEnding looks in the kernel's log for how a device ended that was to run.
func (l *look) readEnding(ctx context.Context) {
	tail := cvd.KernelLogTail(ctx, l.o.Host, l.rec.Paths.InstanceDir, endingLines)
	switch l.said.Ending = verdict.EndingOf(tail); l.said.Ending {
	case verdict.PoweredDown:
		l.note("guest", "its kernel's log ends with a power-down")
	case verdict.Panicked:
		l.note("guest", "its kernel's log ends with a panic")
	case verdict.EndingNotKnown:
	}
}

// askBooted asks Android whether it has booted. Once it said so it is not asked again until
// the next launch: a booted device stays booted.
func (d *Device) askBooted(ctx context.Context, note func(string, string, ...any)) verdict.Boot {
	if d.bootSeen() {
		note("adb", "Android has booted")
		return verdict.Booted
	}
	value, err := d.getprop(ctx, "sys.boot_completed")
	switch {
	case err != nil:
		note("adb", "getprop failed: %v", err)
		return verdict.BootNotKnown
	case value == "1":
		note("adb", "sys.boot_completed is 1")
		d.setBooted(true)
		return verdict.Booted
	default:
		note("adb", "sys.boot_completed is %q", value)
		return verdict.BootNotYet
	}
}

func (d *Device) bootSeen() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.booted
}

func (d *Device) setBooted(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.booted = yes; !yes {
		d.vm = vm{}
	}
}

// serial names the device in the ADB pool.
func (d *Device) serial() string { return d.record().Instance.Serial(d.o.ADBBasePort) }

// connect opens the device's ADB connection unless it is open, and waits for it briefly.
func (d *Device) connect(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	serial := d.serial()
	conn, err := d.o.ADB.Get(serial)
	if err != nil {
		conn = d.o.ADB.Attach(serial, serial, func(adb.State) {
			d.stale() // what was read before may be over
			d.changed()
		})
	}
	return conn.Await(ctx) == nil
}

// disconnected says why there is no ADB connection; nil where there is one, or none was tried.
func (d *Device) disconnected() error {
	conn, err := d.o.ADB.Get(d.serial())
	if err != nil {
		return nil
	}
	return conn.State().Err
}

// disconnect gives up the ADB connection; streams on it end.
func (d *Device) disconnect() {
	if d.record().Instance != 0 {
		d.o.ADB.Detach(d.serial())
	}
}

// getprop reads one property of Android.
func (d *Device) getprop(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, getpropLimit)
	defer cancel()
	out, err := d.shell(ctx, "getprop "+name)
	return strings.TrimSpace(out), err
}

// shell runs a command of our own in the guest.
func (d *Device) shell(ctx context.Context, command string) (string, error) {
	conn, err := d.o.ADB.Get(d.serial())
	if err != nil {
		return "", err
	}
	res, err := conn.Shell(ctx, adb.ShellCommand{Command: command, MaxOutput: 64 << 10})
	if err != nil {
		return "", err
	}
	if res.ExitCode != 0 {
		return "", fmt.Errorf("%s: exit status %d: %s", command, res.ExitCode, strings.TrimSpace(string(res.Output)))
	}
	return string(res.Output), nil
}

// paths is where the device's sockets are: its own configuration wins once it is known.
func (d *Device) paths(ctx context.Context, rec ledger.Record) cvd.Paths {
	if rec.Paths.GroupHome == "" {
		return d.o.Paths
	}
	config, err := cvd.ReadConfig(ctx, d.o.Host, rec.Paths.GroupHome)
	if err != nil {
		return d.o.Paths // before the first start, or while a start is wiping
	}
	return d.o.Paths.With(config)
}

// launcherState asks run_cvd whether it lives.
func (d *Device) launcherState(ctx context.Context) (cvd.LauncherState, error) {
	rec := d.record()
	return cvd.ProbeLauncher(ctx, d.o.Host, d.paths(ctx, rec).LauncherSocket(rec.Instance))
}

// launching returns the cvd that launches this device, if one is at work.
func (d *Device) launching(ctx context.Context) (host.ProcessID, bool, error) {
	t, err := d.o.readTable(ctx)
	if err != nil {
		return host.ProcessID{}, false, fault.Op("look for a cvd that launches "+string(d.id), err)
	}
	id, ok := t.launchOf(d.record().Group)
	return id, ok, nil
}
