package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// leftover is how many goroutines or files more than before are taken for chance.
const leftover = 2

// measureMemory looks at the runner idle, with many sandboxes, and after they are gone.
func measureMemory(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withRunner(ctx, func(r *runner) error {
		idle, err := r.settledUsage(ctx)
		if err != nil {
			return err
		}
		// The first sandbox ever brings in code and pools that are not its own.
		if err := forEach(1, func(i int) error { return r.create(ctx, sandboxName(i)) }); err != nil {
			return err
		}
		if err := r.destroy(ctx, sandboxName(0)); err != nil {
			return err
		}
		before, err := r.settledUsage(ctx)
		if err != nil {
			return err
		}
		n := l.count(20)
		if err := forEach(n, func(i int) error { return r.create(ctx, sandboxName(i)) }); err != nil {
			return err
		}
		full, err := r.settledUsage(ctx)
		if err != nil {
			return err
		}
		if err := forEach(n, func(i int) error { return r.destroy(ctx, sandboxName(i)) }); err != nil {
			return err
		}
		after, err := r.settledUsage(ctx)
		if err != nil {
			return err
		}
		figures = memoryFigures(n, idle, before, full, after)
		notes = []string{fmt.Sprintf("%d sandboxes; goroutines %d, then %d, then %d; files %d, then %d, then %d; "+
			"goroutines of HTTP connections are left out", n, before.goroutines, full.goroutines, after.goroutines,
			before.files, full.files, after.files)}
		if idle.restless || before.restless || full.restless || after.restless {
			notes = append(notes, "goroutines or files still came and went when they were counted")
		}
		return nil
	})
	return figures, notes, err
}

func memoryFigures(n int, idle, before, full, after usage) []figure {
	const kib, mib = 1 << 10, 1 << 20
	each := func(was, is float64) float64 { return (is - was) / float64(n) }
	return []figure{
		absolute("resident, idle", bytesOf, idle.resident, atMost(60*mib, 60*mib)),
		absolute("resident per sandbox", bytesOf, each(before.resident, full.resident), atMost(256*kib, 64*kib)),
		absolute("living heap per sandbox", bytesOf, each(before.heap, full.heap), budget{}),
		absolute("goroutines per sandbox", plain, each(float64(before.goroutines), float64(full.goroutines)), atMost(6, 6)),
		absolute("files per sandbox", plain, each(float64(before.files), float64(full.files)), atMost(2, 2)),
		absolute("goroutines left after destroy", plain, float64(after.goroutines-before.goroutines), atMost(leftover, leftover)),
		absolute("files left after destroy", plain, float64(after.files-before.files), atMost(leftover, leftover)),
		absolute("resident left after destroy", bytesOf, after.resident-before.resident, budget{}),
	}
}

func sandboxName(i int) string { return fmt.Sprintf("bench-%d", i) }

// forEach calls do for 0 to n-1, six at a time, which is how many boots the runner allows.
func forEach(n int, do func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(6)
	for i := range n {
		group.Go(func() error { return do(i) })
	}
	return group.Wait()
}
