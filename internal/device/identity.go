package device

import (
	"context"
	"path"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/ledger"
)

// Numbers, ports and socket paths are shared with whoever else starts devices on the host. What
// runs under our number is ours only if its group is: cvd gives each group a home of its own,
// and we give each device its sandbox's id as its WebRTC id.

// stranger returns the group home of a device that runs under our number and is not ours; empty
// when nothing runs, or it is ours. A device of an older installation is known by its number
// alone: whatever runs under that is it.
func (d *Device) stranger(ctx context.Context, rec ledger.Record) (string, error) {
	t, err := d.o.readTable(ctx)
	if err != nil {
		return "", err
	}
	return d.strangerIn(ctx, t, rec), nil
}

func (d *Device) strangerIn(ctx context.Context, t *table, rec ledger.Record) string {
	home := t.homes[rec.Instance]
	if home == "" || rec.Paths.GroupHome == "" && rec.Created {
		return ""
	}
	if rec.Paths.GroupHome != "" {
		if path.Clean(home) == path.Clean(rec.Paths.GroupHome) {
			return ""
		}
		return home
	}
	config, err := cvd.ReadConfig(ctx, d.o.Host, home)
	if err == nil && config.Instances[rec.Instance].DeviceID == string(d.id) {
		return ""
	}
	return home
}
