package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/capacity"
	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport/health"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

func text(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// first runs a reporter until it has sent one healthcheck.
func first(t *testing.T, o health.Options) (h wire.HealthcheckDTO) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a := o.API.(*api)
		ended := make(chan error, 1)
		r := health.New(o)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(20 * time.Second) // before the second, however the first goes
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		all, _ := a.checks()
		if len(all) != 1 {
			t.Fatalf("%d healthchecks were sent, want 1", len(all))
		}
		h = all[0]
	})
	return h
}

func size(cpus, memoryMB, diskGB int) sandbox.Resources {
	return sandbox.Resources{CPUs: cpus, MemoryMB: memoryMB, DiskGB: diskGB}
}

func TestTheHealthcheckIsAsDaytonaWantsIt(t *testing.T) {
	o, _ := options(t, &api{})
	o.Actors = with(
		sandbox.Info{ID: "a", State: sandbox.Started, Resources: size(2, 4096, 16)},
		sandbox.Info{ID: "b", State: sandbox.Starting, Resources: size(1, 2560, 8)},
		sandbox.Info{ID: "c", State: sandbox.Stopped, Resources: size(4, 8192, 20)},
		sandbox.Info{ID: "d", State: sandbox.Error, Resources: size(4, 8192, 8)},
	)
	want := `{"appVersion":"v1","domain":"runner.example","proxyUrl":"http://runner.example:3107","apiUrl":"http://runner.example:3107",` +
		`"serviceHealth":[{"serviceName":"cvd","healthy":true},{"serviceName":"disk","healthy":false,"errorReason":"2 GB are left"}],` +
		`"metrics":{"currentCpuLoadAverage":0.5,"currentCpuUsagePercentage":12.5,"currentMemoryUsagePercentage":50,"currentDiskUsagePercentage":80,` +
		`"currentAllocatedCpu":3,"currentAllocatedMemoryGiB":6.5,"currentAllocatedDiskGiB":52,"currentSnapshotCount":3,"currentStartedSandboxes":1,` +
		`"cpu":8,"memoryGiB":64,"diskGiB":500}}`
	if got := text(t, first(t, o)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatIsAllocated(t *testing.T) {
	t.Parallel()
	running := map[sandbox.State]bool{
		sandbox.Creating: true, sandbox.Restoring: true, sandbox.PullingSnapshot: true, sandbox.Starting: true, sandbox.Started: true,
		sandbox.Stopping: true, sandbox.Resizing: true, sandbox.Destroying: true,
		sandbox.Stopped: false, sandbox.Destroyed: false, sandbox.Error: false, sandbox.Unknown: false,
	}
	for state, holds := range running {
		o, _ := options(t, nil)
		o.Actors = with(sandbox.Info{ID: "a", State: state, Resources: size(2, 4096, 16)})
		got, err := health.New(o).Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := wire.RunnerMetricsDTO{CPULoadAverage: 0.5, CPUPercent: 12.5, MemoryPercent: 50, DiskPercent: 80, AllocatedDiskGiB: 16, Snapshots: 3}
		if state == sandbox.Destroyed {
			want.AllocatedDiskGiB = 0
		}
		if holds {
			want.AllocatedCPUs, want.AllocatedMemoryGiB = 2, 4
		}
		if state == sandbox.Started {
			want.StartedSandboxes = 1
		}
		if *got.Metrics != want {
			t.Errorf("%s: got %+v, want %+v", state, *got.Metrics, want)
		}
	}
}

func TestTotalsAreNeverZero(t *testing.T) {
	for _, small := range []capacity.Reading{{}, {CPUs: -1, MemoryMB: 100, DiskGB: 0, Load15: 3}} {
		o, _ := options(t, &api{})
		o.Meter = meter{reading: &small}
		m := first(t, o).Metrics
		if m == nil || m.CPUs != 1 || m.MemoryGiB != 1 || m.DiskGiB != 1 || m.CPULoadAverage != small.Load15 {
			t.Errorf("%+v: got %+v", small, m)
		}
	}
}

// Ensure a runner that cannot measure says what it knows: a silent one gets no work, and helpers
// that nobody had the time to ask are not ill.
func TestWithoutFiguresItReportsAllTheSame(t *testing.T) {
	broken := transporttest.AskerFunc(func(context.Context, any) (any, error) { return nil, fault.Unavailablef("no actors") })
	uncounted := transporttest.AskerFunc(func(_ context.Context, msg any) (any, error) {
		if _, ok := msg.(messages.CountSnapshots); ok {
			return nil, fault.Unavailablef("no count")
		}
		return messages.SandboxList{}, nil
	})
	tests := []struct {
		name string
		set  func(*health.Options)
		want string // in the log
	}{
		{"a meter that fails", func(o *health.Options) { o.Meter = meter{err: errors.New("no /proc")} }, "no /proc"},
		{"a meter that hangs", func(o *health.Options) { o.Meter = meter{} }, "deadline exceeded"},
		{"actors that do not answer", func(o *health.Options) { o.Actors = broken }, "list the sandboxes: no actors"},
		{"snapshots that cannot be counted", func(o *health.Options) { o.Actors = uncounted }, "count the snapshots: no count"},
	}
	for _, tt := range tests {
		o, logs := options(t, &api{})
		tt.set(&o)
		got := text(t, first(t, o))
		want := `{"appVersion":"v1","domain":"runner.example","proxyUrl":"http://runner.example:3107","apiUrl":"http://runner.example:3107",` +
			`"serviceHealth":[{"serviceName":"cvd","healthy":true},{"serviceName":"disk","healthy":false,"errorReason":"2 GB are left"}]}`
		if got != want {
			t.Errorf("%s: got  %s\nwant %s", tt.name, got, want)
		}
		lines := logs.FilterMessage("healthcheck without figures").All()
		if len(lines) != 1 || !strings.Contains(lines[0].ContextMap()["error"].(string), tt.want) {
			t.Errorf("%s: logged %v, want %q", tt.name, logs.All(), tt.want)
		}
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	o, _ := options(t, nil)
	o.APIURL = ""
	got, err := health.New(o).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"serviceHealth":[{"serviceName":"cvd","healthy":true},{"serviceName":"disk","healthy":false,"errorReason":"2 GB are left"}],` +
		`"metrics":{"currentCpuLoadAverage":0.5,"currentCpuUsagePercentage":12.5,"currentMemoryUsagePercentage":50,"currentDiskUsagePercentage":80,` +
		`"currentAllocatedCpu":0,"currentAllocatedMemoryGiB":0,"currentAllocatedDiskGiB":0,"currentSnapshotCount":3,"currentStartedSandboxes":0},` +
		`"appVersion":"v1","daytona":{"registered":false,"reason":"DAYTONA_API_URL is not set: this runner takes no jobs and reports to nobody; only its REST API is served"}}`
	if got := text(t, got); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	refused := fault.Unavailablef("no figures")
	o.Meter = meter{err: refused}
	if got, err := health.New(o).Info(t.Context()); !errors.Is(err, refused) || got.AppVersion != "" {
		t.Errorf("got %+v, %v, want %v", got, err, refused)
	}
}

func TestARunnerWithoutAnAPISaysSo(t *testing.T) {
	t.Parallel()
	o, logs := options(t, nil)
	if err := health.New(o).Run(t.Context()); err != nil {
		t.Error(err)
	}
	lines := logs.FilterMessage("NOT REGISTERED with Daytona").All()
	if len(lines) != 1 || lines[0].Level != zap.WarnLevel || !strings.Contains(lines[0].ContextMap()["reason"].(string), "DAYTONA_API_URL is not set") {
		t.Errorf("logged %v", logs.All())
	}
}

func registration(t *testing.T, r *health.Reporter) wire.RegistrationDTO {
	t.Helper()
	info, err := r.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.Daytona
}

// running runs a reporter within the bubble of the test.
func running(t *testing.T, r *health.Reporter) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	synctest.Wait()
}

// Ensure people see whether Daytona knows the runner, since when, and if not, why.
func TestRegistrationFlipsAndIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{err: fault.Unavailablef("connection refused"), row: wire.RunnerDTO{ID: "r-1", Name: "host", Region: "us", SandboxClass: "container", APIVersion: "2", State: "ready"}}
		o, logs := options(t, a)
		o.Registry = prometheus.NewRegistry()
		r := health.New(o)
		want := wire.RegistrationDTO{APIURL: "http://daytona/api", Reason: "no healthcheck was sent yet"}
		expect := func(when string) {
			t.Helper()
			if got := registration(t, r); got != want {
				t.Errorf("%s: got %+v, want %+v", when, got, want)
			}
		}
		expect("before the first")
		since := func() string { return time.Now().UTC().Format(time.RFC3339) }
		begun := since()
		running(t, r)
		want.Since, want.Reason = begun, "connection refused"
		expect("refused")

		a.refuse(fault.New(fault.Unauthorized, "401 Unauthorized: Invalid credentials"))
		time.Sleep(30 * time.Second)
		want.Reason = "401 Unauthorized: Invalid credentials"
		expect("refused for another reason, since the same time")

		a.refuse(nil)
		time.Sleep(30 * time.Second)
		got := registration(t, r)
		if !got.Registered || got.Reason != "" || got.Since == begun {
			t.Errorf("taken: got %+v", got)
		}
		taken := got
		time.Sleep(2 * time.Minute)
		if got := registration(t, r); got != taken {
			t.Errorf("still taken: got %+v, want %+v", got, taken)
		}
		if lines := logs.FilterMessage("registered with Daytona").All(); len(lines) != 1 || lines[0].ContextMap()["class"] != "container" || lines[0].ContextMap()["region"] != "us" {
			t.Errorf("registration was told %v, want once, with class and region", lines)
		}
		if got := testutil.ToFloat64(gauge(t, o.Registry)); got != 1 {
			t.Errorf("the gauge is %v, want 1", got)
		}

		a.refuse(fault.New(fault.Forbidden, "403"))
		time.Sleep(30 * time.Second)
		if got := registration(t, r); got.Registered || got.Since == taken.Since || got.Reason != "403" {
			t.Errorf("lost: got %+v", got)
		}
		if got := testutil.ToFloat64(gauge(t, o.Registry)); got != 0 {
			t.Errorf("the gauge is %v, want 0", got)
		}
	})
}

// gauge collects the one metric that says whether the runner is registered.
func gauge(t *testing.T, registry prometheus.Registerer) prometheus.Collector {
	t.Helper()
	probe := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "runner_android", Name: "registered", Help: "1 while Daytona has taken the last healthcheck."})
	var there prometheus.AlreadyRegisteredError
	if err := registry.Register(probe); !errors.As(err, &there) {
		t.Fatalf("the metric is not registered: %v", err)
	}
	return there.ExistingCollector
}

// Ensure a token that is refused is an error, each time, and a network that is down a warning.
func TestRefusalsAreLoud(t *testing.T) {
	tests := []struct {
		name string
		err  error
		line string
		loud bool
	}{
		{"401", fault.New(fault.Unauthorized, "no"), "healthcheck refused: Daytona does not know this runner; devices stay as they are", true},
		{"403", fault.New(fault.Forbidden, "no"), "healthcheck refused: Daytona does not know this runner; devices stay as they are", true},
		{"unreachable", fault.Unavailablef("no"), "healthcheck not taken", false},
		{"400", fault.Invalidf("no"), "healthcheck not taken", false},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			o, logs := options(t, &api{err: tt.err})
			running(t, health.New(o))
			time.Sleep(59 * time.Second) // three of them
			lines := logs.FilterMessage(tt.line).All()
			if len(lines) != 3 && len(lines) != 2 {
				t.Fatalf("%s: logged %v", tt.name, logs.All())
			}
			if loud := lines[0].Level == zap.ErrorLevel; loud != tt.loud || lines[0].ContextMap()["error"] != "no" {
				t.Errorf("%s: logged %v %v", tt.name, lines[0].Level, lines[0].ContextMap())
			}
		})
	}
}

func TestHealthchecksComeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		o, _ := options(t, a)
		running(t, health.New(o))
		time.Sleep(time.Hour)
		_, at := a.checks()
		waits := map[time.Duration]bool{}
		for i := range at[1:] {
			wait := at[i+1].Sub(at[i])
			waits[wait] = true
			if wait < 27*time.Second || wait > 30*time.Second {
				t.Errorf("waited %s, want 27 to 30 s", wait)
			}
		}
		if len(at) < 120 || len(waits) < len(at)/2 {
			t.Errorf("%d in an hour, with %d different pauses", len(at), len(waits))
		}
	})
}

// Ensure nothing that hangs makes the runner silent for the minute after which it gets no work.
func TestNothingThatHangsSilencesTheRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{mute: true}
		o, _ := options(t, a)
		o.Meter = meter{}
		running(t, health.New(o))
		time.Sleep(10 * time.Minute)
		_, at := a.checks()
		for i := range at[1:] {
			if wait := at[i+1].Sub(at[i]); wait >= time.Minute {
				t.Errorf("%s without a healthcheck", wait)
			}
		}
		if len(at) < 10 {
			t.Errorf("%d healthchecks in ten minutes", len(at))
		}
	})
}

func TestARowThatGetsNoWorkIsTold(t *testing.T) {
	tests := []struct {
		name string
		api  *api
		warn int
	}{
		{"of version 2", &api{row: wire.RunnerDTO{APIVersion: "2"}}, 0},
		{"of version 0", &api{row: wire.RunnerDTO{APIVersion: "0"}}, 1},
		{"of no version", &api{}, 0},
		{"that cannot be read", &api{meErr: fault.NotFoundf("no")}, 0},
	}
	for _, tt := range tests {
		o, logs := options(t, tt.api)
		first(t, o)
		if got := logs.FilterLevelExact(zap.WarnLevel).Len(); got != tt.warn || logs.FilterMessage("registered with Daytona").Len() != 1 {
			t.Errorf("a row %s: logged %v, want %d warnings", tt.name, logs.All(), tt.warn)
		}
	}
}

// Ensure the end of the runner is no failure.
func TestTheEndIsQuiet(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o, logs := options(t, &api{err: context.Canceled})
	o.Meter = meter{}
	if err := health.New(o).Run(ctx); err != nil || logs.Len() != 0 {
		t.Errorf("got %v, logged %v", err, logs.All())
	}
}

func TestADBIsSuspectedWhenSeveralDevicesAreSilent(t *testing.T) {
	t.Parallel()
	box := func(state sandbox.State, life sandbox.Life) sandbox.Info {
		return sandbox.Info{ID: "a", State: state, Life: life}
	}
	silent, speaking := box(sandbox.Started, sandbox.LifeUnknown), box(sandbox.Started, sandbox.LifeRunning)
	tests := []struct {
		name string
		all  []sandbox.Info
		want string // part of the error; empty: healthy
	}{
		{"no device", nil, ""},
		{"one that speaks", []sandbox.Info{speaking}, ""},
		{"one that is silent is that device's trouble", []sandbox.Info{silent}, ""},
		{"two that are silent", []sandbox.Info{silent, silent}, "none of 2 started devices answers on ADB"},
		{"two that were never looked at", []sandbox.Info{box(sandbox.Started, ""), silent}, "none of 2"},
		{"two silent ones and one that speaks", []sandbox.Info{silent, silent, speaking}, ""},
		{"one silent and others that need not speak", []sandbox.Info{
			silent, box(sandbox.Starting, sandbox.LifeBooting), box(sandbox.Stopped, sandbox.LifeAbsent), box(sandbox.Error, sandbox.LifeUnknown),
		}, ""},
	}
	for _, tt := range tests {
		err := health.ADB(with(tt.all...))(t.Context())
		if tt.want == "" && err != nil || tt.want != "" && (!fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	mute := fault.Timeoutf("no answer")
	err := health.ADB(transporttest.AskerFunc(func(context.Context, any) (any, error) { return nil, mute }))(t.Context())
	if !errors.Is(err, mute) {
		t.Errorf("got %v, want %v", err, mute)
	}
}

func TestOwnAddressIsOneOrNone(t *testing.T) {
	t.Parallel()
	if got := health.OwnAddress(t.Context()); got != "" && net.ParseIP(got) == nil {
		t.Errorf("got %q", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := health.OwnAddress(ended); got != "" {
		t.Errorf("got %q of a context that has ended", got)
	}
}
