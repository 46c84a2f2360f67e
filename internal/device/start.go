package device

import (
	"context"
	"errors"
	"fmt"
	"path"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Start boots the device with its files. A boot under way is awaited; a running device is
// left alone. Only when both its group and its disk are gone is it made anew, and recreated
// says so. A start that fails deletes nothing.
func (d *Device) Start(ctx context.Context, report func(sandbox.Phase)) (recreated bool, err error) {
	done, err := d.exclusive(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	if err := d.save(ctx, func(r *ledger.Record) { r.Intent, r.Halted = sandbox.IntentStarted, false }); err != nil {
		return false, err
	}
	if done, err := d.carryOn(ctx, "start", report); err != nil {
		return false, err
	} else if done {
		return false, d.checkDisk(ctx)
	}
	if err := d.locate(ctx); err != nil {
		return false, err
	}
	rec := d.record()
	if home, err := d.stranger(ctx, rec); err != nil {
		return false, err
	} else if home != "" {
		return false, fault.Conflictf("the number %s is used by the cvd group in %s, which is not this sandbox's: stop that one first",
			rec.Instance, home)
	}
	if err := d.applySize(ctx); err != nil {
		return false, err
	}
	rec = d.record()
	release, err := d.slots.acquire(ctx, forStart)
	if err != nil {
		return false, err
	}
	defer release()
	before, err := cvd.MarkOverlay(ctx, d.o.Host, rec.Paths.InstanceDir)
	if err != nil {
		return false, err
	}
	if rec.Paths.InstanceDir == "" || before == (cvd.OverlayMark{}) {
		return d.startWithoutDisk(ctx, rec, release, report)
	}
	return false, d.startWithDisk(ctx, rec, before, release, report)
}

// applySize puts what a resize asked for into the flags that the launch repeats.
func (d *Device) applySize(ctx context.Context) error {
	next := d.record().Next
	if next == (ledger.Quotas{}) {
		return nil
	}
	return d.save(ctx, func(r *ledger.Record) {
		r.Resources, r.Next = next, ledger.Quotas{}
		if r.Flags != nil {
			r.Flags = cvd.WithSize(r.Flags, next.CPUs, next.MemoryMB)
		}
	})
}

// startWithDisk is the ordinary start: see to it that assembly keeps the guest's files, boot
// with all flags again (cvd remembers none), and check that it did keep them.
func (d *Device) startWithDisk(
	ctx context.Context, rec ledger.Record, before cvd.OverlayMark, release func(), report func(sandbox.Phase),
) error {
	if err := d.clearLeftovers(ctx, rec); err != nil {
		return err
	}
	if err := d.save(ctx, func(r *ledger.Record) { r.Disk = ledger.Disk(before) }); err != nil {
		return err
	}
	err := d.bootKeeping(ctx, rec, release, report)
	var said *cvd.LaunchError
	if errors.As(err, &said) && said.Class == cvd.AlreadyStarted {
		// The device died and cvd still calls it running: it has to be told.
		d.log.Info("cvd takes the dead device for running: stopping it first")
		if err := d.halt(ctx); err != nil {
			return fault.Op("stop the group of a dead device", err)
		}
		err = d.bootKeeping(ctx, rec, release, report)
	}
	if err != nil {
		return err
	}
	return d.checkDisk(ctx)
}

// checkDisk says whether the start that was under way kept the guest's files. What the disk was
// before it is on record, so that whoever carries the start on checks it too.
func (d *Device) checkDisk(ctx context.Context) error {
	rec := d.record()
	if rec.Disk == (ledger.Disk{}) {
		return nil
	}
	after, err := cvd.MarkOverlay(ctx, d.o.Host, rec.Paths.InstanceDir)
	if err != nil {
		return fault.Op("check that the guest's files were kept", err)
	}
	log := cvd.AssembleLogTail(ctx, d.o.Host, rec.Paths.GroupHome, assembleLines)
	kept, why := cvd.OverlayKept(cvd.OverlayMark(rec.Disk), after, log)
	if err := d.save(ctx, func(r *ledger.Record) { r.Disk = ledger.Disk{} }); err != nil {
		return err
	}
	if !kept {
		return fault.Wrap(fault.Internal, "check what the start has kept", fmt.Errorf("%w: %s; the device is empty", errFilesLost, why))
	}
	return nil
}

// errFilesLost is that assembly has wiped the device's disk.
var errFilesLost = errors.New("the device has booted, but its files were lost at this start")

// bootKeeping starts the group so that assembly keeps the guest's files.
func (d *Device) bootKeeping(ctx context.Context, rec ledger.Record, release func(), report func(sandbox.Phase)) error {
	if err := cvd.KeepOverlay(ctx, d.o.Host, rec.Paths.InstanceDir); err != nil {
		return fault.Op("keep the guest's files over the start", err)
	}
	flags := cvd.WithDisplay(rec.Flags, string(d.id), rec.Instance)
	return d.boot(ctx, "start", cvd.StartArgsFrom(rec.Group, flags), release, report)
}

// assembleLines is how much of assemble_cvd's log is read for a sign that it wiped the disk.
const assembleLines = 200

// clearLeftovers ends processes that a stop or crash left of this device: with one of them
// alive assembly refuses, and a socket that outlived its device makes the launch fail.
func (d *Device) clearLeftovers(ctx context.Context, rec ledger.Record) error {
	left, err := d.processes(ctx, rec)
	if err != nil || len(left) == 0 {
		return err
	}
	d.log.Warn("ending what is left of the device before it starts", zap.Int("processes", len(left)))
	return d.endProcesses(ctx, rec, left)
}

// startWithoutDisk decides what a missing overlay means. cvd's word is needed for it: with
// the group gone as well the device is made anew, with the group there nothing is guessed.
func (d *Device) startWithoutDisk(ctx context.Context, rec ledger.Record, release func(), report func(sandbox.Phase)) (bool, error) {
	fleet, err := d.o.CVD.Fleet(ctx)
	if err != nil {
		return false, fault.Op("find the device's disk", err)
	}
	if len(fleet.ByGroup(rec.Group)) > 0 {
		return false, fault.Unavailablef(
			"cvd has the group %s and its disk %s is gone: restore it, or destroy the sandbox",
			rec.Group, path.Join(rec.Paths.InstanceDir, "overlay.img"))
	}
	if rec.Paths.ProductPath == "" || rec.Paths.HostPath == "" {
		return false, fault.Unavailablef(
			"nothing is left of the device and it is not on record what it was made from: destroy the sandbox and create it again")
	}
	d.log.Warn("nothing is left of the device: making it anew", zap.String("group", rec.Group))
	args := cvd.CreateArgsFrom(rec.Group, rec.Instance, rec.Paths.HostPath, rec.Paths.ProductPath, rec.Flags)
	if err := d.boot(ctx, "create", args, release, report); err != nil {
		return false, err
	}
	return true, nil
}

// locate fills in what the record of an older installation lacks: where the device's files
// are, what its group is called, and the flags of its launches.
func (d *Device) locate(ctx context.Context) error {
	rec := d.record()
	if rec.Paths.InstanceDir == "" || rec.Paths.GroupHome == "" {
		if err := d.locateByFleet(ctx, rec); err != nil {
			return err
		}
	}
	if rec = d.record(); rec.Flags != nil || rec.Paths.GroupHome == "" {
		return nil
	}
	hostPath, product, err := d.artifacts(ctx, rec)
	if err != nil {
		return fault.Op("find what the device was made from", err)
	}
	quotas := sandbox.Resources(rec.Resources).OrDefault(d.o.Defaults)
	flags, err := d.o.CVD.LaunchFlags(ctx, d.launchSpec(rec.Instance, quotas, hostPath, product))
	if err != nil {
		return err
	}
	return d.save(ctx, func(r *ledger.Record) {
		r.Flags, r.Resources, r.Paths.HostPath, r.Paths.ProductPath = flags, ledger.Quotas(quotas), hostPath, product
	})
}

// artifacts reads from the group's directory, where cvd keeps links to them, which host tools
// and which images the device was made from.
func (d *Device) artifacts(ctx context.Context, rec ledger.Record) (hostPath, product string, err error) {
	dir := path.Join(path.Dir(rec.Paths.GroupHome), "artifacts")
	hostPath, err = d.o.Host.EvalSymlinks(ctx, path.Join(dir, "host_tools"))
	if err != nil {
		return "", "", err
	}
	product, err = d.o.Host.EvalSymlinks(ctx, path.Join(dir, "0"))
	return hostPath, product, err
}

func (d *Device) locateByFleet(ctx context.Context, rec ledger.Record) error {
	fleet, err := d.o.CVD.Fleet(ctx)
	if err != nil {
		return fault.Op("find "+rec.Instance.String()+" in cvd fleet", err)
	}
	group, instance, ok := fleet.ByNumber(rec.Instance)
	if !ok {
		return nil // gone: the caller decides what that means
	}
	if _, ours := sandbox.ParseGroup(group.Name); ours && group.Name != d.id.Group() {
		return fault.Conflictf("%s belongs to the group %s of another sandbox", rec.Instance, group.Name)
	}
	if home := instance.GroupHome(); home != "" {
		return d.save(ctx, func(r *ledger.Record) {
			r.Group, r.Paths.GroupHome, r.Paths.InstanceDir = group.Name, home, instance.InstanceDir
		})
	}
	return fmt.Errorf("cvd fleet does not say where %s has its files", rec.Instance)
}
