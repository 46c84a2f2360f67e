package device

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/device/verdict"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

const (
	pollEvery = 100 * time.Millisecond
	// endGrace is how long the boot may lag behind a cvd that said it was done, and how long
	// such a cvd may lag behind a boot that is.
	endGrace = 30 * time.Second
	// goneGrace is how long a boot without a launch may be without a launcher.
	goneGrace = 5 * time.Second
	tailLines = 8 // of launcher.log, to explain a failed boot
)

// phase is one step of a boot that can be checked from outside.
type phase struct {
	name    string
	hint    string // what to look at when it is never reached
	reached func(ctx context.Context) bool
}

// phases lists the steps in order.
func (d *Device) phases() []phase {
	return []phase{
		{
			"processes up", "the launcher never came up: see the cvd and launcher logs",
			func(ctx context.Context) bool {
				if state, _ := d.launcherState(ctx); state == cvd.LauncherAlive {
					return true
				}
				return d.connects() > 0 // a device whose launcher died boots all the same
			},
		},
		{
			"adb answers", "the kernel or adbd did not come up: see kernel.log",
			func(ctx context.Context) bool { return d.portOpen(ctx) && d.connect(ctx) },
		},
		{
			"boot completed", "Android came up and did not finish booting: see logcat",
			func(ctx context.Context) bool {
				quiet := func(string, string, ...any) {}
				return d.askBooted(ctx, quiet) == verdict.Booted
			},
		},
	}
}

// adbPhase is the index of the phase after which the next device may begin to boot.
const adbPhase = 1

