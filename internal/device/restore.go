package device

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/disktemplate"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/image"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

// saved is the snapshot that a device is made of; the zero value: of none.
type saved struct {
	dir, of string // of: what tells its manifest from others
	diskGB  int    // that its data need
}

// restorable is the snapshot that an image directory is, if it holds a device's data.
func (d *Device) restorable(ctx context.Context, base image.Base) (saved, error) {
	if d.o.Snapshots == nil {
		return saved{}, nil
	}
	if there, err := d.o.Snapshots.HasData(ctx, base.Dir); err != nil || !there {
		return saved{}, err
	}
	m, of, err := d.o.Snapshots.Read(ctx, base.Dir)
	if err != nil {
		return saved{}, fault.Op("read snapshot "+base.Name, err)
	}
	if err := d.haveImages(ctx, base, m.Images); err != nil {
		return saved{}, fault.Op("make a device of snapshot "+base.Name, err)
	}
	return saved{dir: base.Dir, of: of, diskGB: m.Resources.DiskGB}, nil
}

// haveImages is a Conflict, saying what differs, where an image directory has not the base images that a snapshot was taken
// with: its data are those of a disk that lies over them.
func (d *Device) haveImages(ctx context.Context, base image.Base, want []snapshot.File) error {
	if len(want) == 0 {
		return nil // somebody else's manifest does not say
	}
	base, err := d.o.Images.Digest(ctx, base)
	if err != nil {
		return err
	}
	have := map[string]string{}
	for _, f := range base.Files {
		have[f.Name] = f.SHA256
	}
	for _, f := range want {
		if f.SHA256 != "" && have[f.Name] != f.SHA256 {
			return fault.Conflictf("base image %s in %s has the digest %q, and the snapshot was taken with %s", f.Name, base.Dir, have[f.Name], f.SHA256)
		}
		delete(have, f.Name)
	}
	for name := range have {
		if strings.HasSuffix(name, ".img") {
			return fault.Conflictf("there is a base image %s in %s, and the snapshot was taken without one", name, base.Dir)
		}
	}
	return nil
}

// restoreAtOnce makes the device with the data of its snapshot in one boot, where a template of its disks spares the first
// of the two that restore needs. It is an optimisation: done is false where there is no template, and where the device did
// not come up with those data; nothing of it is left then, and the template is distrusted. It is an error where another
// way would not help.
func (d *Device) restoreAtOnce(ctx context.Context, report func(sandbox.Phase)) (done bool, err error) {
	rec := d.record()
	if rec.Restore == "" {
		return false, nil
	}
	key, err := d.o.Templates.Key(ctx, rec.Paths.ProductPath, rec.Paths.HostPath)
	if err != nil || !d.o.Templates.Usable(ctx, key) {
		return false, nil //nolint:nilerr // what is wrong with images or host tools, the ordinary create says better
	}
	var said *cvd.LaunchError
	var taken *sandbox.NumberTaken
	launched, err := d.bootPlaced(ctx, key, report)
	switch {
	case err == nil, ctx.Err() != nil, errors.As(err, &taken), fault.Is(err, fault.Invalid), errors.Is(err, snapshot.ErrRemoved): // Invalid: it is damaged
		return err == nil, err
	case errors.As(err, &said) && said.Class == cvd.GroupExists:
		return false, nil // it is somebody's: the ordinary create says so, and leaves it
	}
	d.log.Warn("the snapshot's data cannot be put back in one boot: in two now", zap.Error(err))
	if launched && (errors.Is(err, errFilesLost) || errors.Is(err, errOtherData)) {
		if err := d.o.Templates.Distrust(ctx, key, err.Error()); err != nil {
			d.log.Warn("the disk template is going to be tried again", zap.Error(err))
		}
	}
	return false, d.cleanUp(ctx)
}

// bootPlaced has cvd make the device without starting it, gives it its disks, and boots it. It says whether it came to that.
func (d *Device) bootPlaced(ctx context.Context, key string, report func(sandbox.Phase)) (launched bool, err error) {
	rec := d.record()
	m, err := d.toRestore(ctx)
	if err != nil {
		return false, err
	}
	if err := d.o.CVD.CreateStopped(ctx, rec.Group, rec.Instance, rec.Paths.HostPath, rec.Paths.ProductPath); err != nil {
		return false, err
	}
	if err := d.placeDisks(ctx, key, m, report); err != nil {
		return false, err
	}
	return true, d.bootRestored(ctx, m, report)
}

// toRestore is the manifest of the snapshot that is still to be put into the device.
func (d *Device) toRestore(ctx context.Context) (snapshot.Manifest, error) {
	rec := d.record()
	m, of, err := d.o.Snapshots.Read(ctx, rec.Restore)
	if fault.Is(err, fault.NotFound) || err == nil && rec.RestoreOf != "" && of != rec.RestoreOf { // another is in its place
		err = fault.Wrap(fault.Conflict, rec.Restore, snapshot.ErrRemoved)
	}
	return m, fault.Op("read the snapshot", err)
}

