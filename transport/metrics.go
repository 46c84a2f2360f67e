package transport

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/internal/obs"
)

// metrics of the server. A route is its pattern, so the number of series is bounded.
type metrics struct {
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	panics   prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: obs.Namespace, Name: "http_requests_total",
			Help: "Requests answered, by route, method and status.",
		}, []string{"route", "method", "code"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: obs.Namespace, Name: "http_request_duration_seconds",
			Help:    "Time from the request's body until the answer was ready, by route.",
			Buckets: []float64{.0005, .001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 120, 300, 900},
		}, []string{"route"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: obs.Namespace, Name: "http_panics_total",
			Help: "Panics in handlers and stream writers.",
		}),
	}
	if registry != nil {
		registry.MustRegister(m.requests, m.took, m.panics)
	}
	return m
}

// observe counts a request. A route has its series from its first request on: there are hundreds of routes, and a scrape that
// lists what nobody asks for is ten times as long.
func (m *metrics) observe(r *boundRoute, method []byte, status int, took time.Duration) {
	r.timed.Do(func() { r.took = m.took.WithLabelValues(r.Path) })
	r.took.Observe(took.Seconds())
	if status == 200 && string(method) == r.method {
		r.counted.Do(func() { r.usual = m.requests.WithLabelValues(r.Path, r.method, "200") })
		r.usual.Inc()
		return
	}
	m.requests.WithLabelValues(r.Path, methodLabel(string(method)), strconv.Itoa(status)).Inc()
}

// methodLabel keeps clients from making up label values.
func methodLabel(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return method
	default:
		return "other"
	}
}