// portOpen reports whether somebody accepts on the device's ADB port, which the host opens
// when the guest's kernel says that adbd starts.
func (d *Device) portOpen(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	conn, err := d.o.Host.Dial(ctx, "tcp", d.serial())
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// launch is a cvd process that boots the device, or booted it.
type launch struct {
	verb   string // "create", "start"
	id     host.ProcessID
	stdout string
	stderr string
}

// outputOf names the files of a launch.
func (d *Device) outputOf(verb string) launch {
	stdout, stderr := cvd.LaunchFiles(d.o.Ledger.LogsDir(d.id))
	return launch{verb: verb, stdout: stdout, stderr: stderr}
}

// run starts cvd with args and records its process, so that a later runner finds it.
func (d *Device) run(ctx context.Context, verb string, args []string) (launch, error) {
	l := d.outputOf(verb)
	d.setBooted(false)
	if err := d.o.Host.MkdirAll(ctx, path.Dir(l.stdout), 0o755); err != nil {
		return launch{}, err
	}
	d.log.Info("cvd launched", zap.Strings(obs.Cmd, args))
	id, err := d.o.CVD.Launch(ctx, args, l.stdout, l.stderr)
	if err != nil {
		return launch{}, fault.Op("launch cvd "+verb, err)
	}
	l.id = id
	return l, d.save(ctx, func(r *ledger.Record) { r.Launcher = id })
}

// follow watches the boot, with the launch that does it if one is alive, until Android has
// booted. release is called when the next device may begin. What cvd says is one witness:
// the phases decide.
func (d *Device) follow(ctx context.Context, l launch, release func(), report func(sandbox.Phase)) error {
	b := boot{device: d, launch: l, phases: d.phases(), report: report, release: release}
	if !l.id.IsZero() {
		watch, stop := context.WithCancel(ctx)
		defer stop()
		b.exited = d.awaitExit(watch, l.id)
	}
	if err := b.watch(ctx); err != nil {
		return err
	}
	return b.settle(ctx)
}

// awaitExit delivers the exit code of a process once; it ends with ctx.
func (d *Device) awaitExit(ctx context.Context, id host.ProcessID) <-chan int {
	exited := make(chan int, 1)
	go func() {
		if code, err := d.o.Host.Await(ctx, id); err == nil {
			exited <- code
		}
	}()
	return exited
}

// boot is one boot being watched.
type boot struct {
	device  *Device
	launch  launch
	phases  []phase
	report  func(sandbox.Phase)
	release func()
	exited  <-chan int // nil: no launch is alive

	at    int              // phases reached
	group cvd.Group        // what cvd printed
	cause error            // what cvd failed with
	grace <-chan time.Time // runs once cvd has ended

	missing time.Time // since when no launcher answers; zero while one does
}

// watch returns when all phases are reached, or says why they will not be.
func (b *boot) watch(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	b.say()
	for {
		for b.at < len(b.phases) && b.phases[b.at].reached(ctx) {
			b.advance()
		}
		if b.at == len(b.phases) {
			return nil
		}
		select {
		case code := <-b.exited:
			if err := b.onExit(ctx, code); err != nil {
				return err
			}
		case <-b.grace:
			return b.failed(ctx, errors.Join(b.cause, fault.Timeoutf("cvd ended and the device did not come up within %s", endGrace)))
		case <-ctx.Done():
			return errors.Join(b.failed(ctx, context.Cause(ctx)), b.endHung(ctx))
		case <-tick.C:
			if b.launch.id.IsZero() && b.vanished(ctx) {
				return b.failed(ctx, fault.Unavailablef("the device is gone: no launcher of it has answered for %s, and no crosvm runs", goneGrace))
			}
		}
	}
}

// endHung ends a cvd of ours that had the time of a whole boot and brought no launcher up: whoever starts the device
// next would wait for it again. One that is cut short by the runner's end is carried on.
func (b *boot) endHung(ctx context.Context) error {
	d := b.device
	if b.at > 0 || b.exited == nil || b.launch.id != d.record().Launcher || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	return d.endLaunch(ctx)
}

// vanished reports whether a boot that no cvd of ours does has lost its device. A launch that
// is alive says so itself, by ending. A crosvm whose launcher died may still boot.
func (b *boot) vanished(ctx context.Context) bool {
	d := b.device
	if state, _ := d.launcherState(ctx); state != cvd.LauncherAbsent {
		b.missing = time.Time{}
		return false
	}
	if b.missing.IsZero() {
		b.missing = time.Now()
	}
	if time.Since(b.missing) <= goneGrace {
		return false
	}
	rec := d.record()
	t, err := d.o.readTable(ctx)
	if err != nil {
		return false
	}
	if _, runs := t.vms[d.paths(ctx, rec).CrosvmSocket(rec.Instance)]; runs {
		b.missing = time.Now()
		d.connect(ctx)
		return false
	}
	return true
}

func (b *boot) advance() {
	if b.at == adbPhase {
		b.release()
	}
	b.at++
	b.say()
}

func (b *boot) say() {
	if b.at < len(b.phases) {
		b.report(sandbox.Phase{Name: b.phases[b.at].name, Step: b.at + 1, Of: len(b.phases)})
	}
}

// hear reads what cvd printed. Of a cvd that an earlier runner launched the exit code is not
// known, so that only what it says for certain counts: the group. It is read on its own time: the
// boot's may just be over, which says nothing of cvd.
func (b *boot) hear(ctx context.Context, code int) {
	b.exited = nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingLimit)
	defer cancel()
	group, err := b.device.o.CVD.LaunchOutcome(ctx, code, b.launch.stdout, b.launch.stderr)
	b.group = group
	if code != host.ExitUnknown {
		b.cause = err
	}
}

// onExit hears what cvd has to say. A failure ends the watch unless the launcher answers: cvd
// has been seen to fail with the device up.
func (b *boot) onExit(ctx context.Context, code int) error {
	d := b.device
	if b.hear(ctx, code); b.cause != nil {
		var taken *sandbox.NumberTaken
		if errors.As(b.cause, &taken) {
			return b.failed(ctx, b.cause) // the launcher that answers is the stranger's
		}
		if state, _ := d.launcherState(ctx); state != cvd.LauncherAlive {
			return b.failed(ctx, b.cause)
		}
		d.log.Warn("cvd failed and the launcher answers: the boot is still watched", zap.Error(b.cause))
	}
	b.grace = time.After(endGrace)
	return nil
}

