package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// measureUI asks for the elements of a screen with a list on it, in turns with the command by itself that has
// them dumped: the device waits in both until its screen rests, and what we add is the difference.
func measureUI(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withDevice(ctx, func(r *runner, d device) error {
		const execute = "/toolbox/process/execute"
		if _, err := r.call(ctx, http.StatusOK, http.MethodPost, "/sandboxes/"+d.ID+execute, `{"command":"am start -n com.example.shop/.MainActivity"}`); err != nil {
			return err
		}
		path := "/sandboxes/" + d.ID + "/android/ui"
		tree, err := r.call(ctx, http.StatusOK, http.MethodGet, path, "")
		if err != nil {
			return err
		}
		ask := target{addr: r.addr, request: rawRequest(http.MethodGet, path, "")}
		dump := r.commandTarget(d.ID, `{"command":"uiautomator dump /data/local/tmp/bench.xml"}`)
		var took pairs
		err = takeTurns(5,
			func() error { return took.median(ctx, ask, l.count(40), &took.ours) },
			func() error { return took.median(ctx, dump, l.count(40), &took.baseline) })
		if err != nil {
			return err
		}
		own := make([]float64, len(took.ours))
		for i := range own {
			own[i] = took.ours[i] - took.baseline[i]
		}
		figures = []figure{
			compared("GET android/ui p50", seconds, took, budget{}),
			absolute("own time above the dump", seconds, median(own), atMost(0.020, 0.010)),
		}
		notes = []string{fmt.Sprintf("%d bytes of JSON; baseline: uiautomator dump by process/execute, which reads nothing back; "+
			"the simulated screen rests after 40 ms, a phone's after a second", len(tree))}
		return nil
	})
	return figures, notes, err
}

// median adds the median of n exchanges, one after the other on one connection.
func (*pairs) median(ctx context.Context, t target, n int, into *[]float64) error {
	w, err := dial(ctx, t, time.Minute)
	if err != nil {
		return err
	}
	defer w.close()
	got, err := sequence(n, w.exchange)
	*into = append(*into, got.percentile(0.5).Seconds())
	return err
}
