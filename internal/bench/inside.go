package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metric returns a value of GET /metrics that has no labels.
func (r *runner) metric(ctx context.Context, name string) (float64, error) {
	text, err := r.call(ctx, http.StatusOK, http.MethodGet, "/metrics", "")
	if err != nil {
		return 0, err
	}
	return parseMetric(text, name)
}

// parseMetric finds "name value" in Prometheus' text format.
func parseMetric(text []byte, name string) (float64, error) {
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || math.IsNaN(v) {
				return 0, fmt.Errorf("metric %s has the value %q", name, strings.TrimSpace(value))
			}
			return v, nil
		}
	}
	return 0, fmt.Errorf("GET /metrics has no %s", name)
}

// allocations counts the heap objects that the runner makes while work runs. What the
// question itself costs is found by asking twice, and left out.
func (r *runner) allocations(ctx context.Context, work func() error) (float64, error) {
	var seen [3]float64
	for i := range seen {
		if i == 2 {
			if err := work(); err != nil {
				return 0, err
			}
		}
		var err error
		if seen[i], err = r.metric(ctx, "go_memstats_mallocs_total"); err != nil {
			return 0, err
		}
	}
	return max(0, (seen[2]-seen[1])-(seen[1]-seen[0])), nil
}

// collectGarbage makes the runner run its collector.
func (r *runner) collectGarbage(ctx context.Context) error {
	_, err := r.call(ctx, http.StatusOK, http.MethodGet, "/debug/pprof/heap?gc=1", "")
	return err
}

// goroutines counts the runner's goroutines without those that serve HTTP connections: the
// server keeps them for a while after a connection has ended, and they belong to no sandbox.
func (r *runner) goroutines(ctx context.Context) (int, error) {
	text, err := r.call(ctx, http.StatusOK, http.MethodGet, "/debug/pprof/goroutine?debug=1", "")
	if err != nil {
		return 0, err
	}
	return parseGoroutines(text, "fasthttp.(*workerPool)")
}

// parseGoroutines adds up a goroutine profile of net/http/pprof with debug=1, leaving out the
// stacks that mention without. Each stack is a block "COUNT @ ADDRESSES" and lines of frames.
func parseGoroutines(profile []byte, without string) (int, error) {
	head, rest, _ := bytes.Cut(profile, []byte("\n"))
	if !bytes.HasPrefix(head, []byte("goroutine profile: total ")) {
		return 0, fmt.Errorf("not a goroutine profile: it begins with %.60q", head)
	}
	total := 0
	for block := range strings.SplitSeq(string(rest), "\n\n") {
		block = strings.TrimSpace(block)
		if block == "" || strings.Contains(block, without) {
			continue
		}
		count, _, found := strings.Cut(block, " @")
		n, err := strconv.ParseUint(count, 10, 24)
		if !found || err != nil {
			return 0, fmt.Errorf("goroutine profile has a block that begins with %.60q", block)
		}
		total += int(n)
	}
	return total, nil
}

// usage is what the runner holds.
type usage struct {
	resident   float64 // bytes, as the kernel counts them
	heap       float64 // bytes of living objects
	goroutines int
	files      int
	restless   bool // it did not come to rest before it was measured
}

// errUnsettled says that a count still changes.
var errUnsettled = errors.New("goroutines or files still come and go")

// settledUsage waits, for a bounded time, until goroutines and files stay the same, collects
// garbage and measures. Without rest it measures what there is and says so.
func (r *runner) settledUsage(ctx context.Context) (usage, error) {
	// One connection kept is one file more in every count; one per question would come and go.
	r = &runner{r.child, r.addr, &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}}
	defer r.client.CloseIdleConnections()
	const restFor, limit = 2 * time.Second, 15 * time.Second
	var last usage
	since := time.Now()
	err := await(ctx, limit, 250*time.Millisecond, "the runner comes to rest", func() error {
		now, err := r.counts(ctx)
		if err != nil {
			return finalError{err}
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) < restFor {
			return errUnsettled
		}
		return nil
	})
	if err != nil && !errors.Is(err, errUnsettled) {
		return usage{}, err
	}
	last.restless = err != nil
	for range 2 { // what the first collection finalizes, the second frees
		if err := r.collectGarbage(ctx); err != nil {
			return usage{}, err
		}
	}
	if last.heap, err = r.metric(ctx, "go_memstats_heap_alloc_bytes"); err != nil {
		return usage{}, err
	}
	resident, err := residentOf(r.pid())
	last.resident = float64(resident)
	return last, err
}

// counts measures goroutines and files only.
func (r *runner) counts(ctx context.Context) (usage, error) {
	goroutines, err := r.goroutines(ctx)
	if err != nil {
		return usage{}, err
	}
	files, err := filesOf(r.pid())
	return usage{goroutines: goroutines, files: files}, err
}
