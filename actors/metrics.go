package actors

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

type metrics struct {
	sandboxes        *prometheus.GaugeVec
	operations       *prometheus.HistogramVec
	probes           *prometheus.CounterVec
	restarts         *prometheus.CounterVec
	mends            *prometheus.CounterVec
	orphans          *prometheus.CounterVec
	expired          *prometheus.CounterVec
	deaths           *prometheus.CounterVec
	transfers        *prometheus.CounterVec
	transferBytes    *prometheus.CounterVec
	bucketUp         prometheus.Gauge
	commandsRefused  *prometheus.CounterVec
	admissionRefused prometheus.Counter
	jobs             jobMetrics
	crashes          crashMetrics

	// Daytona's own names, for its dashboards (daytona: apps/runner/pkg/common/metrics.go).
	containerSeconds *prometheus.HistogramVec
	containerTotal   *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	const ns = "runner_android"
	m := &metrics{
		sandboxes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: ns, Name: "sandboxes", Help: "Sandboxes by state.",
		}, []string{"state"}),
		operations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ns, Name: "operation_duration_seconds", Help: "Duration of operations by kind and outcome.",
			Buckets: []float64{.1, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 900},
		}, []string{"op", "outcome"}),
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "device_probes_total", Help: "Looks at devices by verdict and by the layer that decided.",
		}, []string{"verdict", "layer"}),
		deaths: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "device_crashes_total", Help: "Devices that died although they were to run, by how.",
		}, []string{"death"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "device_restarts_total", Help: "Restarts of devices that died, by outcome; given_up: of those that keep dying.",
		}, []string{"outcome"}),
		expired: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "sandboxes_expired_total", Help: "Sandboxes that were stopped at the end of their term, by which one.",
		}, []string{"term"}),
		mends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "device_mends_total", Help: "What the runner set right at devices by itself, beside restarts, by kind.",
		}, []string{"kind"}),
		orphans: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "orphaned_groups_total", Help: "Groups of cvd under our names and of no sandbox: found, and then condemned to removal, or adopted because Daytona has them.",
		}, []string{"step"}),
		transfers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "snapshot_transfers_total", Help: "Works on snapshots that have ended, by what was done and outcome.",
		}, []string{"work", "outcome"}),
		transferBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "snapshot_network_bytes_total", Help: "Bytes that works on snapshots moved between this host and the bucket.",
		}, []string{"work"}),
		bucketUp: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: ns, Name: "snapshot_bucket_up", Help: "Whether the bucket could be read when it was looked at last; 0 where there is none.",
		}),
		commandsRefused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "commands_refused_total", Help: "Commands that the state did not allow.",
		}, []string{"command", "state"}),
		admissionRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: ns, Name: "admission_refused_total", Help: "Sandboxes that the host had no room for.",
		}),
	}
	m.jobs, m.crashes = newJobMetrics(), newCrashMetrics()
	m.containerSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "container_operation_duration_seconds", Help: "Time that creating and destroying sandboxes took, as Daytona's runner names it.",
		Buckets: []float64{.1, .25, .5, .75, 1, 2, 3, 5, 7.5, 10, 15, 30, 60, 120, 300},
	}, []string{"operation"})
	m.containerTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "container_operation_total", Help: "Operations on sandboxes, as Daytona's runner names them.",
	}, []string{"operation", "status"})
	for _, s := range sandbox.States() {
		m.sandboxes.WithLabelValues(string(s))
	}
	for _, d := range []sandbox.Death{sandbox.DeathCrashed, sandbox.DeathPanicked, sandbox.DeathReplaced} {
		m.deaths.WithLabelValues(string(d))
	}
	for _, step := range []string{"found", "condemned", "adopted"} {
		m.orphans.WithLabelValues(step)
	}
	for _, kind := range mends() {
		m.mends.WithLabelValues(string(kind))
	}
	for _, work := range []string{workLink, workTake, workFetch, workSend, workBackUp, workCollect} {
		m.transfers.WithLabelValues(work, "ok")
		m.transferBytes.WithLabelValues(work)
	}
	for _, term := range []string{"idle", "lifetime"} {
		m.expired.WithLabelValues(term)
	}
	for _, outcome := range []string{"ok", "failed", "given_up"} {
		m.restarts.WithLabelValues(outcome)
	}
	if reg != nil {
		reg.MustRegister(m.sandboxes, m.operations, m.probes, m.deaths, m.restarts, m.expired, m.mends, m.orphans,
			m.transfers, m.transferBytes, m.bucketUp, m.commandsRefused, m.admissionRefused,
			m.containerSeconds, m.containerTotal)
		reg.MustRegister(m.jobs.all()...)
		reg.MustRegister(m.crashes.all()...)
	}
	return m
}

func (m *metrics) enter(s sandbox.State) { m.sandboxes.WithLabelValues(string(s)).Inc() }

func (m *metrics) leave(s sandbox.State) { m.sandboxes.WithLabelValues(string(s)).Dec() }

func (m *metrics) finished(kind opKind, err error, took time.Duration) {
	outcome := "ok"
	if err != nil {
		outcome = fault.KindOf(err).String()
	}
	m.operations.WithLabelValues(string(kind), outcome).Observe(took.Seconds())
	if kind == opCreate || kind == opDestroy {
		m.containerSeconds.WithLabelValues(string(kind)).Observe(took.Seconds())
		m.container(string(kind), err)
	}
}

// transferred counts a work on a snapshot.
func (m *metrics) transferred(work string, err error, moved int64) {
	outcome := "ok"
	if err != nil {
		outcome = fault.KindOf(err).String()
	}
	m.transfers.WithLabelValues(work, outcome).Inc()
	m.transferBytes.WithLabelValues(work).Add(float64(moved))
}

func (m *metrics) bucket(up bool) {
	m.bucketUp.Set(0)
	if up {
		m.bucketUp.Set(1)
	}
}

// container counts an operation under Daytona's name.
func (m *metrics) container(operation string, err error) {
	status := "success"
	if err != nil {
		status = "failure"
	}
	m.containerTotal.WithLabelValues(operation, status).Inc()
}
