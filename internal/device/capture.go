package device

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/internal/snapshot"
)

// Capture saves the device's data as a snapshot of the given name, "org/name". A device that runs is asked to sync and
// then stands still while its files are copied, if its crosvm can do that; else the copy is what a power cut would
// leave, and is checked. It goes on in every case, and only while the copy is made does anything else wait for the
// device. Conflict when the name is taken, or the device neither runs nor is off.
func (d *Device) Capture(ctx context.Context, name string, report func(sandbox.Phase)) error {
	if err := d.findFiles(ctx); err != nil {
		return err
	}
	rec := d.record()
	if rec.Paths.InstanceDir == "" || !rec.Created || rec.Restore != "" {
		return fault.Conflictf("sandbox %s has no data yet", d.id)
	}
	src, err := d.source(ctx, rec)
	if err != nil {
		return err
	}
	src.Quiet = func(ctx context.Context) (snapshot.Quiet, error) { return d.quiet(ctx, name) }
	m, err := d.o.Snapshots.Take(ctx, name, src, inPhases(report))
	if err != nil {
		return err
	}
	d.log.Info("snapshot taken", zap.String("snapshot", name), zap.String("consistency", string(m.Consistency)),
		zap.Int64("bytes", m.Size), zap.Duration("paused", time.Duration(m.PausedFor)*time.Millisecond))
	return nil
}

// findFiles learns where the device has its files, if that is not on record.
func (d *Device) findFiles(ctx context.Context) error {
	done, err := d.exclusive(ctx)
	if err != nil {
		return err
	}
	defer done()
	return d.locate(ctx)
}

// inPhases tells of a taking in the words of phases, each tenth of a step once.
func inPhases(report func(sandbox.Phase)) func(sandbox.Progress) {
	steps := []string{"copy", "digest", "check"}
	var said sandbox.Phase
	return func(p sandbox.Progress) {
		now := sandbox.Phase{Name: p.Step, Step: slices.Index(steps, p.Step) + 1, Of: len(steps)}
		if p.Done > 0 {
			now.Name = fmt.Sprintf("%s, %d %% of %d MiB", p.Step, 10*(10*p.Done/p.Total), p.Total>>20)
		}
		if now != said {
			said = now
			report(now)
		}
	}
}

// source describes the device for a snapshot. The base images are read for their digests, where that was not done yet.
func (d *Device) source(ctx context.Context, rec ledger.Record) (snapshot.Source, error) {
	base, ok := d.base()
	if !ok {
		return snapshot.Source{}, fault.Unsupportedf("it is not on record which images sandbox %s was made from", d.id)
	}
	base, err := d.o.Images.Digest(ctx, base) // those on record are compared: an image that was only touched is the same
	if err != nil {
		return snapshot.Source{}, err
	}
	src := snapshot.Source{
		Sandbox: string(d.id), BaseImage: base.Name, ImageDir: base.Dir, InstanceDir: rec.Paths.InstanceDir, Flags: rec.Flags,
		Resources: snapshot.Resources{CPUs: rec.Resources.CPUs, MemoryMB: rec.Resources.MemoryMB, DiskGB: rec.Resources.DiskGB},
	}
	for _, f := range base.Files {
		src.Images = append(src.Images, snapshot.File{Name: f.Name, Size: f.Size, SHA256: f.SHA256})
	}
	src.Versions = d.versions(ctx, rec)
	return src, nil
}

// versions are those of the tools that made the disk, as far as they say them. A host package has none: it is told by the
// digest of its launcher.
func (d *Device) versions(ctx context.Context, rec ledger.Record) (v snapshot.Versions) {
	if said, err := d.o.CVD.Version(ctx); err == nil {
		v.CVD = said.String()
	}
	binary, _ := d.control(ctx)
	if said, err := d.o.CVD.CrosvmVersion(ctx, binary); err == nil {
		v.Crosvm = said
	}
	if sum, err := d.o.Host.SHA256(ctx, path.Join(rec.Paths.HostPath, "bin", "cvd_internal_start")); err == nil {
		v.HostPackage = "sha256:" + sum
	}
	return v
}

// quiet makes the device's files stand still, and lets nobody else change the device until they may move again.
func (d *Device) quiet(ctx context.Context, name string) (snapshot.Quiet, error) {
	done, err := d.exclusive(ctx)
	if err != nil {
		return snapshot.Quiet{}, err
	}
	q, err := d.standStill(ctx, name)
	if err != nil {
		done()
		return snapshot.Quiet{}, err
	}
	resume := q.Resume
	q.Resume = func(ctx context.Context) error {
		defer done()
		return resume(ctx)
	}
	return q, nil
}

