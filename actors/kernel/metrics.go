package kernel

import "github.com/prometheus/client_golang/prometheus"

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
