package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport/jobs"
)

const runnerToken = "dtn_test-token-0123456789"

// queue is an API that has these jobs and answers every report with err.
type queue struct {
	jobs    []wire.Job
	err     error
	told    []string // calls with their arguments
	reports []wire.JobStatusDTO
}

var _ jobs.Queue = (*queue)(nil)

func (q *queue) Poll(context.Context, time.Duration, int) ([]wire.Job, error) { return q.jobs, q.err }

func (q *queue) InProgress(context.Context) ([]wire.Job, error) { return q.jobs, q.err }

func (q *queue) Progress(_ context.Context, id, result string) error {
	q.told = append(q.told, "progress "+id+" "+result)
	return q.err
}

func (q *queue) Report(_ context.Context, id string, s wire.JobStatusDTO) error {
	q.told, q.reports = append(q.told, "report "+id), append(q.reports, s)
	return q.err
}

func (q *queue) ReportAgain(_ context.Context, id string, s wire.JobStatusDTO) error {
	q.told, q.reports = append(q.told, "report again "+id), append(q.reports, s)
	return q.err
}

// translated is one job as the actors get it.
func translated(t testing.TB, j wire.Job) messages.Job {
	t.Helper()
	got, err := jobs.New(&queue{jobs: []wire.Job{j}}, jobs.Options{Token: runnerToken}).Poll(t.Context(), time.Second, 1)
	if err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v, want one job", got, err)
	}
	return got[0]
}

func ptr[T any](v T) *T { return &v }