// settle lets the launching cvd end and records what it printed. A cvd that does not end
// although the device has booted is killed: the device does not need it.
func (b *boot) settle(ctx context.Context) error {
	d := b.device
	if b.exited != nil {
		select {
		case code := <-b.exited:
			b.hear(ctx, code)
		case <-time.After(endGrace):
			d.log.Warn("cvd does not end although the device has booted: killed", zap.Int(obs.PID, b.launch.id.PID))
			if err := d.o.Host.Signal(ctx, b.launch.id, syscall.SIGKILL, false); err != nil {
				return fault.Op("end the launching cvd", err)
			}
		case <-ctx.Done():
			return b.failed(ctx, context.Cause(ctx))
		}
	}
	if b.cause != nil {
		// Whoever answered on the port may be a stranger who took it, and so may be the launcher.
		var taken *sandbox.NumberTaken
		if state, _ := d.launcherState(ctx); state != cvd.LauncherAlive || errors.As(b.cause, &taken) {
			d.disconnect()
			return b.failed(ctx, b.cause)
		}
		d.log.Warn("cvd failed and the device has booted", zap.Error(b.cause))
	}
	home, dir := d.place(ctx, b.group)
	return d.save(ctx, func(r *ledger.Record) {
		r.Created, r.Launcher, r.Failure = true, host.ProcessID{}, ""
		if home != "" {
			r.Paths.GroupHome, r.Paths.InstanceDir = home, dir
		}
	})
}

// place says where the device's files are: cvd said so, or the record, or its processes.
func (d *Device) place(ctx context.Context, g cvd.Group) (home, dir string) {
	if len(g.Instances) == 1 {
		return g.Instances[0].GroupHome(), g.Instances[0].InstanceDir
	}
	rec := d.record()
	if rec.Paths.GroupHome != "" {
		return rec.Paths.GroupHome, rec.Paths.InstanceDir
	}
	t, err := d.o.readTable(ctx)
	if err != nil {
		return "", ""
	}
	if home = t.homes[rec.Instance]; home == "" || d.strangerIn(ctx, t, rec) != "" {
		return "", ""
	}
	return home, instanceDir(home, rec.Instance)
}

// instanceDir is where cvd keeps an instance below the home of its group.
func instanceDir(home string, n sandbox.Instance) string {
	return path.Join(home, "cuttlefish", "instances", n.String())
}

// failed builds the error of a boot: the phase that was not reached, why, what to look at,
// and how launcher.log ends.
func (b *boot) failed(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingLimit)
	defer cancel()
	d := b.device
	p := b.phases[min(b.at, len(b.phases)-1)]
	n := d.record().Instance
	home, dir := d.place(ctx, b.group)
	if home != "" {
		cause = d.o.CVD.Explain(ctx, cause, n, dir)
	}
	if reason, suspected := cvd.SuspectsKVM(cause); suspected {
		d.o.SuspectKVM(reason)
	}
	msg := fmt.Sprintf("phase %d of %d, %s, was not reached (%s): %v", b.at+1, len(b.phases), p.name, p.hint, cause)
	if why := d.disconnected(); b.at == adbPhase && why != nil {
		msg += fmt.Sprintf("; adb: %v", why)
	}
	if home != "" {
		if tail := cvd.LauncherLogTail(ctx, d.o.Host, dir, tailLines); len(tail) > 0 {
			msg += "; launcher.log ends: " + strings.Join(tail, " | ")
		}
	}
	return &bootError{
		said:      &fault.Error{Kind: bootKind(cause), Op: fmt.Sprintf("cvd %s %s", b.launch.verb, n), Msg: msg},
		transient: cvd.IsTransient(cause), cause: cause,
	}
}

// bootKind keeps the kinds that tell a caller what to do; every other failed boot is a
// device that is not available.
func bootKind(cause error) fault.Kind {
	switch k := fault.KindOf(cause); k {
	case fault.Exhausted, fault.Timeout, fault.Cancelled, fault.Conflict, fault.Invalid:
		return k
	default:
		return fault.Unavailable
	}
}

// bootError is a boot that failed.
type bootError struct {
	said      *fault.Error // for people; its message contains the cause
	transient bool
	cause     error
}

// Error says which phase was not reached, and why.
func (e *bootError) Error() string { return e.said.Error() }

// Unwrap gives the classified error first: its kind counts.
func (e *bootError) Unwrap() []error { return []error{e.said, e.cause} }
