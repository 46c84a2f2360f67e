package device

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/cvd"
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

// Observe looks at the device: ADB first, which settles everything when it answers; then the
// launcher's socket; the process table only when both are silent. It never waits for cvd.
func (d *Device) Observe(ctx context.Context) sandbox.Observation {
	o := d.askLayers(ctx)
	o.At = time.Now()
	switch o.Life {
	case sandbox.LifeUnknown:
		o.Layer = ""
	case sandbox.LifeRunning:
		o.Layer = "adb" // nobody else can say so
	case sandbox.LifeAbsent, sandbox.LifeLaunching, sandbox.LifeBooting:
	}
	return o
}

func (d *Device) askLayers(ctx context.Context) sandbox.Observation {
	rec := d.record()
	o := sandbox.Observation{Life: sandbox.LifeUnknown}
	note := func(layer, format string, args ...any) {
		o.Evidence = append(o.Evidence, sandbox.Evidence{Layer: layer, Fact: fmt.Sprintf(format, args...), At: time.Now()})
	}
	if rec.Instance == 0 {
		note("ledger", "it holds no instance number")
		o.Life, o.Layer = sandbox.LifeAbsent, "ledger"
		return o
	}
	if d.adbAnswers(ctx, note) {
		o.Life, o.Layer = d.askBooted(ctx, note), "adb"
		d.describeVM(ctx, &o)
		d.exposeStranger(ctx, rec, &o, note)
		return o
	}
	if home, err := d.stranger(ctx, rec); err == nil && home != "" {
		d.notOurs(&o, note, "%s is run by the group in %s, which is not this sandbox's", rec.Instance, home)
		return o
	}
	launcher, err := d.launcherState(ctx)
	switch launcher {
	case cvd.LauncherAlive:
		note("launcher", "answers")
		o.Life, o.Layer = d.behindLauncher(ctx, note), "launcher"
		d.describeVM(ctx, &o)
	case cvd.LauncherAbsent:
		o.Layer = "process"
		d.byProcesses(ctx, rec, &o, note)
	case cvd.LauncherUnknown:
		note("launcher", "gave no answer that tells: %v", err)
	}
	return o
}

// notOurs is the verdict where a stranger has what the device had: of the device nothing is there.
func (d *Device) notOurs(o *sandbox.Observation, note func(string, string, ...any), format string, args ...any) {
	note("process", format, args...)
	d.setBooted(false)
	d.disconnect()
	o.Life, o.Layer, o.CrosvmPID, o.LauncherPID, o.MemoryMB = sandbox.LifeAbsent, "process", 0, 0, 0
}

// exposeStranger corrects the verdict where the one who answers on the device's port is not the
// device: its run_cvd has another home, or neither crosvm nor launcher is there. It is looked at
// once for each ADB connection. Where it is not on record where the device keeps its sockets,
// nothing of it can be missed.
func (d *Device) exposeStranger(ctx context.Context, rec ledger.Record, o *sandbox.Observation, note func(string, string, ...any)) {
	if d.trusted() {
		return
	}
	if home, err := d.stranger(ctx, rec); err != nil {
		return
	} else if home != "" {
		d.notOurs(o, note, "%s is run by the group in %s, which is not this sandbox's", rec.Instance, home)
		return
	}
	if o.CrosvmPID == 0 && rec.Paths.GroupHome != "" {
		if state, _ := d.launcherState(ctx); state == cvd.LauncherAbsent {
			d.notOurs(o, note, "no crosvm of %s and no launcher: whoever answers on %s is not this device", rec.Instance, d.serial())
			return
		}
	}
	d.trust()
}