// placeDisks gives a device that cvd knows, and has never started, the disks that it would have after a boot, with the
// snapshot's data.
func (d *Device) placeDisks(ctx context.Context, key string, m snapshot.Manifest, report func(sandbox.Phase)) error {
	if err := d.learnHome(ctx); err != nil {
		return fault.Op("find the new group's directory", err)
	}
	rec := d.record()
	if rec.Paths.GroupHome == "" {
		return fault.Unavailablef("cvd does not say where the new group %s has its files", rec.Group)
	}
	site := siteOf(rec)
	// Of a device that was never started cvd names a directory that will be a link to this one.
	if err := d.save(ctx, func(r *ledger.Record) { r.Paths.InstanceDir = site.InstanceDir }); err != nil {
		return err
	}
	report(sandbox.Phase{Name: "the snapshot's files are put in place", Step: 1, Of: 1})
	if err := d.o.Templates.Place(ctx, key, site); err != nil {
		return err
	}
	return d.o.Snapshots.Graft(ctx, rec.Restore, m, site.InstanceDir)
}

// siteOf is where assembly has the device's files.
func siteOf(rec ledger.Record) disktemplate.Site {
	home := rec.Paths.GroupHome
	return disktemplate.Site{GroupDir: path.Dir(home), InstanceDir: instanceDir(home, rec.Instance), Product: rec.Paths.ProductPath}
}

// restore puts the data of the snapshot that the device is made from into it, once it has booted for the first time: it
// is stopped, its files are replaced, and it boots again. The record says so until that has worked, so that whoever
// carries the create on does all of it again. What the next device of the same images needs to do with one boot is kept.
func (d *Device) restore(ctx context.Context, report func(sandbox.Phase)) error {
	dir := d.record().Restore
	if dir == "" {
		return nil
	}
	m, err := d.toRestore(ctx)
	if err != nil {
		return err
	}
	d.disconnect()
	if err := d.halt(ctx); err != nil {
		return fault.Op("stop the fresh device", err)
	}
	rec := d.record()
	d.keepTemplate(ctx, rec)
	report(sandbox.Phase{Name: "the snapshot's files are put back", Step: 1, Of: 1})
	if err := d.o.Snapshots.Graft(ctx, dir, m, rec.Paths.InstanceDir); err != nil {
		return err
	}
	return d.bootRestored(ctx, m, report)
}

// keepTemplate keeps what assembly made of the device's images. That it cannot costs others a boot, and nothing else.
func (d *Device) keepTemplate(ctx context.Context, rec ledger.Record) {
	key, err := d.o.Templates.Key(ctx, rec.Paths.ProductPath, rec.Paths.HostPath)
	if err == nil {
		err = d.o.Templates.Keep(ctx, key, siteOf(rec))
	}
	if err != nil {
		d.log.Warn("snapshots of these images will be put back in two boots", zap.Error(err))
	}
}

// bootRestored boots a device that was given its snapshot's data, and sees that it has them.
func (d *Device) bootRestored(ctx context.Context, m snapshot.Manifest, report func(sandbox.Phase)) error {
	release, err := d.slots.acquire(ctx, forStart)
	if err != nil {
		return err
	}
	defer release()
	rec := d.record()
	before, err := cvd.MarkOverlay(ctx, d.o.Host, rec.Paths.InstanceDir)
	if err != nil {
		return err
	}
	if err := d.startWithDisk(ctx, rec, before, release, report); err != nil {
		return fault.Op("boot with the snapshot's data", err)
	}
	if err := d.findSentinel(ctx, m); err != nil {
		return err
	}
	d.log.Info("the snapshot's data are back", zap.String("snapshot", rec.Restore), zap.Bool("verified", m.Verified()))
	return d.save(ctx, func(r *ledger.Record) { r.Restore, r.RestoreOf = "", "" })
}

const (
	// sentinelLimit bounds the looks for a sentinel: a guest that has just booted may be busy.
	sentinelLimit = 30 * time.Second
	sentinelPause = time.Second // between two of them
)

// errOtherData is that the device has not the data that it was given.
var errOtherData = errors.New("the device has booted without the data of its snapshot")

// findSentinel looks for what the snapshot's guest was given to remember. Unavailable where the guest does not say what it
// has.
func (d *Device) findSentinel(ctx context.Context, m snapshot.Manifest) error {
	if m.Sentinel == "" {
		return nil
	}
	own, cancel := context.WithTimeout(ctx, sentinelLimit)
	defer cancel()
	for {
		look, end := context.WithTimeout(own, getpropLimit)
		got, err := d.shell(look, "cat "+snapshot.SentinelPath+" 2>/dev/null || true")
		end()
		switch got = strings.TrimSpace(got); {
		case err == nil && got == m.Sentinel:
			return nil
		case err == nil:
			return fault.Wrap(fault.Internal, "look for the snapshot's data", fmt.Errorf("%w: %s holds %q, want %q",
				errOtherData, snapshot.SentinelPath, got, m.Sentinel))
		}
		select {
		case <-time.After(sentinelPause):
		case <-own.Done():
			return fault.Unavailablef("the device has booted, and does not say within %s whether it has the snapshot's data: %v", sentinelLimit, err)
		}
	}
}
