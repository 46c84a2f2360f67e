package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The sweep: how often the devices are looked at, and for how long that is measured.
const (
	sweepDevices = 100
	sweepEvery   = 2 * time.Second
	sweepWindow  = 20 * time.Second
	sweepForked  = 100 // sandboxes that the baseline looks at
)

// measureSweep is the health sweep of 100 sandboxes, beside adb and ps forked for each; then the same with ten of them
// hung; then what one look costs among 100 and among 1,000 devices that are hardly there.
func measureSweep(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	l.extra = []string{"HEALTH_INTERVAL=" + sweepEvery.String()}
	defer func() { l.extra = nil }()
	err = l.withRunner(ctx, func(r *runner) (err error) {
		n := l.count(sweepDevices)
		defer func() {
			gone := forEach(n, func(i int) error { return r.destroy(context.WithoutCancel(ctx), sandboxName(i)) })
			err = errors.Join(err, gone)
		}()
		if err := forEach(n, func(i int) error { return r.create(ctx, sandboxName(i)) }); err != nil {
			return err
		}
		ours, looks, err := r.costOfLooks(ctx, l.span(sweepWindow))
		if err != nil {
			return err
		}
		all, oldest, err := r.oldestLook(ctx, n, l.span(sweepWindow))
		if err != nil {
			return err
		}
		baseline, forked := l.costOfForking(ctx, r, min(n, l.count(sweepForked)))
		if forked != nil && !isAbsent(forked) {
			return forked
		}
		hung := max(1, n/10)
		if err := l.hang(hung); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.Remove(l.path("h/inject.json"))) }()
		healthy, oldestBeside, err := r.oldestLook(ctx, n-hung, l.span(sweepWindow))
		if err != nil {
			return err
		}
		figures = sweepFigures(ours, baseline, oldest, oldestBeside)
		notes = []string{
			fmt.Sprintf("%d sandboxes, a look at each every %s; %d looks in %s; %d of %d looked at meanwhile", n, sweepEvery, looks, l.span(sweepWindow), all, n),
			fmt.Sprintf("with %d of them hung: %d of the others looked at", hung, healthy),
		}
		return forked
	})
	if err != nil {
		return figures, notes, err
	}
	flat, err := flatness(ctx)
	return append(figures, flat), notes, err
}

// sweepFigures: a healthy device may be looked at one interval and its jitter after the last time; a probe's time-out
// on top is what a hung one may cost the others, once.
func sweepFigures(ours, baseline float64, alone, beside time.Duration) []figure {
	const jitter, timeout = sweepEvery / 10, 2 * time.Second
	return []figure{
		against("CPU of one look", seconds, ours, baseline, atMost(1.0/20, 1.0/50)),
		absolute("oldest look, all healthy", seconds, alone.Seconds(), budget{}),
		absolute("oldest look at a healthy one, a tenth hung", seconds, beside.Seconds(),
			atMost((sweepEvery+jitter+timeout).Seconds(), (sweepEvery+2*jitter).Seconds())),
	}
}

// costOfLooks returns the runner's CPU for one look, in seconds, and how many it was divided by.
func (r *runner) costOfLooks(ctx context.Context, window time.Duration) (float64, int, error) {
	looksBefore, err := r.looks(ctx)
	if err != nil {
		return 0, 0, err
	}
	cpuBefore, err := cpuOf(r.pid())
	if err != nil {
		return 0, 0, err
	}
	select {
	case <-time.After(window):
	case <-ctx.Done():
		return 0, 0, context.Cause(ctx)
	}
	cpu, err := cpuOf(r.pid())
	if err != nil {
		return 0, 0, err
	}
	looks, err := r.looks(ctx)
	if err != nil || looks <= looksBefore {
		return 0, 0, fmt.Errorf("no looks were counted: %w", err)
	}
	return (cpu - cpuBefore).Seconds() / float64(looks-looksBefore), looks - looksBefore, nil
}

// looks counts the looks at devices so far.
func (r *runner) looks(ctx context.Context) (int, error) {
	text, err := r.call(ctx, http.StatusOK, http.MethodGet, "/metrics", "")
	if err != nil {
		return 0, err
	}
	return sumMetric(text, "runner_android_device_probes_total")
}

