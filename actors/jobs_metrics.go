package actors

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/internal/obs"
)

// jobMetrics are the poller's.
type jobMetrics struct {
	claimed prometheus.Gauge
	running prometheus.Gauge
	took    *prometheus.HistogramVec
	polls   *prometheus.CounterVec
	reports *prometheus.CounterVec
}

func newJobMetrics() jobMetrics {
	return jobMetrics{
		claimed: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: obs.Namespace, Name: "jobs_claimed", Help: "Jobs of Daytona's queue that are claimed and not settled.",
		}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: obs.Namespace, Name: "jobs_at_work", Help: "Jobs that are being done.",
		}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: obs.Namespace, Name: "job_duration_seconds", Help: "Time that doing a job took, by type and status.",
			Buckets: []float64{.01, .1, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 900},
		}, []string{"type", "status"}),
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: obs.Namespace, Name: "job_polls_total", Help: "Polls for jobs by outcome.",
		}, []string{"outcome"}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: obs.Namespace, Name: "job_reports_total", Help: "Tries to report a job by outcome.",
		}, []string{"outcome"}),
	}
}

func (m jobMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.claimed, m.running, m.took, m.polls, m.reports}
}

// finished counts a job. Its type comes from outside: the door made sure that it is one of few.
func (m jobMetrics) finished(kind, status string, took time.Duration) {
	m.took.WithLabelValues(kind, status).Observe(took.Seconds())
}
