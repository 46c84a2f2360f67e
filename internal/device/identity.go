package device

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Numbers, ports and socket paths are shared with whoever else starts devices on the host. What
// runs under our number is ours only if its group is: cvd gives each group a home of its own,
// and we give each device its sandbox's id as its WebRTC id.

// homeOfLauncher returns the group home of the run_cvd that runs number n among our sockets,
// empty if none does.
func (d *Device) homeOfLauncher(ctx context.Context, procs []host.Process, n sandbox.Instance) string {
	for _, p := range procs {
		if p.Exe != "run_cvd" || p.Zombie || p.UID != d.o.Paths.UID || !d.sharesTmp(ctx, p.ProcessID) {
			continue
		}
		env, err := d.o.Host.Environ(ctx, p.ProcessID)
		if err != nil || !slices.Contains(env, fmt.Sprintf("CUTTLEFISH_INSTANCE=%d", int(n))) {
			continue
		}
		for _, kv := range env {
			if home, ok := strings.CutPrefix(kv, "HOME="); ok {
				return home
			}
		}
	}
	return ""
}

// stranger returns the group home of a device that runs under our number and is not ours; empty
// when nothing runs, or it is ours. A device of an older installation is known by its number
// alone: whatever runs under that is it.
func (d *Device) stranger(ctx context.Context, rec ledger.Record) (string, error) {
	procs, err := d.o.Host.Processes(ctx)
	if err != nil {
		return "", err
	}
	home := d.homeOfLauncher(ctx, procs, rec.Instance)
	if home == "" || rec.Paths.GroupHome == "" && rec.Created {
		return "", nil
	}
	if rec.Paths.GroupHome != "" {
		if path.Clean(home) == path.Clean(rec.Paths.GroupHome) {
			return "", nil
		}
		return home, nil
	}
	config, err := cvd.ReadConfig(ctx, d.o.Host, home)
	if err == nil && config.Instances[rec.Instance].DeviceID == string(d.id) {
		return "", nil
	}
	return home, nil
}
