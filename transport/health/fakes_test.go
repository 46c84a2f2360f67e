package health_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/daytonaio/runner-android/internal/capacity"
	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/doctor"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/health"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// api is Daytona's API: it takes healthchecks, or refuses them with err.
type api struct {
	mu    sync.Mutex
	err   error
	row   wire.RunnerDTO
	meErr error
	mute  bool // the own row is never told
	took  []wire.HealthcheckDTO
	at    []time.Time
}

var _ health.API = (*api)(nil)

func (a *api) Healthcheck(_ context.Context, h wire.HealthcheckDTO) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.took, a.at = append(a.took, h), append(a.at, time.Now())
	return a.err
}

func (a *api) Me(ctx context.Context) (wire.RunnerDTO, error) {
	if a.mute {
		<-ctx.Done()
		return wire.RunnerDTO{}, ctx.Err()
	}
	return a.row, a.meErr
}

func (a *api) refuse(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *api) checks() ([]wire.HealthcheckDTO, []time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.took, a.at
}

// meter reads always the same; without a reading it hangs.
type meter struct {
	reading *capacity.Reading
	err     error
}

var _ health.Meter = meter{}

func (m meter) Read(ctx context.Context) (capacity.Reading, error) {
	if m.err != nil {
		return capacity.Reading{}, m.err
	}
	if m.reading == nil {
		<-ctx.Done()
		return capacity.Reading{}, ctx.Err()
	}
	return *m.reading, nil
}

// findings are a doctor's who always finds the same, unless nobody waits for it.
type findings []doctor.Finding

var _ health.Doctor = findings(nil)

func (f findings) Examine(ctx context.Context) []doctor.Finding {
	if ctx.Err() != nil {
		return []doctor.Finding{{Name: doctor.CVD, Reason: "not known yet: whoever asked did not wait for the answer"}}
	}
	return f
}

// with are actors that have these sandboxes and three snapshots.
func with(all ...sandbox.Info) transport.Asker {
	return transporttest.AskerFunc(func(_ context.Context, msg any) (any, error) {
		if _, ok := msg.(messages.CountSnapshots); ok {
			return messages.SnapshotCount{Count: 3}, nil
		}
		return messages.SandboxList{Sandboxes: all}, nil
	})
}

var reading = capacity.Reading{
	CPUs: 8, CPUPercent: 12.5, MemoryMB: 64 << 10, MemoryAvailableMB: 32 << 10, DiskGB: 500, DiskAvailableGB: 100,
	MemoryPercent: 50, DiskPercent: 80, Load15: 4, Taps: 10,
}

var healthy = findings{{Name: doctor.CVD, Healthy: true}, {Name: doctor.Disk, Reason: "2 GB are left"}}

// options are those of a reporter with everything.
func options(t testing.TB, a health.API) (health.Options, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	return health.Options{
		API: a, APIURL: "http://daytona/api", Meter: meter{reading: &reading}, Doctor: healthy, Actors: with(), Version: "v1",
		Domain: "runner.example", URL: func() string { return "http://runner.example:3107" }, Log: zap.New(core),
	}, logs
}
