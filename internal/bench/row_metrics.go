package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// measureMetrics reads /metrics of a runner with 100 sandboxes on one connection, in turns with a
// bare handler that sends as many bytes. The sandboxes are made and not started: metrics know states,
// not devices.
func measureMetrics(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withRunner(ctx, func(r *runner) (err error) {
		n := l.count(100)
		skip := func(i int) error {
			body := fmt.Sprintf(`{"id":%q,"snapshot":"android-LATEST","cpuQuota":1,"memoryQuota":2,"storageQuota":8,"skipStart":true}`, sandboxName(i))
			_, err := r.call(ctx, http.StatusCreated, http.MethodPost, "/sandboxes", body)
			return err
		}
		if err := forEach(n, skip); err != nil {
			return err
		}
		defer func() {
			gone := forEach(n, func(i int) error { return r.destroy(context.WithoutCancel(ctx), sandboxName(i)) })
			err = errors.Join(err, gone)
		}()
		text, err := r.call(ctx, http.StatusOK, http.MethodGet, "/metrics", "")
		if err != nil {
			return err
		}
		bare, err := l.startBare(ctx, len(text))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, bare.stop(5*time.Second)) }()
		scrape := target{addr: r.addr, request: rawRequest(http.MethodGet, "/metrics", "")}
		var took pairs
		err = takeTurns(5,
			func() error { return took.scrape(ctx, scrape, &took.ours) },
			func() error { return took.scrape(ctx, bare.target(), &took.baseline) })
		if err != nil {
			return err
		}
		figures = []figure{compared("GET /metrics", seconds, took, oursAtMost(0.005))}
		notes = []string{fmt.Sprintf("%d sandboxes, %d bytes; one connection, medians of 40", n, len(text))}
		return nil
	})
	return figures, notes, err
}

func (*pairs) scrape(ctx context.Context, t target, into *[]float64) error {
	w, err := dial(ctx, t, 30*time.Second)
	if err != nil {
		return err
	}
	defer w.close()
	got, err := sequence(40, w.exchange)
	*into = append(*into, got.percentile(0.5).Seconds())
	return err
}
