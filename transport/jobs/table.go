package jobs

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// How long jobs may take. The API gives up a start after 5 minutes, a create after 15, an
// inspection after 30 seconds, most others after 10 minutes without a sign of life.
const (
	createLimit  = 15 * time.Minute
	startLimit   = 5 * time.Minute
	recoverLimit = 7 * time.Minute
	usualLimit   = 8 * time.Minute
	inspectLimit = 25 * time.Second
	// What moves a snapshot is given up after two hours without a sign of life; a runner gives many.
	transferLimit = 110 * time.Minute
)

// kind is one row of the table of job types.
type kind struct {
	limit time.Duration
	boots bool
	aside bool // the API orders other jobs of the same subject beside it
	// command makes the message of a job; an error is why it cannot be done at all.
	command func(wire.Job) (any, error)
	// result makes the DTO of what the command was answered with; nil: the job has none.
	result func(answer any) (any, error)
}

// row returns the row of a type; the zero row for one that is not known.
func row(jobType string) kind { return table()[jobType] }

// table has a row for every type of both generations.
func table() map[string]kind {
	return map[string]kind{
		wire.JobCreateSandbox:   {limit: createLimit, boots: true, command: createSandbox, result: begun},
		wire.JobStartSandbox:    {limit: startLimit, boots: true, command: startSandbox, result: begun},
		wire.JobStopSandbox:     {limit: usualLimit, command: stopSandbox},
		wire.JobDestroySandbox:  {limit: usualLimit, command: destroySandbox},
		wire.JobRecoverSandbox:  {limit: recoverLimit, boots: true, command: recoverSandbox},
		wire.JobResizeSandbox:   {limit: usualLimit, command: resizeSandbox},
		wire.JobUpdateNetwork:   {limit: usualLimit, command: updateNetwork},
		wire.JobPullSnapshot:    {limit: transferLimit, command: pullSnapshot, result: pulled},
		wire.JobRemoveSnapshot:  {limit: usualLimit, command: removeSnapshot},
		wire.JobInspectSnapshot: {limit: inspectLimit, command: inspectSnapshot, result: inspected},
		wire.JobSnapshotSandbox: {limit: transferLimit, command: snapshotSandbox, result: taken},
		wire.JobCreateBackup:    {limit: transferLimit, aside: true, command: createBackup},

		wire.JobBuildSnapshot: refused(wire.NoBuild),
		wire.JobForkSandbox:   refused(wire.NoFork),
		wire.JobPauseSandbox:  refused(wire.NoPause),
	}
}

func refused(reason string) kind {
	return kind{limit: usualLimit, command: func(wire.Job) (any, error) { return nil, fault.Unsupportedf("%s", reason) }}
}

func translateAll(jobs []wire.Job) []messages.Job {
	out := make([]messages.Job, len(jobs))
	for i, j := range jobs {
		out[i] = translate(j)
	}
	return out
}

// unknownType stands for types that nobody knows, whose own words must not become metric labels.
const unknownType = "UNKNOWN"

// translate makes the message of a job. One that cannot be made is refused, not lost.
func translate(j wire.Job) messages.Job {
	k, known := table()[j.Type]
	m := messages.Job{
		ID: j.ID, Type: j.Type, Subject: j.ResourceID, About: j.ResourceType, Limit: k.limit, Boots: k.boots, Aside: k.aside,
		Trace: traceOf(j),
	}
	if !known {
		m.Type, m.Refusal = unknownType, fault.Unsupportedf("unknown job type: %s", j.Type)
		return m
	}
	command, err := k.command(j)
	if err != nil {
		m.Refusal = err
		return m
	}
	m.Command = command
	return m
}

// traceOf reads the trace of who ordered the job, by W3C's headers alone, as Daytona's runner does.
func traceOf(j wire.Job) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier(j.TraceContext))
	return trace.SpanContextFromContext(ctx)
}

// sandboxOf is the sandbox that a job is about.
func sandboxOf(j wire.Job) (sandbox.ID, error) {
	id, err := sandbox.ParseID(j.ResourceID)
	return id, fault.Wrap(fault.Invalid, "resourceId", err)
}

// payload reads a job's payload into a DTO. Where it is not required, none leaves the DTO as it is.
func payload(j wire.Job, required bool, dto any) error {
	if j.Payload == "" && !required {
		return nil
	}
	return fault.Wrap(fault.Invalid, "payload", wire.UnmarshalPayload(j.Payload, dto))
}
