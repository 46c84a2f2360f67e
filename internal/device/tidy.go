package device

import (
	"context"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Tidy removes what a device that died left on the host beside its files: processes, which may hold its ports and its
// entry with the display operator, and its sockets. Group, disks and number stay, for the next start. It does nothing to a
// device that is not absent, nor to what a stranger has under its number. It returns what it removed, for
// people; the error says what it could not.
func (d *Device) Tidy(ctx context.Context) (removed []string, err error) {
	done, err := d.exclusive(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	rec := d.record()
	if rec.Instance == 0 || d.Observe(ctx).Life != sandbox.LifeAbsent {
		return nil, nil
	}
	shownAs := d.displayID(ctx)
	left, err := d.processes(ctx, rec)
	if err != nil {
		return nil, err
	}
	if len(left) > 0 {
		if err := d.endProcesses(ctx, rec, left); err != nil {
			return nil, err
		}
		removed = append(removed, name(left))
	}
	if strange, err := d.stranger(ctx, rec); err != nil || strange != "" {
		return removed, err
	}
	var stay []string
	for _, dir := range []string{d.paths(ctx, rec).UDSDir(rec.Instance), d.o.Paths.EnvDir(rec.Instance), d.o.Paths.VsockDir(rec.Instance)} {
		if _, err := d.o.Host.Lstat(ctx, dir); fault.Is(err, fault.NotFound) {
			continue
		}
		if err := d.o.Host.RemoveAll(ctx, dir); err != nil {
			stay = append(stay, fmt.Sprintf("%s: %v", dir, err))
			d.log.Warn("not removed", zap.String(obs.Path, dir), zap.Error(err))
			continue
		}
		removed = append(removed, dir)
	}
	if len(left) > 0 {
		stay = append(stay, d.awaitUnregistered(ctx, shownAs)...)
	}
	if len(stay) > 0 {
		return removed, fault.Unavailablef("of the dead device %s is left: %s", rec.Instance, strings.Join(stay, "; "))
	}
	return removed, nil
}
