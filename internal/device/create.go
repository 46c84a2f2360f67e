package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// cleanLimit bounds the clean-up behind a failed create, which runs on its own time: the
// create's may be over.
const cleanLimit = 90 * time.Second

// Prepare resolves the snapshot, makes the product directory that all devices of this image
// and disk size share, and then records what is wanted, without a number yet: a mapping whose
// sandbox has no record is therefore always one of an older installation.
func (d *Device) Prepare(ctx context.Context, spec sandbox.Spec) error {
	base, err := d.o.Images.Resolve(ctx, spec.Snapshot)
	if err != nil {
		return err
	}
	restore, err := d.restorable(ctx, base)
	if err != nil {
		return err
	}
	if restore.diskGB > 0 {
		spec.Resources.DiskGB = restore.diskGB // the disk's layout depends on it
	}
	product, err := d.o.Images.Product(ctx, base, spec.Resources.DiskGB)
	if err != nil {
		return err
	}
	if restore.dir != "" {
		base.Dir = product // whose links lead to the images themselves: the snapshot may be removed
	}
	record, err := json.Marshal(base)
	if err != nil {
		return fault.Wrap(fault.Internal, "record the base image", err)
	}
	return d.save(ctx, func(r *ledger.Record) {
		if r.CreatedAt.IsZero() || r.Failure != "" {
			r.CreatedAt = time.Now()
		}
		r.Group, r.Failure, r.Flags = d.id.Group(), "", nil
		r.Snapshot, r.Resources, r.Metadata = spec.Snapshot, ledger.Quotas(spec.Resources), spec.Metadata
		r.Next, r.Network = ledger.Quotas{}, ledger.Network(spec.Network)
		r.Paths.HostPath, r.Paths.ProductPath, r.Paths.Base = base.HostPath, product, record
		r.Restore, r.RestoreOf = restore.dir, restore.of
		r.Intent, r.Begun = sandbox.IntentStarted, time.Now()
		if spec.SkipStart {
			r.Intent = sandbox.IntentStopped
		}
	})
}

// Create boots the device for the first time on number n. A create that was cut short is
// carried on: its launch is awaited, or what it left is removed and launched again. A failed
// launch is cleaned up at once, and tried a second time when its failure was transient and
// time is left. On failure nothing of the device stays on the host and it holds no number; if
// something could not be removed, the error says what, and the number is kept.
func (d *Device) Create(ctx context.Context, n sandbox.Instance, report func(sandbox.Phase)) error {
	done, err := d.exclusive(ctx)
	if err != nil {
		return err
	}
	defer done()
	resumed := d.record().Instance == n
	if err := d.checkNumber(ctx, n, resumed); err != nil {
		return err
	}
	if err := d.take(ctx, n); err != nil {
		return err
	}
	if d.record().Intent == sandbox.IntentStopped {
		return nil // to be created and not started
	}
	for attempt := 1; ; attempt++ {
		err := d.makeOnce(ctx, resumed || attempt > 1, report)
		var taken *sandbox.NumberTaken
		var said *cvd.LaunchError
		switch {
		case err == nil:
			d.wantDigests()
			return nil
		case errors.Is(ctx.Err(), context.Canceled):
			return err // cut short: whoever comes next carries on from here
		case errors.As(err, &taken):
			return d.giveUp(ctx, err, d.withdraw(ctx))
		case errors.As(err, &said) && said.Class == cvd.GroupExists:
			return d.giveUp(ctx, err, nil) // cvd has a device of this name that we know nothing of: it stays
		}
		cleaned := d.cleanUp(ctx)
		if cleaned != nil || attempt > 1 || !d.worthRetrying(ctx, err) {
			return d.giveUp(ctx, err, cleaned)
		}
		d.log.Warn("create failed and is tried once more", zap.Int(obs.Attempt, attempt), zap.Error(err))
	}
}

// take records the number and the launch flags before anything is done with them.
func (d *Device) take(ctx context.Context, n sandbox.Instance) error {
	rec := d.record()
	spec := d.launchSpec(n, sandbox.Resources(rec.Resources), rec.Paths.HostPath, rec.Paths.ProductPath)
	flags, err := d.o.CVD.LaunchFlags(ctx, spec)
	if err != nil {
		return err
	}
	return d.save(ctx, func(r *ledger.Record) { r.Instance, r.Flags = n, flags })
}

func (d *Device) launchSpec(n sandbox.Instance, r sandbox.Resources, hostPath, product string) cvd.LaunchSpec {
	return cvd.LaunchSpec{
		Group: d.record().Group, Instance: n, DeviceID: string(d.id), HostPath: hostPath, ProductPath: product,
		CPUs: r.CPUs, MemoryMB: r.MemoryMB, GPUMode: d.o.GPUMode, Audio: d.o.Audio,
	}
}

// makeOnce is one attempt at the device with its snapshot's data. It is looked for what is left of another first where again
// is set.
func (d *Device) makeOnce(ctx context.Context, again bool, report func(sandbox.Phase)) error {
	if !again {
		if done, err := d.restoreAtOnce(ctx, report); done || err != nil {
			return err
		}
	}
	if err := d.firstBoot(ctx, again, report); err != nil {
		return err
	}
	return d.restore(ctx, report)
}

