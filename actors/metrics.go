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
	commandsRefused  *prometheus.CounterVec
	admissionRefused prometheus.Counter
	jobs             jobMetrics

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
		commandsRefused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "commands_refused_total", Help: "Commands that the state did not allow.",
		}, []string{"command", "state"}),
		admissionRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: ns, Name: "admission_refused_total", Help: "Sandboxes that the host had no room for.",
		}),
	}
	m.jobs = newJobMetrics()
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
	if reg != nil {
		reg.MustRegister(m.sandboxes, m.operations, m.probes, m.commandsRefused, m.admissionRefused,
			m.containerSeconds, m.containerTotal)
		reg.MustRegister(m.jobs.all()...)
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

// container counts an operation under Daytona's name.
func (m *metrics) container(operation string, err error) {
	status := "success"
	if err != nil {
		status = "failure"
	}
	m.containerTotal.WithLabelValues(operation, status).Inc()
}
