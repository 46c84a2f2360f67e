package kernel

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/internal/obs"
)

type metrics struct {
	restarts    *prometheus.CounterVec
	refused     *prometheus.CounterVec
	deadLetters prometheus.Counter
	unanswered  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "runner_android", Subsystem: "actor", Name: name, Help: help}
	}
	m := &metrics{
		restarts:    prometheus.NewCounterVec(counter("restarts_total", "Restarts after a panic, by kind of actor."), []string{"kind"}),
		refused:     prometheus.NewCounterVec(counter("refused_total", "Messages refused at the mailbox, by kind of actor."), []string{"kind"}),
		deadLetters: prometheus.NewCounter(counter("dead_letters_total", "Messages sent to actors that had ended.")),
		unanswered:  prometheus.NewCounter(counter("unanswered_total", "Questions that an actor forgot to answer: defects.")),
	}
	if reg != nil {
		reg.MustRegister(m.restarts, m.refused, m.deadLetters, m.unanswered)
	}
	return m
}

// depths shows how many messages wait in the fullest mailbox of each kind of actor, when asked.
type depths struct {
	sys  *System
	desc *prometheus.Desc
}

func newDepths(s *System) depths {
	return depths{s, prometheus.NewDesc(obs.Namespace+"_actor_mailbox_depth",
		"Messages waiting in the fullest mailbox, by kind of actor.", []string{"kind"}, nil)}
}

// Describe implements prometheus.Collector.
func (d depths) Describe(out chan<- *prometheus.Desc) { out <- d.desc }

// Collect implements prometheus.Collector.
func (d depths) Collect(out chan<- prometheus.Metric) {
	deepest := map[string]int{}
	d.sys.mu.Lock()
	for _, ref := range d.sys.refs {
		deepest[ref.vitals.Kind] = max(deepest[ref.vitals.Kind], ref.vitals.Depth())
	}
	d.sys.mu.Unlock()
	for kind, depth := range deepest {
		out <- prometheus.MustNewConstMetric(d.desc, prometheus.GaugeValue, float64(depth), kind)
	}
}
