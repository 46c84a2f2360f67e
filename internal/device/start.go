package device

import (
	"context"
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
	if err := d.save(ctx, func(r *ledger.Record) { r.Intent = sandbox.IntentStarted }); err != nil {
		return false, err
	}
	release, err := d.slots.acquire(ctx, forStart)
	if err != nil {
		return false, err
	}
	defer release()
	if done, err := d.carryOn(ctx, "start", release, report); done || err != nil {
		return false, err
	}
	if err := d.locate(ctx); err != nil {
		return false, err
	}
	rec := d.record()
	before, err := cvd.MarkOverlay(ctx, d.o.Host, rec.Paths.InstanceDir)
	if err != nil {
		return false, err
	}
	if rec.Paths.InstanceDir == "" || before == (cvd.OverlayMark{}) {
		return d.startWithoutDisk(ctx, rec, release, report)
	}
	return false, d.startWithDisk(ctx, rec, before, release, report)
}

// startWithDisk is the ordinary start: see to it that assembly keeps the guest's files, boot
// with all flags again (cvd remembers none), and check that it did keep them.
func (d *Device) startWithDisk(
	ctx context.Context, rec ledger.Record, before cvd.OverlayMark, release func(), report func(sandbox.Phase),
) error {
	if err := d.clearLeftovers(ctx, rec); err != nil {
		return err
	}
	if err := cvd.KeepOverlay(ctx, d.o.Host, rec.Paths.InstanceDir); err != nil {
		return fault.Op("keep the guest's files over the start", err)
	}
	if err := d.boot(ctx, "start", cvd.StartArgsFrom(rec.Group, rec.Flags), release, report); err != nil {
		return err
	}
	after, err := cvd.MarkOverlay(ctx, d.o.Host, rec.Paths.InstanceDir)
	if err != nil {
		return fault.Op("check that the guest's files were kept", err)
	}
	log := cvd.AssembleLogTail(ctx, d.o.Host, rec.Paths.GroupHome, assembleLines)
	if kept, why := cvd.OverlayKept(before, after, log); !kept {
		return fault.Internalf("the device has booted, but its files were lost at this start: %s; the device is empty", why)
	}
	return nil
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
	rec = d.record()
	if rec.Flags != nil {
		return nil
	}
	hostPath := rec.Paths.HostPath
	if hostPath == "" {
		hostPath = d.o.HostPath
	}
	flags, err := d.o.CVD.LaunchFlags(ctx, d.launchSpec(rec.Instance, sandbox.Resources(rec.Resources).OrDefault(d.o.Defaults), hostPath, rec.Paths.ProductPath))
	if err != nil {
		return err
	}
	return d.save(ctx, func(r *ledger.Record) { r.Flags = flags })
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
