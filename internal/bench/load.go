package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// load is what a number of workers came to.
type load struct {
	elapsed   time.Duration
	latencies []time.Duration // sorted
	calls     int             // with those before the clock started
}

func (l load) perSecond() float64                 { return float64(len(l.latencies)) / l.elapsed.Seconds() }
func (l load) percentile(p float64) time.Duration { return percentile(l.latencies, p) }

// drive repeats the target's request on so many keep-alive connections for the span.
func drive(ctx context.Context, t target, connections int, span time.Duration) (load, error) {
	return inFlight(ctx, connections, span, func(ctx context.Context) (func() error, func(), error) {
		w, err := dial(ctx, t, span+30*time.Second)
		if err != nil {
			return nil, nil, err
		}
		return w.exchange, w.close, nil
	})
}

// inFlight runs workers that each repeat their operation for the span. prepare makes a worker's
// operation and its end. Each operation runs once before the clock starts; the first error
// ends all.
func inFlight(
	ctx context.Context, workers int, span time.Duration,
	prepare func(context.Context) (op func() error, end func(), err error),
) (load, error) {
	group, ctx := errgroup.WithContext(ctx)
	var ready sync.WaitGroup
	ready.Add(workers)
	var begin time.Time
	start := make(chan struct{})
	measured := make([][]time.Duration, workers)
	for i := range workers {
		group.Go(func() error {
			op, end, err := prepare(ctx)
			if err == nil {
				defer end()
				err = op()
			}
			ready.Done()
			if err != nil {
				return fmt.Errorf("worker %d of %d: %w", i+1, workers, err)
			}
			select {
			case <-start:
			case <-ctx.Done():
				return ctx.Err()
			}
			measured[i], err = repeat(ctx, begin.Add(span), op)
			return err
		})
	}
	ready.Wait()
	begin = time.Now()
	close(start)
	err := group.Wait()
	elapsed := time.Since(begin)
	all := slices.Concat(measured...)
	slices.Sort(all)
	return load{elapsed, all, len(all) + workers}, err
}

// repeat calls op until the time and returns how long each call took.
func repeat(ctx context.Context, until time.Time, op func() error) ([]time.Duration, error) {
	var latencies []time.Duration
	for begin := time.Now(); begin.Before(until); {
		if err := op(); err != nil {
			return latencies, err
		}
		if ctx.Err() != nil {
			return latencies, ctx.Err()
		}
		end := time.Now()
		latencies = append(latencies, end.Sub(begin))
		begin = end
	}
	return latencies, nil
}

// sequence calls op n times, one after the other.
func sequence(n int, op func() error) (load, error) {
	begin := time.Now()
	latencies := make([]time.Duration, 0, n)
	for range n {
		begin := time.Now()
		if err := op(); err != nil {
			return load{}, err
		}
		latencies = append(latencies, time.Since(begin))
	}
	elapsed := time.Since(begin)
	slices.Sort(latencies)
	return load{elapsed, latencies, n}, nil
}
