package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// connections is how many requests are in flight in the rows that say 64.
const connections = 64

// measureGet asks for one sandbox on 64 keep-alive connections, with the token and through its
// actor, in turns with a bare handler that sends as many bytes.
func measureGet(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withDevice(ctx, func(r *runner, d device) (err error) {
		bare, err := l.startBare(ctx, d.size)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, bare.stop(5*time.Second)) }()
		get := target{addr: r.addr, request: rawRequest(http.MethodGet, "/sandboxes/"+d.ID, "")}
		var ours, base side
		allocated, err := r.allocations(ctx, func() error {
			return takeTurns(5,
				func() error { return ours.take(ctx, get, r.child, l.span(2*time.Second)) },
				func() error { return base.take(ctx, bare.target(), bare.child, l.span(2*time.Second)) })
		})
		if err != nil {
			return err
		}
		figures = []figure{
			compared("requests", perSecond, pairs{ours.rate, base.rate}, atLeast(0.6, 0.75)),
			compared("p50", seconds, pairs{ours.p50, base.p50}, atMost(2, 2)),
			compared("p99", seconds, pairs{ours.p99, base.p99}, budget{}),
			compared("server CPU per request", seconds, pairs{ours.cpu, base.cpu}, budget{}),
		}
		notes = []string{fmt.Sprintf("%d connections, %d bytes of JSON; ours makes %s heap objects per request",
			connections, d.size, digits(allocated/float64(ours.count)))}
		return nil
	})
	return figures, notes, err
}

// side collects the turns of one server.
type side struct {
	rate, p50, p99, cpu []float64
	count               int           // calls of all turns
	spent, device       time.Duration // CPU of all turns: the side's own, the simulated device's
}

// take drives the target for the span and adds the outcome.
func (s *side) take(ctx context.Context, t target, server *child, span time.Duration) error {
	before, err := cpuOf(server.pid())
	if err != nil {
		return err
	}
	got, err := drive(ctx, t, connections, span)
	if err != nil {
		return fmt.Errorf("%s: %w", server.name, err)
	}
	after, err := cpuOf(server.pid())
	if err != nil {
		return err
	}
	s.add(got, after-before)
	return nil
}

func (s *side) add(got load, cpu time.Duration) {
	s.rate = append(s.rate, got.perSecond())
	s.p50 = append(s.p50, got.percentile(0.5).Seconds())
	s.p99 = append(s.p99, got.percentile(0.99).Seconds())
	s.cpu = append(s.cpu, cpu.Seconds()/float64(max(1, got.calls)))
	s.count += got.calls
	s.spent += cpu
}

// each spreads CPU over the requests of all turns; one turn may be too short for the clock's ticks.
func (s *side) each(spent time.Duration) float64 { return spent.Seconds() / float64(max(1, s.count)) }
