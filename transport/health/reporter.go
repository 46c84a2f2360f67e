package health

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/daytona"
	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/transport"
)

// API is Daytona's API as far as it hears of the runner's health; *daytona.Client is one.
type API interface {
	Healthcheck(ctx context.Context, h wire.HealthcheckDTO) error
	Me(ctx context.Context) (wire.RunnerDTO, error)
}

var _ API = (*daytona.Client)(nil)

// Options are what a Reporter is made of.
type Options struct {
	API    API    // nil: the runner is not registered with Daytona
	APIURL string // for people; empty without an API

	Meter  Meter
	Doctor Doctor
	Actors transport.Asker

	Version  string
	Domain   string        // name or address that others reach this host by
	URL      func() string // of the runner's own API, for Daytona's API and proxy; asked once it is served
	Interval time.Duration // between two healthchecks; 0: 30 s

	Log      *zap.Logger           // nil: silent
	Registry prometheus.Registerer // nil: metrics are not shown
}

// notRegistered is said wherever somebody may look for the reason that no work comes.
const notRegistered = "DAYTONA_API_URL is not set: this runner takes no jobs and reports to nobody; only its REST API is served"

const (
	measureLimit   = 15 * time.Second // of one look at the host
	introduceLimit = 5 * time.Second  // of reading the own row; the next healthcheck waits for it
)

// Reporter tells Daytona how the runner is. It is safe for concurrent use.
type Reporter struct {
	o       Options
	log     *zap.Logger
	metrics *metrics

	mu         sync.Mutex
	registered bool
	since      time.Time
	reason     string
}

// New makes a reporter that reports nothing yet.
func New(o Options) *Reporter {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Interval == 0 {
		o.Interval = 30 * time.Second
	}
	r := &Reporter{o: o, log: o.Log.Named("health"), metrics: newMetrics(o.Registry), reason: "no healthcheck was sent yet"}
	if o.API == nil {
		r.reason = notRegistered
	}
	return r
}

// Run sends a healthcheck at once and then one each interval, until ctx ends. Without an API it says
// so, loudly, and returns.
func (r *Reporter) Run(ctx context.Context) error {
	if r.o.API == nil {
		r.log.Warn("NOT REGISTERED with Daytona", zap.String(obs.Reason, notRegistered))
		return nil
	}
	for {
		r.check(ctx)
		// A little jitter keeps runners that were started together from reporting together.
		wait := r.o.Interval - time.Duration(rand.Int64N(int64(r.o.Interval)/10+1))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// check sends one healthcheck. Without figures it says less, but it says something: a runner that is
// silent gets no work.
func (r *Reporter) check(ctx context.Context) {
	url := r.o.URL()
	h := wire.HealthcheckDTO{AppVersion: r.o.Version, Domain: r.o.Domain, ProxyURL: url, APIURL: url}
	r.measure(ctx, &h)
	err := r.o.API.Healthcheck(ctx, h)
	if ctx.Err() != nil {
		return
	}
	r.note(ctx, err)
}

// measure looks at the host and at its helpers, at the same time: figures that hang must not make
// helpers look ill that nobody had the time to ask.
func (r *Reporter) measure(ctx context.Context, h *wire.HealthcheckDTO) {
	measure, cancel := context.WithTimeout(ctx, measureLimit)
	defer cancel()
	var examined sync.WaitGroup
	examined.Go(func() { h.ServiceHealth = r.services(measure) })
	totals, err := r.figures(measure)
	examined.Wait()
	if err == nil {
		h.Metrics = &totals
	} else if ctx.Err() == nil {
		r.log.Warn("healthcheck without figures", zap.Error(err))
	}
}

// note remembers whether Daytona knows the runner, and says when that changed.
func (r *Reporter) note(ctx context.Context, err error) {
	outcome := "ok"
	if err != nil {
		outcome = fault.KindOf(err).String()
	}
	r.metrics.checks.WithLabelValues(outcome).Inc()
	r.mu.Lock()
	changed := r.registered != (err == nil) || r.since.IsZero()
	if changed {
		r.registered, r.since = err == nil, time.Now()
	}
	r.reason = ""
	if err != nil {
		r.reason = err.Error()
	}
	r.mu.Unlock()
	switch {
	case err == nil && changed:
		r.metrics.registered.Set(1)
		r.introduce(ctx)
	case fault.Is(err, fault.Unauthorized), fault.Is(err, fault.Forbidden):
		r.metrics.registered.Set(0)
		r.log.Error("healthcheck refused: Daytona does not know this runner; devices stay as they are", zap.Error(err))
	case err != nil:
		r.metrics.registered.Set(0)
		r.log.Warn("healthcheck not taken", zap.Error(err))
	}
}

// introduce says as what Daytona knows the runner: a row of the wrong class or region gets no work,
// and nothing else tells.
func (r *Reporter) introduce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, introduceLimit)
	defer cancel()
	me, err := r.o.API.Me(ctx)
	if err != nil {
		r.log.Info("registered with Daytona", zap.String(obs.Address, r.o.APIURL), zap.NamedError("own_row", err))
		return
	}
	r.log.Info("registered with Daytona", zap.String(obs.Address, r.o.APIURL), zap.String("runner", me.Name), zap.String("runner_id", me.ID),
		zap.String("region", me.Region), zap.String("class", me.SandboxClass), zap.String("api_version", me.APIVersion), zap.String(obs.State, me.State))
	if me.APIVersion != "" && me.APIVersion != "2" {
		r.log.Warn("Daytona's row of this runner is not of API version 2: it calls the REST API and orders no jobs",
			zap.String("api_version", me.APIVersion))
	}
}

type metrics struct {
	checks     *prometheus.CounterVec
	registered prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: obs.Namespace, Name: "healthchecks_total", Help: "Healthchecks sent to Daytona by outcome.",
		}, []string{"outcome"}),
		registered: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: obs.Namespace, Name: "registered", Help: "1 while Daytona has taken the last healthcheck.",
		}),
	}
	if registry != nil {
		registry.MustRegister(m.checks, m.registered)
	}
	return m
}
