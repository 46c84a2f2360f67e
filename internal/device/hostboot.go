package device

import (
	"context"
	"strings"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/device/verdict"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/ledger"
)

// bootIDPath has a text that is another one after each boot of the host (random(4)).
const bootIDPath = "/proc/sys/kernel/random/boot_id"

// hostBootID names the present boot of the host.
func (o *Options) hostBootID(ctx context.Context) (string, error) {
	id, err := o.Host.ReadFile(ctx, bootIDPath, 0)
	return strings.TrimSpace(string(id)), err
}

// markBoot records once, for a device that runs, in which boot of the host it does.
func (l *look) markBoot(ctx context.Context) {
	l.mu.Lock()
	marked := l.watch.marked
	l.mu.Unlock()
	if marked {
		return
	}
	id, err := l.o.hostBootID(ctx)
	if err == nil && id != l.record().HostBoot {
		err = l.amend(ctx, func(r *ledger.Record) { r.HostBoot = id })
	}
	if err != nil {
		l.log.Debug("in which boot of the host the device runs is not on record", zap.Error(err))
		return
	}
	l.mu.Lock()
	l.watch.marked = true
	l.mu.Unlock()
}

// hostBoot finds out whether the host was rebooted since the absent device ran. In the same boot its sockets outlive it:
// a directory of them that is gone too makes that doubtful, whatever the boot is called.
func (l *look) hostBoot(ctx context.Context) verdict.HostBoot {
	if l.rec.HostBoot == "" {
		return verdict.BootOfHostNotKnown
	}
	id, err := l.o.hostBootID(ctx)
	if err != nil || id == "" {
		return verdict.BootOfHostNotKnown
	}
	if id != l.rec.HostBoot {
		l.note("host", "was rebooted since the device ran")
		return verdict.Rebooted
	}
	if _, err := l.o.Host.Stat(ctx, l.paths(ctx, l.rec).UDSDir(l.rec.Instance)); fault.Is(err, fault.NotFound) {
		l.note("host", "has no sockets of the device any more, as after a reboot")
		return verdict.BootOfHostNotKnown
	}
	return verdict.SameBoot
}
