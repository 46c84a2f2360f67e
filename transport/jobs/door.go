package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/daytona"
	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
)

// Queue is Daytona's API as the door uses it; *daytona.Client is one.
type Queue interface {
	Poll(ctx context.Context, wait time.Duration, limit int) ([]wire.Job, error)
	InProgress(ctx context.Context) ([]wire.Job, error)
	Progress(ctx context.Context, id, result string) error
	Report(ctx context.Context, id string, s wire.JobStatusDTO) error
	ReportAgain(ctx context.Context, id string, s wire.JobStatusDTO) error
}

var _ Queue = (*daytona.Client)(nil)

// Options are what the door needs beside the queue.
type Options struct {
	Token string      // of the runner, to be kept out of reports
	Log   *zap.Logger // nil: silent
}

// Door translates between the queue and the actors. It is safe for concurrent use.
type Door struct {
	queue    Queue
	redactor transport.Redactor
	log      *zap.Logger
}

// New makes a door.
func New(queue Queue, o Options) *Door {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return &Door{queue: queue, redactor: transport.NewRedactor(o.Token), log: o.Log}
}

// Poll waits up to wait for new jobs and claims at most limit of them.
func (d *Door) Poll(ctx context.Context, wait time.Duration, limit int) ([]messages.Job, error) {
	jobs, err := d.queue.Poll(ctx, wait, limit)
	return translateAll(jobs), err
}

// Claimed lists the jobs that are claimed and not settled.
func (d *Door) Claimed(ctx context.Context) ([]messages.Job, error) {
	jobs, err := d.queue.InProgress(ctx)
	return translateAll(jobs), err
}

// Progress says that a job is still worked on. That it was settled meanwhile is found out again,
// and said, when its outcome is reported.
func (d *Door) Progress(ctx context.Context, id string, n int) error {
	if err := d.queue.Progress(ctx, id, fmt.Sprintf(`{"progress":%d}`, n)); !errors.Is(err, daytona.ErrSettled) {
		return err
	}
	return nil
}

// Report settles a job that was never reported before.
func (d *Door) Report(ctx context.Context, o messages.Outcome) error {
	return d.settled(o, d.queue.Report(ctx, o.JobID, status(o)))
}

// ReportAgain settles a job of which an earlier report may have arrived.
func (d *Door) ReportAgain(ctx context.Context, o messages.Outcome) error {
	return d.settled(o, d.queue.ReportAgain(ctx, o.JobID, status(o)))
}

// settled takes a job that is settled already for reported: by an earlier report of ours, or by the
// API, which gave it up.
func (d *Door) settled(o messages.Outcome, err error) error {
	if !errors.Is(err, daytona.ErrSettled) {
		return err
	}
	d.log.Info("job was settled already", zap.String(obs.JobID, o.JobID), zap.String(obs.JobType, o.Type), zap.Error(err))
	return nil
}

func status(o messages.Outcome) wire.JobStatusDTO {
	return wire.JobStatusDTO{Status: o.Status, ErrorMessage: o.Error, ResultMetadata: o.Result}
}

// Outcome puts into Daytona's words how a job's command was answered. A sandbox that is not there
// is destroyed.
func (d *Door) Outcome(job messages.Job, answer any, err error) messages.Outcome {
	o := messages.Outcome{JobID: job.ID, Type: job.Type, Subject: job.Subject, Status: wire.StatusCompleted}
	if _, destroy := job.Command.(messages.DestroySandbox); destroy && fault.Is(err, fault.NotFound) {
		return o
	}
	if err == nil {
		o.Result, err = result(job, answer)
	}
	if err != nil {
		o.Status, o.Error = wire.StatusFailed, d.errorMessage(job, err)
	}
	return o
}

// errorMessage is the reason for people. A full disk of a sandbox that exists can be recovered from;
// a host that is full is a reason to place the sandbox elsewhere.
func (d *Door) errorMessage(job messages.Job, err error) string {
	whole := err.Error()
	text := d.redactor.Clean(whole)
	elsewhere := job.Type == wire.JobCreateSandbox && fault.Is(err, fault.Exhausted)
	switch {
	case wire.SaysDiskFull(whole) && !elsewhere:
		return wire.RecoverableText(text)
	case fault.Is(err, fault.Internal):
		id := obs.NewErrorID()
		d.log.Error("internal error", zap.String(obs.ErrorID, id), zap.String(obs.JobID, job.ID), zap.String(obs.JobType, job.Type), zap.String("error", text))
		return "internal error " + id + ": " + text
	default:
		return text
	}
}

// result renders what a job that was done has to say: a JSON text, or nothing.
func result(job messages.Job, answer any) (string, error) {
	value := row(job.Type).result
	if value == nil {
		return "", nil
	}
	dto, err := value(answer)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(dto)
	return string(data), fault.Wrap(fault.Internal, "encode the result", err)
}
