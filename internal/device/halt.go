package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// How long processes may take to go: after cvd said that it stopped them, and after SIGTERM.
const (
	goLimit   = 5 * time.Second
	termLimit = 3 * time.Second
)

// Stop halts the device and keeps its disks. `cvd stop` is a power cut, so the guest is told
// to sync before it, unless force; a guest that does not answer in time costs only that time.
// What cvd says is not trusted: the processes decide, and those that stay are ended.
func (d *Device) Stop(ctx context.Context, force bool) error {
	return d.stop(ctx, force, func(r *ledger.Record) { r.Intent, r.Halted = sandbox.IntentStopped, false })
}

// Halt is Stop for a snapshot: that the device is to be started again is on record, for a runner that comes after this one.
func (d *Device) Halt(ctx context.Context) error {
	return d.stop(ctx, false, func(r *ledger.Record) { r.Intent, r.Halted = sandbox.IntentStopped, true })
}

// stop halts the device once it is on record what for.
func (d *Device) stop(ctx context.Context, force bool, want func(*ledger.Record)) error {
	done, err := d.exclusive(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := d.save(ctx, want); err != nil {
		return err
	}
	if d.record().Instance == 0 {
		return nil
	}
	if err := d.locate(ctx); err != nil {
		d.log.Warn("the device's group is not known; stopping by its processes", zap.Error(err))
	}
	if !force {
		d.syncGuest(ctx)
	}
	d.disconnect()
	return d.halt(ctx)
}

// syncGuest asks the guest to write out what it holds in memory.
func (d *Device) syncGuest(ctx context.Context) {
	conn, err := d.o.ADB.Get(d.serial())
	if err != nil || !conn.State().Connected {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	if _, err := d.shell(ctx, "sync"); err != nil {
		d.log.Warn("guest did not sync before the stop; unwritten files may be lost", zap.Error(err))
	}
}

// halt ends the device: by cvd, then by its own stop tool, then by signals.
func (d *Device) halt(ctx context.Context) error {
	rec := d.record()
	if err := d.endLaunch(ctx); err != nil {
		return err
	}
	said := d.o.CVD.Stop(ctx, rec.Group)
	patience := goLimit
	if said != nil {
		patience = 0 // who was not told to go does not go
	}
	if errors.Is(said, cvd.ErrNotRunning) || fault.Is(said, fault.NotFound) {
		said = nil // its label may lie: a device that cvd calls Cancelled can be alive
	}
	if said != nil {
		d.log.Warn("cvd stop failed; ending the device by its processes", zap.Error(said))
	}
	left, err := d.waitGone(ctx, rec, patience)
	if err != nil {
		return errors.Join(said, err)
	}
	if len(left) > 0 {
		if err := d.endProcesses(ctx, rec, left); err != nil {
			return errors.Join(said, err)
		}
	}
	d.setBooted(false)
	return nil
}

// endLaunch ends a cvd that is launching the device: with it alive, what it starts comes back.
func (d *Device) endLaunch(ctx context.Context) error {
	id, alive, err := d.launching(ctx)
	if err != nil || !alive {
		return err
	}
	d.log.Info("ending the cvd that launches the device", zap.Int(obs.PID, id.PID))
	// Its group is ours to end when the runner launched it; an operator's shell may lead another.
	leads := id == d.record().Launcher
	if err := d.o.Host.Signal(ctx, id, syscall.SIGKILL, leads); err != nil {
		return fault.Op("end the launching cvd", err)
	}
	wait, cancel := context.WithTimeout(ctx, goLimit)
	defer cancel()
	if _, err := d.o.Host.Await(wait, id); err != nil {
		return fault.Op(fmt.Sprintf("wait for the end of the launching cvd %d", id.PID), err)
	}
	return nil
}

// processes returns what runs of this device.
func (d *Device) processes(ctx context.Context, rec ledger.Record) ([]host.Process, error) {
	procs, err := d.o.Host.Processes(ctx)
	if err != nil {
		return nil, fault.Op("read the process table", err)
	}
	mine := procs[:0:0]
	for _, p := range procs {
		if p.UID == d.o.Paths.UID {
			mine = append(mine, p)
		}
	}
	sockets := ""
	if rec.Paths.GroupHome == "" {
		// Without a home to know them by, they are known by their sockets, unless those are a stranger's.
		if home, err := d.stranger(ctx, rec); err == nil && home == "" {
			sockets = d.paths(ctx, rec).UDSDir(rec.Instance)
		}
	}
	return cvd.DeviceProcesses(ctx, d.o.Host, mine, rec.Instance, rec.Paths.GroupHome, sockets)
}

// waitGone waits until nothing of the device runs and returns what still does at the limit.
func (d *Device) waitGone(ctx context.Context, rec ledger.Record, limit time.Duration) ([]host.Process, error) {
	deadline := time.Now().Add(limit)
	for {
		left, err := d.processes(ctx, rec)
		if err != nil || len(left) == 0 || time.Now().After(deadline) {
			return left, err
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return left, context.Cause(ctx)
		}
	}
}

// endProcesses ends processes by the recipe that cvd itself uses, without its database: the
// host tools' stop, SIGTERM, and SIGKILL, each to whole process groups.
func (d *Device) endProcesses(ctx context.Context, rec ledger.Record, left []host.Process) error {
	if rec.Paths.GroupHome != "" && slices.ContainsFunc(left, func(p host.Process) bool { return p.Exe == "run_cvd" }) {
		paths := cvd.GroupPaths{Home: rec.Paths.GroupHome, HostTools: rec.Paths.HostPath}
		if err := d.o.CVD.InternalStop(ctx, paths); err != nil {
			d.log.Warn("cvd_internal_stop failed; ending the processes by signal", zap.Error(err))
		}
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		left, err := d.processes(ctx, rec)
		if err != nil || len(left) == 0 {
			return err
		}
		for _, p := range left {
			if err := d.o.Host.Signal(ctx, p.ProcessID, sig, p.PID == p.PGID); err != nil {
				d.log.Warn("process not signalled", zap.Int(obs.PID, p.PID), zap.Error(err))
			}
		}
		if left, err = d.waitGone(ctx, rec, termLimit); err != nil || len(left) == 0 {
			return err
		}
	}
	left, err := d.processes(ctx, rec)
	if err != nil || len(left) == 0 {
		return err
	}
	return fault.Unavailablef("%s still runs after SIGKILL: %s", rec.Instance, name(left))
}

// name lists processes for people.
func name(procs []host.Process) string {
	var out []string
	for _, p := range procs {
		out = append(out, fmt.Sprintf("%s (pid %d)", p.Exe, p.PID))
	}
	return strings.Join(out, ", ")
}