// sumMetric adds up the values of a metric over its labels.
func sumMetric(text []byte, name string) (total int, err error) {
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, name+"{") {
			continue
		}
		value := line[strings.LastIndexByte(line, ' ')+1:]
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %q", name, strings.TrimSpace(line))
		}
		total += int(n)
	}
	return total, nil
}

// oldestLook watches the first n sandboxes and returns how old the last look at one of them ever was, and how many
// had a look that was new.
func (r *runner) oldestLook(ctx context.Context, n int, window time.Duration) (seen int, oldest time.Duration, err error) {
	wanted := map[string]bool{}
	for i := range n {
		wanted[sandboxName(i)] = true
	}
	fresh, begun := map[string]bool{}, time.Now()
	for time.Since(begun) < window {
		body, err := r.call(ctx, http.StatusOK, http.MethodGet, "/sandboxes", "")
		if err != nil {
			return 0, 0, err
		}
		var listed []struct {
			ID         string    `json:"id"`
			ObservedAt time.Time `json:"observedAt"`
		}
		if err := json.Unmarshal(body, &listed); err != nil {
			return 0, 0, fmt.Errorf("GET /sandboxes: %w", err)
		}
		for _, s := range listed {
			if wanted[s.ID] {
				oldest = max(oldest, time.Since(s.ObservedAt))
				fresh[s.ID] = fresh[s.ID] || s.ObservedAt.After(begun)
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return 0, 0, context.Cause(ctx)
		}
	}
	return len(fresh), oldest, nil
}

// hang makes the last devices silent.
func (l *lab) hang(hung int) error {
	type match struct {
		Group string `json:"group"`
	}
	type rule struct {
		Match match  `json:"match"`
		Fault string `json:"fault"`
	}
	rules := []rule{}
	total := l.count(sweepDevices)
	for i := total - hung; i < total; i++ {
		rules = append(rules, rule{match{fmt.Sprintf("s_%x", sandboxName(i))}, "adb_offline"})
	}
	data, err := json.Marshal(rules)
	if err != nil {
		return err
	}
	file := l.path("h/inject.json")
	return errors.Join(os.WriteFile(file+".new", data, 0o600), os.Rename(file+".new", file))
}

// costOfForking is the CPU, in seconds, of one adb and one ps, forked as the specification's first runner did for each
// sandbox. NaN and an absentError where a program is not there.
func (l *lab) costOfForking(ctx context.Context, r *runner, n int) (cost float64, err error) {
	ps, err := exec.LookPath("ps")
	if err != nil {
		return math.NaN(), absentError{"ps is not on PATH; it is half of the baseline"}
	}
	d, err := r.device(ctx, sandboxName(0))
	if err != nil {
		return 0, err
	}
	a, err := l.startADB(ctx, d)
	if err != nil {
		return math.NaN(), err
	}
	defer func() { err = errors.Join(err, a.stop()) }()
	before, err := a.cpu()
	if err != nil {
		return 0, err
	}
	var listing time.Duration
	for range n {
		if err := a.shellTrue(ctx); err != nil {
			return 0, err
		}
		cmd := exec.CommandContext(ctx, ps, "-eo", "pid,args")
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("ps: %w", err)
		}
		listing += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	after, err := a.cpu()
	return (after - before + listing).Seconds() / float64(n), err
}

var lookCost = regexp.MustCompile(`(?m)^BenchmarkSweep/(\d+)\S*\s.*?([\d.]+) cpu-ns/look`)

// flatness runs the device package's own benchmark, whose devices are hardly there, and compares a look among 1,000
// with one among 100.
func flatness(ctx context.Context) (figure, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkSweep$", "-benchtime", "30x", "-count", "5", "./internal/device")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return figure{}, fmt.Errorf("go test -bench: %w: %s", err, out)
	}
	var all pairs
	for _, m := range lookCost.FindAllSubmatch(out, -1) {
		cost, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return figure{}, err
		}
		if string(m[1]) == "1000" {
			all.ours = append(all.ours, cost/1e9)
		} else {
			all.baseline = append(all.baseline, cost/1e9)
		}
	}
	if len(all.ours) == 0 || len(all.ours) != len(all.baseline) {
		return figure{}, fmt.Errorf("go test -bench printed no costs: %s", out)
	}
	return compared("CPU of one look among 1,000 light devices, beside 100", seconds, all, atMost(1.5, 1.1)), nil
}
