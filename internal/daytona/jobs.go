package daytona

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// pollGrace is how much longer than asked for a poll may take: the real API answers about 0.2 s
// late (recorded), and its claim is a transaction.
const pollGrace = 10 * time.Second

// Poll waits up to wait for new jobs and claims at most limit of them, oldest first: from then on
// they are IN_PROGRESS. No job in that time is no error. A poll that fails may have claimed jobs:
// list them ([Client.InProgress]). It is tried once, on a connection of its own: net/http sends a GET
// again by itself when a connection that was used before breaks, and nobody would learn that the
// first had claimed jobs.
func (c *Client) Poll(ctx context.Context, wait time.Duration, limit int) ([]wire.Job, error) {
	var answer struct {
		Jobs []wire.Job `json:"jobs"`
	}
	err := c.once(ctx, call{
		method: http.MethodGet, path: fmt.Sprintf("/jobs/poll?timeout=%g&limit=%d", wait.Seconds(), limit),
		answer: &answer, limit: wait + pollGrace, fresh: true,
	})
	var r *refused
	if errors.As(err, &r) && r.status == http.StatusRequestTimeout {
		return nil, nil // a gateway gave up waiting: nothing was delivered, and nothing claimed before
	}
	return answer.Jobs, err
}

// The pages of a list.
const (
	pageSize = 200
	maxPages = 50
)

// InProgress lists the jobs that this runner has claimed and not settled, oldest first.
func (c *Client) InProgress(ctx context.Context) ([]wire.Job, error) {
	var jobs []wire.Job
	for page := 1; page <= maxPages; page++ {
		var answer struct {
			Items      []wire.Job `json:"items"`
			TotalPages int        `json:"totalPages"`
		}
		err := c.again(ctx, call{
			method: http.MethodGet, path: fmt.Sprintf("/jobs?status=%s&page=%d&limit=%d", wire.StatusInProgress, page, pageSize),
			answer: &answer,
		})
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, answer.Items...)
		if page >= answer.TotalPages || len(answer.Items) == 0 {
			break
		}
	}
	slices.Reverse(jobs) // they come newest first
	return jobs, nil
}

// Job reads one job. NotFound when the API does not know it.
func (c *Client) Job(ctx context.Context, id string) (wire.Job, error) {
	var job wire.Job
	err := c.again(ctx, call{method: http.MethodGet, path: "/jobs/" + url.PathEscape(id), answer: &job})
	return job, err
}

// Progress says that a claimed job is still worked on. result is JSON and must differ from that of
// the last call, or the API takes no note. Settled when the job is no longer open.
func (c *Client) Progress(ctx context.Context, id, result string) error {
	return c.setStatus(ctx, id, wire.JobStatusDTO{Status: wire.StatusInProgress, ResultMetadata: result})
}

// Report settles a job that was never reported before. ErrSettled when it was settled otherwise:
// the API had given it up. Unavailable, Timeout, Cancelled: it may have been taken, see
// [Client.ReportAgain].
func (c *Client) Report(ctx context.Context, id string, s wire.JobStatusDTO) error {
	return c.setStatus(ctx, id, s)
}

// ReportAgain settles a job of which an earlier report may have arrived. Because the API acts once
// more on a report that repeats another, it asks first; ErrSettled when there is nothing to report.
func (c *Client) ReportAgain(ctx context.Context, id string, s wire.JobStatusDTO) error {
	switch job, err := c.Job(ctx, id); {
	case fault.Is(err, fault.NotFound):
		return ErrSettled
	case err != nil:
		return err
	case job.Status != wire.StatusInProgress && job.Status != wire.StatusPending:
		return ErrSettled
	}
	return c.Report(ctx, id, s)
}

// ErrSettled says that a job is not open any more: reported already, or given up by the API. There
// is nothing left to do about it.
var ErrSettled = fault.New(fault.Conflict, "the job is settled already")

// setStatus wants the job back as it is now: a 200 of something in between, a gateway's page, says
// nothing about the job.
func (c *Client) setStatus(ctx context.Context, id string, s wire.JobStatusDTO) error {
	var now wire.Job
	r := call{method: http.MethodPost, path: "/jobs/" + url.PathEscape(id) + "/status", body: s, answer: &now}
	err := c.once(ctx, r)
	switch {
	case fault.Is(err, fault.Conflict), fault.Is(err, fault.NotFound):
		return errors.Join(ErrSettled, err)
	case err == nil && now.Status != s.Status:
		return fault.Op(r.name(), fault.Unavailablef("the answer says that the job is %q, %q was reported", now.Status, s.Status))
	}
	return err
}
