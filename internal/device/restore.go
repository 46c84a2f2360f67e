package device

import (
	"context"
	"strings"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/image"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

// restorable is the snapshot that an image directory is, if it holds a device's data, and the disk size that those need.
func (d *Device) restorable(ctx context.Context, base image.Base, diskGB int) (dir string, needed int, err error) {
	if d.o.Snapshots == nil || !d.o.Snapshots.HasData(ctx, base.Dir) {
		return "", diskGB, nil
	}
	m, err := d.o.Snapshots.Read(ctx, base.Dir)
	if err != nil {
		return "", 0, fault.Op("read snapshot "+base.Name, err)
	}
	if m.Resources.DiskGB > 0 {
		diskGB = m.Resources.DiskGB // the disk's layout depends on it
	}
	return base.Dir, diskGB, nil
}

// restore puts the data of the snapshot that the device is made from into it, once it has booted for the first time: it
// is stopped, its files are replaced, and it boots again. The record says so until that has worked, so that whoever
// carries the create on does all of it again.
func (d *Device) restore(ctx context.Context, report func(sandbox.Phase)) error {
	dir := d.record().Restore
	if dir == "" {
		return nil
	}
	m, err := d.o.Snapshots.Read(ctx, dir)
	if err != nil {
		return fault.Op("read the snapshot", err)
	}
	d.disconnect()
	if err := d.halt(ctx); err != nil {
		return fault.Op("stop the fresh device", err)
	}
	rec := d.record()
	report(sandbox.Phase{Name: "the snapshot's files are put back", Step: 1, Of: 1})
	if err := d.o.Snapshots.Graft(ctx, dir, m, rec.Paths.InstanceDir); err != nil {
		return err
	}
	if err := d.bootRestored(ctx, rec, report); err != nil {
		return fault.Op("boot with the snapshot's data", err)
	}
	if err := d.findSentinel(ctx, m); err != nil {
		return err
	}
	d.log.Info("the snapshot's data are back", zap.String("snapshot", dir), zap.Bool("verified", m.Verified()))
	return d.save(ctx, func(r *ledger.Record) { r.Restore = "" })
}

func (d *Device) bootRestored(ctx context.Context, rec ledger.Record, report func(sandbox.Phase)) error {
	release, err := d.slots.acquire(ctx, forStart)
	if err != nil {
		return err
	}
	defer release()
	before, err := cvd.MarkOverlay(ctx, d.o.Host, rec.Paths.InstanceDir)
	if err != nil {
		return err
	}
	return d.startWithDisk(ctx, rec, before, release, report)
}

// findSentinel looks for what the snapshot's guest was given to remember.
func (d *Device) findSentinel(ctx context.Context, m snapshot.Manifest) error {
	if m.Sentinel == "" {
		return nil
	}
	own, cancel := context.WithTimeout(ctx, getpropLimit)
	defer cancel()
	got, err := d.shell(own, "cat "+snapshot.SentinelPath)
	if err != nil || strings.TrimSpace(got) != m.Sentinel {
		return fault.Internalf("the device has booted without the data of its snapshot: %s holds %q, want %q (%v)",
			snapshot.SentinelPath, strings.TrimSpace(got), m.Sentinel, err)
	}
	return nil
}
