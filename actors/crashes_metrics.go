package actors

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/internal/obs"
)

// crashMetrics are the crash reporter's.
type crashMetrics struct {
	happened    *prometheus.CounterVec
	open        prometheus.Gauge
	reports     *prometheus.CounterVec
	comparisons *prometheus.CounterVec
	differences *prometheus.CounterVec
}

func newCrashMetrics() crashMetrics {
	return crashMetrics{
		happened: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: obs.Namespace, Name: "crashes_total", Help: "Devices that died and actors that were given up.",
		}, []string{"what"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: obs.Namespace, Name: "state_reports_open", Help: "Reports of states that Daytona has not taken.",
		}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: obs.Namespace, Name: "state_reports_total", Help: "Tries to report a state by outcome.",
		}, []string{"outcome"}),
		comparisons: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: obs.Namespace, Name: "state_comparisons_total", Help: "Comparisons with what Daytona believes, by outcome.",
		}, []string{"outcome"}),
		differences: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: obs.Namespace, Name: "state_differences_total", Help: "Differences that a comparison found and that are reported.",
		}, []string{"believed", "found"}),
	}
}

func (m crashMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.happened, m.open, m.reports, m.comparisons, m.differences}
}
