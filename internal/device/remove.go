package device

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Destroy removes all that is the device's on the host: processes, group, sockets, lock. It
// verifies each, goes on where something fails, and returns what is left; doing it again
// tries the rest. The record stays until Forget, so that a destroy that is cut short is known.
func (d *Device) Destroy(ctx context.Context) error {
	done, err := d.exclusive(ctx)
	if err != nil {
		return err
	}
	defer done()
	if !d.Facts().Known {
		return nil
	}
	if err := d.save(ctx, func(r *ledger.Record) { r.Intent = sandbox.IntentDestroyed }); err != nil {
		return err
	}
	if d.record().Instance == 0 {
		return nil
	}
	if err := d.locate(ctx); err != nil {
		d.log.Warn("the device's group is not known; removing what bears its number", zap.Error(err))
	}
	return d.remove(ctx)
}

// remove takes the device off the host. A device that is not there is no error.
func (d *Device) remove(ctx context.Context) error {
	d.disconnect()
	if err := d.learnHome(ctx); err != nil {
		d.log.Warn("where the device has its files is not known", zap.Error(err))
	}
	rec, shownAs := d.record(), d.displayID(ctx)
	// Processes first: `cvd rm` of a group that it does not believe to run deletes the files
	// under those that do.
	if err := d.halt(ctx); err != nil {
		return err
	}
	left := d.removeGroup(ctx, rec)
	left = append(left, d.removeFiles(ctx, rec, len(left) == 0)...)
	left = append(left, d.awaitUnregistered(ctx, shownAs)...)
	if len(left) > 0 {
		return fault.Unavailablef("%s is not fully removed; left behind: %s", rec.Instance, strings.Join(left, "; "))
	}
	return d.save(ctx, func(r *ledger.Record) {
		r.Paths.GroupHome, r.Paths.InstanceDir, r.Launcher = "", "", host.ProcessID{}
	})
}

// learnHome records where the group's files are, as its processes or else cvd say, if that is
// not on record: what is left of a device is known by its home. Not learning it costs only what
// could have been found by it.
func (d *Device) learnHome(ctx context.Context) error {
	rec := d.record()
	if rec.Paths.GroupHome != "" {
		return nil
	}
	home, dir := d.place(ctx, cvd.Group{})
	if home == "" {
		fleet, err := d.o.CVD.Fleet(ctx)
		if err != nil {
			return err
		}
		groups := fleet.ByGroup(rec.Group)
		if len(groups) != 1 {
			return nil // none: nothing to learn; several: nothing to choose by
		}
		home, dir = d.place(ctx, groups[0])
	}
	if home == "" {
		return nil
	}
	return d.save(ctx, func(r *ledger.Record) { r.Paths.GroupHome, r.Paths.InstanceDir = home, dir })
}

// removeGroup removes the group from cvd's database and verifies it, trying twice: cvd has
// been seen to fail half-way, and to succeed without doing anything.
func (d *Device) removeGroup(ctx context.Context, rec ledger.Record) (left []string) {
	var tried error
	for range 2 {
		if tried = d.o.CVD.Remove(ctx, rec.Group); fault.Is(tried, fault.NotFound) {
			tried = nil
		}
		fleet, err := d.o.CVD.Fleet(ctx)
		if err != nil {
			return []string{fmt.Sprintf("perhaps its entry in cvd's database: %v", errors.Join(tried, err))}
		}
		groups := fleet.ByGroup(rec.Group)
		if len(groups) == 0 {
			if tried != nil {
				d.log.Warn("cvd rm failed and the group is gone", zap.Error(tried))
			}
			return nil
		}
	}
	if tried == nil {
		tried = errors.New("cvd rm said that it removed it")
	}
	return []string{fmt.Sprintf("its entry in cvd's database: %v", tried)}
}

// removeFiles removes, of this instance only, the sockets that cvd never removes and, once
// its database has forgotten the group, the directory and lock that it may have left; it
// names what stays. With the group still listed they must stay: every `cvd fleet` would fail.
func (d *Device) removeFiles(ctx context.Context, rec ledger.Record, forgotten bool) (left []string) {
	strange, err := d.stranger(ctx, rec)
	if err != nil {
		return []string{fmt.Sprintf("its sockets: %v", err)}
	}
	var targets []string
	if strange == "" { // else number, sockets and lock are the stranger's by now
		targets = append(targets, d.paths(ctx, rec).UDSDir(rec.Instance), d.o.Paths.UDSDir(rec.Instance),
			d.o.Paths.EnvDir(rec.Instance), d.o.Paths.VsockDir(rec.Instance))
		if forgotten {
			targets = append(targets, d.o.Paths.LockFile(rec.Instance))
		}
	}
	if dir := d.groupDir(rec); forgotten && dir != "" {
		targets = append(targets, dir)
	}
	for _, target := range targets {
		if err := d.o.Host.RemoveAll(ctx, target); err != nil {
			left = append(left, fmt.Sprintf("%s: %v", target, err))
			d.log.Warn("not removed", zap.String(obs.Path, target), zap.Error(err))
		}
	}
	return left
}

// groupDir is the directory that cvd made for the group, if the record's home lies where cvd
// makes such: nothing else is ever deleted.
func (d *Device) groupDir(rec ledger.Record) string {
	user := d.o.Paths.UserDir()
	dir := path.Dir(path.Clean(rec.Paths.GroupHome))
	if rec.Paths.GroupHome == "" || path.Base(rec.Paths.GroupHome) != "home" || path.Dir(dir) != user {
		return ""
	}
	return dir
}
