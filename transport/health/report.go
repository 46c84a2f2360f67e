package health

import (
	"context"
	"time"

	"github.com/daytonaio/runner-android/internal/capacity"
	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/doctor"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
)

// Meter measures the host; *capacity.Meter is one.
type Meter interface {
	Read(ctx context.Context) (capacity.Reading, error)
}

// Doctor examines the host; *doctor.Doctor is one.
type Doctor interface {
	Examine(ctx context.Context) []doctor.Finding
}

// Info is what GET /info answers. Unavailable, or what the actors said, when the figures cannot be
// had. It may be asked by several at a time.
func (r *Reporter) Info(ctx context.Context) (wire.RunnerInfoDTO, error) {
	totals, err := r.figures(ctx)
	if err != nil {
		return wire.RunnerInfoDTO{}, err
	}
	return wire.RunnerInfoDTO{
		ServiceHealth: r.services(ctx), Metrics: &totals.RunnerMetricsDTO, AppVersion: r.o.Version, Daytona: r.registration(),
	}, nil
}

// figures measures the host and adds up what was promised of it.
func (r *Reporter) figures(ctx context.Context) (wire.RunnerTotalsDTO, error) {
	reading, err := r.o.Meter.Read(ctx)
	if err != nil {
		return wire.RunnerTotalsDTO{}, err
	}
	all, err := transport.Ask[messages.SandboxList](ctx, r.o.Actors, messages.ListSandboxes{})
	if err != nil {
		return wire.RunnerTotalsDTO{}, fault.Op("list the sandboxes", err)
	}
	snapshots, err := transport.Ask[messages.SnapshotCount](ctx, r.o.Actors, messages.CountSnapshots{})
	if err != nil {
		return wire.RunnerTotalsDTO{}, fault.Op("count the snapshots", err)
	}
	return totals(reading, all.Sandboxes, snapshots.Count), nil
}

// totals puts figures into Daytona's words. A total is at least 1: a host of 0 would have no score.
func totals(reading capacity.Reading, sandboxes []sandbox.Info, snapshots int) wire.RunnerTotalsDTO {
	const mbPerGiB = 1024
	t := wire.RunnerTotalsDTO{
		RunnerMetricsDTO: wire.RunnerMetricsDTO{
			CPULoadAverage: reading.Load15 / float64(max(reading.CPUs, 1)), CPUPercent: reading.CPUPercent,
			MemoryPercent: reading.MemoryPercent, DiskPercent: reading.DiskPercent, Snapshots: snapshots,
		},
		CPUs: max(reading.CPUs, 1), MemoryGiB: max(float64(reading.MemoryMB)/mbPerGiB, 1), DiskGiB: max(float64(reading.DiskGB), 1),
	}
	for _, s := range sandboxes {
		if s.State != sandbox.Destroyed {
			t.AllocatedDiskGiB += float64(s.Resources.DiskGB)
		}
		if s.State == sandbox.Started || s.State.Busy() {
			t.AllocatedCPUs += float64(s.Resources.CPUs)
			t.AllocatedMemoryGiB += float64(s.Resources.MemoryMB) / mbPerGiB
		}
		if s.State == sandbox.Started {
			t.StartedSandboxes++
		}
	}
	return t
}

// services are the findings about the host, in Daytona's words.
func (r *Reporter) services(ctx context.Context) []wire.ServiceHealthDTO {
	findings := r.o.Doctor.Examine(ctx)
	out := make([]wire.ServiceHealthDTO, len(findings))
	for i, f := range findings {
		out[i] = wire.ServiceHealthDTO{ServiceName: f.Name, Healthy: f.Healthy, ErrorReason: f.Reason}
	}
	return out
}

// silentLimit is how many devices must be silent before ADB itself is suspected: one that hangs is
// that device's trouble.
const silentLimit = 2

// ADB judges ADB by the devices: it is broken when none of several started ones answers on it.
func ADB(actors transport.Asker) func(context.Context) error {
	return func(ctx context.Context) error {
		all, err := transport.Ask[messages.SandboxList](ctx, actors, messages.ListSandboxes{})
		if err != nil {
			return err
		}
		silent := 0
		for _, s := range all.Sandboxes {
			switch {
			case s.State != sandbox.Started:
			case s.Life == sandbox.LifeRunning:
				return nil
			default:
				silent++
			}
		}
		if silent < silentLimit {
			return nil
		}
		return fault.Unavailablef("none of %d started devices answers on ADB: look at one with GET /sandboxes/{id}, "+
			"and whether the host's loopback and ports are in order", silent)
	}
}

// registration says whether Daytona knows this runner.
func (r *Reporter) registration() wire.RegistrationDTO {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := wire.RegistrationDTO{Registered: r.registered, APIURL: r.o.APIURL, Reason: r.reason}
	if !r.since.IsZero() {
		d.Since = r.since.UTC().Format(time.RFC3339)
	}
	return d
}
