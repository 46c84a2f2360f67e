package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// measureClaim times creates from the API's claim until cvd is launched: by the claim's time at the
// API and the runner's log, which share a clock. Beside it stand the durable writes that lie between
// the two, repeated alone.
func measureClaim(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withRunner(ctx, func(r *runner) error {
		d, err := l.desk()
		if err != nil {
			return err
		}
		const warm = 1 // the first create probes the host package and makes the product directory
		n := warm + l.count(12)
		var took pairs
		for i := range n {
			id := fmt.Sprintf("claim-%d", i)
			job, err := d.do(ctx, "CREATE_SANDBOX", id)
			if err != nil {
				return err
			}
			launched, err := r.loggedAt("cvd launched", id)
			if err != nil {
				return err
			}
			if _, err := d.do(ctx, "DESTROY_SANDBOX", id); err != nil {
				return err
			}
			writes, err := timeWrites(l.path("writes"))
			if err != nil {
				return err
			}
			if i >= warm {
				took.ours = append(took.ours, launched.Sub(job.StartedAt).Seconds())
				took.baseline = append(took.baseline, writes.Seconds())
			}
		}
		figures = []figure{compared("claimed to first cvd", seconds, took, oursAtMost(0.020))}
		notes = []string{fmt.Sprintf("median of %d creates; the baseline is the %d durable writes that a create needs before cvd "+
			"(record, number, record), each an fsync of the file and one of its directory", len(took.ours), durableWrites)}
		return nil
	})
	return figures, notes, err
}

// durableWrites is how many files a create replaces before cvd is launched.
const durableWrites = 3

// timeWrites replaces files as the ledger does.
func timeWrites(dir string) (time.Duration, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	content := []byte(strings.Repeat("x", 2<<10))
	began := time.Now()
	for i := range durableWrites {
		if err := renameio.WriteFile(filepath.Join(dir, fmt.Sprint("f", i)), content, 0o600); err != nil {
			return 0, err
		}
		d, err := os.Open(dir)
		if err != nil {
			return 0, err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// loggedAt returns when the runner last wrote the message about a sandbox.
func (r *runner) loggedAt(message, id string) (at time.Time, err error) {
	f, err := os.Open(r.log)
	if err != nil {
		return at, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Time    time.Time `json:"time"`
			Message string    `json:"message"`
			Sandbox string    `json:"sandbox_id"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == message && line.Sandbox == id {
			at = line.Time
		}
	}
	if at.IsZero() {
		return at, fmt.Errorf("the runner's log has no %q of %s", message, id)
	}
	return at, lines.Err()
}

// The crowd: more jobs at once than the host has numbers for.
const (
	crowdJobs    = 200
	crowdNumbers = 20
	crowdSlots   = 3
	// maxLaunches: a launch hands on its boot slot when adbd answers, a third of the way through its
	// life on the simulated host.
	maxLaunches = 3 * crowdSlots
)

// measureCrowd orders 200 creates at once from a host with 20 numbers, and then 200 destroys. All
// must be settled, once each; cvd must not be stampeded, and polls must go on.
func measureCrowd(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	l.extra = []string{fmt.Sprintf("CVD_MAX_INSTANCES=%d", crowdNumbers), fmt.Sprintf("CVD_BOOT_CONCURRENCY=%d", crowdSlots), "POLL_TIMEOUT=1s", "POLL_LIMIT=100"}
	defer func() { l.extra = nil }()
	err = l.withRunner(ctx, func(r *runner) error {
		d, err := l.desk()
		if err != nil {
			return err
		}
		watch, stop := context.WithCancel(ctx)
		most := make(chan int, 1)
		go func() { most <- l.mostLaunches(watch) }()
		began := time.Now()
		created, refused, err := d.crowd(ctx, "CREATE_SANDBOX")
		took := time.Since(began)
		stop()
		launches := <-most
		if err != nil {
			return err
		}
		gap, err := d.longestPollGap(ctx, began)
		if err != nil {
			return err
		}
		destroyed, failed, err := d.crowd(ctx, "DESTROY_SANDBOX")
		if err != nil {
			return err
		}
		figures = []figure{
			absolute("creates settled", plain, float64(created+refused), atLeast(crowdJobs, crowdJobs)),
			absolute("creates completed", plain, float64(created), atLeast(crowdNumbers, crowdNumbers)),
			absolute("destroys completed", plain, float64(destroyed), atLeast(crowdJobs, crowdJobs)),
			absolute("launching cvd at once, at most", plain, float64(launches), atMost(maxLaunches, crowdSlots)),
			absolute("longest pause between two polls", seconds, gap.Seconds(), atMost(2.5, 1.5)),
		}
		notes = []string{fmt.Sprintf("%d creates on %d numbers in %s, %d were refused because the host is full, %d destroys failed",
			crowdJobs, crowdNumbers, took.Round(time.Millisecond), refused, failed)}
		return nil
	})
	return figures, notes, err
}

// crowd orders the same of 200 sandboxes and waits for all; each must be reported once.
func (d desk) crowd(ctx context.Context, kind string) (completed, failed int, err error) {
	var jobs []jobRecord
	for i := range crowdJobs {
		job, err := d.order(ctx, kind, fmt.Sprintf("crowd-%d", i))
		if err != nil {
			return 0, 0, err
		}
		jobs = append(jobs, job)
	}
	for _, job := range jobs {
		if job, err = d.settled(ctx, job); err != nil {
			return 0, 0, err
		}
		if job.Reports != 1 {
			return 0, 0, fmt.Errorf("job %s was reported %d times", job.ID, job.Reports)
		}
		if job.Status == "COMPLETED" {
			completed++
		} else {
			failed++
		}
	}
	return completed, failed, nil
}

// longestPollGap is the longest time between the beginnings of two polls since a time: what the API remembers of before is
// other runners'.
func (d desk) longestPollGap(ctx context.Context, since time.Time) (time.Duration, error) {
	var requests []struct {
		At   time.Time `json:"at"`
		Path string    `json:"path"`
	}
	if err := d.call(ctx, http.MethodGet, "/requests", nil, &requests); err != nil {
		return 0, err
	}
	var polls []time.Time
	for _, r := range requests {
		if strings.Contains(r.Path, "/jobs/poll") && !r.At.Before(since) {
			polls = append(polls, r.At)
		}
	}
	if len(polls) < 2 {
		return 0, fmt.Errorf("the API remembers %d polls", len(polls))
	}
	slices.SortFunc(polls, time.Time.Compare)
	var longest time.Duration
	for i := range polls[1:] {
		longest = max(longest, polls[i+1].Sub(polls[i]))
	}
	return longest, nil
}

// mostLaunches watches the process table until ctx ends: how many cvd create were there at once.
func (l *lab) mostLaunches(ctx context.Context) (most int) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			most = max(most, l.launches())
		case <-ctx.Done():
			return most
		}
	}
}

func (l *lab) launches() (n int) {
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return 0
	}
	for _, link := range links {
		program, err := os.Readlink(link)
		if err != nil || filepath.Base(program) != "cvd" || !strings.HasPrefix(program, l.dir+"/") {
			continue
		}
		if args, err := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline")); err == nil && strings.Contains(string(args), "\x00create\x00") {
			n++
		}
	}
	return n
}