func (d *Device) standStill(ctx context.Context, name string) (q snapshot.Quiet, err error) {
	switch o := d.Observe(ctx); o.Life {
	case sandbox.LifeAbsent:
		return snapshot.Quiet{How: snapshot.Stopped, Resume: func(context.Context) error { return nil }}, nil
	case sandbox.LifeRunning:
		q.Sentinel, q.Resume = d.leaveSentinel(ctx, name), d.unpause
		q.Since = time.Now()
		q.How, err = d.pause(ctx)
		if q.Sentinel == "" {
			q.How = snapshot.Crash // what the guest had not written out is not there, as after a power cut
		}
		return q, err
	default:
		return q, fault.Conflictf("sandbox %s is neither running nor off (%s): its data are in motion", d.id, o.Reason)
	}
}

// settleLimit is how long a guest may take to write out what it holds in memory before a snapshot: it runs on meanwhile.
const settleLimit = 20 * time.Second

// leaveSentinel writes a text into the guest that tells whether its data came back, and has it write out what it holds
// in memory. What a guest does not do costs only that proof.
func (d *Device) leaveSentinel(ctx context.Context, name string) string {
	text := name + " " + time.Now().UTC().Format(time.RFC3339)
	own, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	_, err := d.shell(own, fmt.Sprintf("echo '%s' > %s && sync", text, snapshot.SentinelPath))
	if err != nil {
		d.log.Warn("the guest did not sync before the snapshot", zap.Error(err))
		return ""
	}
	return text
}

// pause makes the device stand still. That it does is on record first: a runner that is killed meanwhile leaves it to
// the next to let it go on. A device that cannot stand still is let go on at once, for crosvm may have begun.
func (d *Device) pause(ctx context.Context) (snapshot.Consistency, error) {
	if err := d.save(ctx, func(r *ledger.Record) { r.Paused = true }); err != nil {
		return "", err
	}
	binary, socket := d.control(ctx)
	refused := d.o.CVD.Suspend(ctx, binary, socket)
	if refused == nil {
		return snapshot.Paused, nil
	}
	d.log.Warn("the device cannot stand still: its disk is copied as it runs", zap.Error(refused))
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	err := d.unpause(own)
	if fault.Is(refused, fault.Unsupported) && fault.Is(err, fault.Unsupported) {
		err = d.markUnpaused(own) // a crosvm that can do neither has not begun
	}
	return snapshot.Crash, err
}

// unpause lets the device go on. It is tried twice: nothing is worse for its user than a device that stands still. While it
// does, that stays on record, and each look tries again.
func (d *Device) unpause(ctx context.Context) error {
	if !d.record().Paused {
		return nil
	}
	binary, socket := d.control(ctx)
	err := d.o.CVD.Resume(ctx, binary, socket)
	if err != nil {
		err = d.o.CVD.Resume(ctx, binary, socket)
	}
	if err != nil {
		return err
	}
	return d.markUnpaused(ctx)
}

func (d *Device) markUnpaused(ctx context.Context) error {
	return d.save(ctx, func(r *ledger.Record) { r.Paused = false })
}

// control is how the device's VM is told things: its crosvm, and its control socket.
func (d *Device) control(ctx context.Context) (binary, socket string) {
	rec := d.record()
	binary = cvd.CrosvmBinary(rec.Paths.HostPath)
	if config, err := cvd.ReadConfig(ctx, d.o.Host, rec.Paths.GroupHome); err == nil {
		if said := config.Instances[rec.Instance].CrosvmBinary; strings.HasPrefix(said, "/") {
			binary = said
		}
	}
	return binary, d.paths(ctx, rec).CrosvmSocket(rec.Instance)
}

// letGoOn ends a pause that a runner before this one left, or that could not be ended. Where crosvm does not do it the look
// goes on: what answers, or is not there, does not stand still.
func (l *look) letGoOn(ctx context.Context) {
	if !l.rec.Paused || len(l.working) > 0 {
		return
	}
	if err := l.unpause(ctx); err != nil {
		l.note("runner", "a snapshot that was cut short left it standing still, and it cannot be let go on: %v", err)
		return
	}
	l.log.Warn("a snapshot that was cut short had left the device standing still")
}