// adbAnswers pings adbd on the connection that is open, if one is.
func (d *Device) adbAnswers(ctx context.Context, note func(string, string, ...any)) bool {
	conn, err := d.o.ADB.Get(d.serial())
	if err != nil || !conn.State().Connected {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	began := time.Now()
	if err := conn.Ping(ctx); err != nil {
		note("adb", "did not answer: %v", err)
		return false
	}
	note("adb", "answered in %s", time.Since(began).Round(10*time.Microsecond))
	return true
}

// askBooted asks Android whether it has booted. Once it said so it is not asked again until
// the next launch: a booted device stays booted.
func (d *Device) askBooted(ctx context.Context, note func(string, string, ...any)) sandbox.Life {
	if d.bootSeen() {
		note("adb", "Android has booted")
		return sandbox.LifeRunning
	}
	value, err := d.getprop(ctx, "sys.boot_completed")
	switch {
	case err != nil:
		note("adb", "getprop failed: %v", err)
		return sandbox.LifeUnknown
	case value == "1":
		note("adb", "sys.boot_completed is 1")
		d.setBooted(true)
		return sandbox.LifeRunning
	default:
		note("adb", "sys.boot_completed is %q", value)
		return sandbox.LifeBooting
	}
}

// behindLauncher decides when the launcher lives and no ADB connection does. A device that
// had booted may have lost its adbd for a moment: that is no verdict.
func (d *Device) behindLauncher(ctx context.Context, note func(string, string, ...any)) sandbox.Life {
	if d.connect(ctx) && d.adbAnswers(ctx, note) {
		return d.askBooted(ctx, note)
	}
	note("adb", "nobody answers on %s", d.serial())
	if d.bootSeen() {
		return sandbox.LifeUnknown
	}
	if _, launching, _ := d.launching(ctx); launching {
		return sandbox.LifeLaunching
	}
	return sandbox.LifeBooting
}

// byProcesses decides when neither ADB nor the launcher answers: without a process of it, and
// without a cvd that launches it, the device is absent. A crosvm that runs silently is not.
func (d *Device) byProcesses(ctx context.Context, rec ledger.Record, o *sandbox.Observation, note func(string, string, ...any)) {
	procs, err := d.o.Host.Processes(ctx)
	if err != nil {
		note("process", "the process table cannot be read: %v", err)
		return
	}
	if launch, ok := d.findLaunch(ctx, procs); ok {
		note("process", "cvd %d is launching it", launch.PID)
		o.Life = sandbox.LifeLaunching
		return
	}
	if vm, ok := cvd.MatchCrosvm(procs, d.paths(ctx, rec).CrosvmSocket(rec.Instance)); ok {
		note("process", "crosvm %d runs, its launcher does not answer", vm.PID)
		o.CrosvmPID = vm.PID
		if d.connect(ctx) && d.adbAnswers(ctx, note) {
			o.Life = d.askBooted(ctx, note)
		}
		return
	}
	note("launcher", "is gone")
	note("process", "no crosvm of %s", rec.Instance)
	d.setBooted(false)
	d.disconnect()
	o.Life = sandbox.LifeAbsent
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
		conn = d.o.ADB.Attach(serial, serial, func(adb.State) { d.changed() })
	}
	return conn.Await(ctx) == nil
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
	procs, err := d.o.Host.Processes(ctx)
	if err != nil {
		return host.ProcessID{}, false, fault.Op("look for a cvd that launches "+string(d.id), err)
	}
	id, ok := d.findLaunch(ctx, procs)
	return id, ok, nil
}

// findLaunch finds the cvd that launches this device. One with another TMPDIR keeps its
// devices' sockets elsewhere: it belongs to another installation on this machine.
func (d *Device) findLaunch(ctx context.Context, procs []host.Process) (host.ProcessID, bool) {
	var ours []host.Process
	for _, p := range procs {
		if p.Exe == "cvd" && p.UID == d.o.Paths.UID && d.sharesTmp(ctx, p.ProcessID) {
			ours = append(ours, p)
		}
	}
	return cvd.FindLaunch(ours, d.record().Group)
}

func (d *Device) sharesTmp(ctx context.Context, id host.ProcessID) bool {
	env, err := d.o.Host.Environ(ctx, id)
	if err != nil {
		return true // a launch that cannot be asked is taken for ours, rather than doubled
	}
	tmp := "/tmp"
	for _, kv := range env {
		if dir, set := strings.CutPrefix(kv, "TMPDIR="); set && dir != "" {
			tmp = dir
		}
	}
	return path.Clean(tmp) == path.Clean(cmp.Or(d.o.Paths.Tmp, "/tmp"))
}
