package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// The fifty: commands on many devices at once.
const (
	fiftyDevices  = 50
	fiftyCommands = 200
)

// fiftyCommand takes a tenth of a second and no CPU: what is measured is waiting for each other, which
// commands that compute would do for the machine's cores alone.
const fiftyCommand = `{"command":"sleep 0.1"}`

// measureFifty runs 200 commands on 50 devices at once, in turns with one at a time on one of them: a
// command must not wait for another's.
func measureFifty(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	n, commands := l.count(fiftyDevices), l.count(fiftyCommands)
	err = l.withDevices(ctx, n, func(r *runner) (err error) {
		var all pairs
		err = takeTurns(3,
			func() error { return r.percentile99(ctx, n, commands, 1, &all.ours) },
			func() error { return r.percentile99(ctx, 1, 1, 10, &all.baseline) })
		if err != nil {
			return err
		}
		figures = []figure{compared("p99 of 200 at once against one at a time", seconds, all, atMost(3, 2))}
		notes = []string{fmt.Sprintf("%d commands that sleep 0.1 s, at once on %d devices", commands, n)}
		return nil
	})
	return figures, notes, err
}

// percentile99 adds the 99th percentile of so many rounds of commands at once.
func (r *runner) percentile99(ctx context.Context, devices, commands, rounds int, into *[]float64) error {
	var took []time.Duration
	for range rounds {
		round, err := r.atOnce(ctx, devices, commands)
		if err != nil {
			return err
		}
		took = append(took, round...)
	}
	slices.Sort(took)
	*into = append(*into, percentile(took, 0.99).Seconds())
	return nil
}

// atOnce runs so many commands at once, spread over the devices, each on a connection that is open
// already, and returns how long each took.
func (r *runner) atOnce(ctx context.Context, devices, commands int) ([]time.Duration, error) {
	wires := make([]*wire, 0, commands)
	defer func() {
		for _, w := range wires {
			w.close()
		}
	}()
	for i := range commands {
		w, err := dial(ctx, r.commandTarget(sandboxName(i%devices), fiftyCommand), time.Minute)
		if err != nil {
			return nil, err
		}
		wires = append(wires, w)
		if err := w.exchange(); err != nil { // the device's first command opens what the others use
			return nil, err
		}
	}
	took := make([]time.Duration, commands)
	start := make(chan struct{})
	var group errgroup.Group
	for i, w := range wires {
		group.Go(func() error {
			<-start
			began := time.Now()
			err := w.exchange()
			took[i] = time.Since(began)
			return err
		})
	}
	close(start)
	return took, group.Wait()
}