// firstBoot is one attempt at an empty device. Where something may be left of an earlier one, that is looked at
// first: cvd before 1.54 would reuse a group of the same name, running or not.
func (d *Device) firstBoot(ctx context.Context, again bool, report func(sandbox.Phase)) error {
	if again {
		if done, err := d.carryOn(ctx, "create", report); done || err != nil {
			return err
		}
		if err := d.remove(ctx); err != nil {
			return fault.Op("remove what an earlier create left", err)
		}
	}
	release, err := d.slots.acquire(ctx, forCreate)
	if err != nil {
		return err
	}
	defer release()
	rec := d.record()
	args := cvd.CreateArgsFrom(rec.Group, rec.Instance, rec.Paths.HostPath, rec.Paths.ProductPath, rec.Flags)
	return d.boot(ctx, "create", args, release, report)
}

// boot launches cvd and follows the boot within the boot time-out.
func (d *Device) boot(ctx context.Context, verb string, args []string, release func(), report func(sandbox.Phase)) error {
	ctx, cancel := d.withBootTimeout(ctx)
	defer cancel()
	l, err := d.run(ctx, verb, args)
	if err != nil {
		return err
	}
	return d.follow(ctx, l, release, report)
}

func (d *Device) withBootTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	cause := fault.Timeoutf("the device did not boot within %s (CVD_BOOT_TIMEOUT)", d.o.BootTimeout)
	return context.WithTimeoutCause(ctx, d.o.BootTimeout, cause)
}

// carryOn waits for a launch, or a boot, that is under way; done is false where nothing is. It
// takes no slot: what runs already holds up nobody who waits for one.
func (d *Device) carryOn(ctx context.Context, verb string, report func(sandbox.Phase)) (done bool, err error) {
	id, launching, err := d.launching(ctx)
	if err != nil {
		return false, err
	}
	l := d.outputOf(verb)
	if launching {
		l.id = id
	} else if o := d.Observe(ctx); o.Life != sandbox.LifeRunning && o.Life != sandbox.LifeBooting {
		if o.Life == sandbox.LifeUnknown {
			return false, fault.Unavailablef("it cannot be told whether %s runs: %v", d.record().Instance, o.Evidence)
		}
		return false, nil
	}
	d.log.Info("carrying on with a boot that is under way", zap.String(obs.Op, verb), zap.Int(obs.PID, l.id.PID))
	ctx, cancel := d.withBootTimeout(ctx)
	defer cancel()
	return true, d.follow(ctx, l, func() {}, report)
}

// transient reports whether a boot failed as one does that may succeed when it is repeated.
func transient(err error) bool {
	var b *bootError
	return errors.As(err, &b) && b.transient
}

// worthRetrying reports whether a second attempt makes sense and has the time for a boot.
func (d *Device) worthRetrying(ctx context.Context, err error) bool {
	if !transient(err) {
		return false
	}
	deadline, limited := ctx.Deadline()
	return !limited || time.Until(deadline) > d.o.BootTimeout/2
}

// cleanUp removes what a failed create left, on its own time.
func (d *Device) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	return d.remove(ctx)
}

// withdraw removes our group and nothing else: the number turned out to be a stranger's, and
// so are its processes and sockets.
func (d *Device) withdraw(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	d.disconnect()
	rec := d.record()
	if left := d.removeGroup(ctx, rec); len(left) > 0 {
		return fault.Unavailablef("left behind: %s", strings.Join(left, "; "))
	}
	return nil
}

// giveUp records why the create failed. The number is only given up when nothing is left.
func (d *Device) giveUp(ctx context.Context, err, cleaned error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	saved := d.save(ctx, func(r *ledger.Record) {
		r.Failure = err.Error()
		if cleaned == nil {
			r.Instance = 0
		}
	})
	if cleaned != nil {
		cleaned = fmt.Errorf("and cleaning up behind it failed: %w", cleaned)
	}
	return errors.Join(err, cleaned, saved)
}

// checkNumber refuses a number that a stranger uses: a device that is not this sandbox's, or any
// program on the ADB port. Of a create that is carried on, what runs may be the device itself.
func (d *Device) checkNumber(ctx context.Context, n sandbox.Instance, resumed bool) error {
	rec := d.record()
	rec.Instance = n
	t, err := d.o.readTable(ctx)
	if err != nil {
		return err
	}
	if home := d.strangerIn(ctx, t, rec); home != "" {
		return &sandbox.NumberTaken{Instance: n, By: "the cvd group in " + home}
	}
	if _, launching := t.launchOf(rec.Group); resumed && (launching || t.homes[n] != "") {
		return nil
	}
	if vm, ok := t.vms[d.o.Paths.CrosvmSocket(n)]; ok {
		return &sandbox.NumberTaken{Instance: n, By: fmt.Sprintf("crosvm %d, which no sandbox owns", vm.PID)}
	}
	address := n.Serial(d.o.ADBBasePort)
	dial, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	if conn, err := d.o.Host.Dial(dial, "tcp", address); err == nil {
		_ = conn.Close()
		return &sandbox.NumberTaken{Instance: n, By: "a program that listens on " + address}
	}
	return nil
}
