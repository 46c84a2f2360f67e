package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// measureExec runs a command that does nothing, one at a time: over HTTP on one connection, in
// turns with forked adb on the same device.
func measureExec(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withRivals(ctx, func(r *runner, d device, a *adb) error {
		w, err := dial(ctx, r.execTarget(d), time.Minute)
		if err != nil {
			return err
		}
		defer w.close()
		adbTrue := func() error { return a.shellTrue(ctx) }
		if err := errors.Join(warm(20, w.exchange), warm(3, adbTrue)); err != nil {
			return err
		}
		var ours, base side
		ourClocks, adbClocks := clocks{r.cpu, l.deviceCPU}, clocks{a.cpu, l.deviceCPU}
		// CPU times have ticks of 10 ms, so ours, which costs little, runs more often.
		oneByOne := func() (load, error) { return sequence(l.count(400), w.exchange) }
		forked := func() (load, error) { return sequence(l.count(60), adbTrue) }
		allocated, err := r.allocations(ctx, func() error {
			return takeTurns(5,
				func() error { return ours.takeTimed(ourClocks, oneByOne) },
				func() error { return base.takeTimed(adbClocks, forked) })
		})
		if err != nil {
			return err
		}
		figures = []figure{
			compared("latency p50", seconds, pairs{ours.p50, base.p50}, atMost(0.3, 0.1)),
			compared("latency p99", seconds, pairs{ours.p99, base.p99}, budget{}),
			against("CPU per command", seconds, ours.each(ours.spent), base.each(base.spent), atMost(0.1, 0.1)),
			deviceCPU(ours, base),
		}
		notes = []string{fmt.Sprintf("%d commands over HTTP, %d forked; CPU: ours the runner's, baseline adb's "+
			"client and server; ours makes %s heap objects per command",
			ours.count, base.count, digits(allocated/float64(ours.count)))}
		return nil
	})
	return figures, notes, err
}

// measureFlight runs such commands 64 at a time.
func measureFlight(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withRivals(ctx, func(r *runner, d device, a *adb) error {
		exec := r.execTarget(d)
		fork := func(ctx context.Context) (func() error, func(), error) {
			return func() error { return a.shellTrue(ctx) }, func() {}, a.server.ended()
		}
		var ours, base side
		ourClocks, adbClocks := clocks{r.cpu, l.deviceCPU}, clocks{a.cpu, l.deviceCPU}
		span := l.span(3 * time.Second)
		overHTTP := func() (load, error) { return drive(ctx, exec, connections, span) }
		forked := func() (load, error) { return inFlight(ctx, connections, span, fork) }
		err := takeTurns(3,
			func() error { return ours.takeTimed(ourClocks, overHTTP) },
			func() error { return base.takeTimed(adbClocks, forked) })
		if err != nil {
			return err
		}
		figures = []figure{
			compared("commands", perSecond, pairs{ours.rate, base.rate}, atLeast(10, 30)),
			compared("p50", seconds, pairs{ours.p50, base.p50}, budget{}),
			compared("CPU per command", seconds, pairs{ours.cpu, base.cpu}, budget{}),
			deviceCPU(ours, base),
		}
		notes = []string{fmt.Sprintf("%d in flight on one device; no command failed", connections)}
		return nil
	})
	return figures, notes, err
}

// withRivals calls use with a runner, its device, and adb connected to the same device.
func (l *lab) withRivals(ctx context.Context, use func(*runner, device, *adb) error) error {
	return l.withDevice(ctx, func(r *runner, d device) (err error) {
		a, err := l.startADB(ctx, d)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.stop()) }()
		return use(r, d, a)
	})
}

// cpu returns what the runner used so far.
func (r *runner) cpu() (time.Duration, error) { return cpuOf(r.pid()) }

// clocks are the CPU clocks of one side and of the simulated device.
type clocks struct{ own, device func() (time.Duration, error) }

func (c clocks) read() (own, device time.Duration, err error) {
	own, err = c.own()
	if err != nil {
		return 0, 0, err
	}
	device, err = c.device()
	return own, device, err
}

// takeTimed runs work, reads the clocks around it, and adds the outcome.
func (s *side) takeTimed(c clocks, work func() (load, error)) error {
	own, device, err := c.read()
	if err != nil {
		return err
	}
	got, err := work()
	if err != nil {
		return err
	}
	ownAfter, deviceAfter, err := c.read()
	if err != nil {
		return err
	}
	s.add(got, ownAfter-own)
	s.device += deviceAfter - device
	return nil
}

// deviceCPU is what the simulated device takes for itself: the floor of both sides.
func deviceCPU(ours, base side) figure {
	return against("device's CPU per command", seconds, ours.each(ours.device), base.each(base.device), budget{})
}

func warm(n int, op func() error) error {
	_, err := sequence(n, op)
	return err
}
