package actors

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/messages"
)

// longestRetry is the longest pause before a command is asked for once more.
const longestRetry = 15 * time.Second

func jobFields(j messages.Job) []zap.Field {
	return []zap.Field{
		zap.String(obs.JobID, j.ID), zap.String(obs.JobType, j.Type), zap.String(obs.Subject, j.Subject), obs.TraceField(j.Trace),
	}
}

// jittered spreads a pause over half of it, up and down.
func jittered(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d)+1))
}

// begin has a job done by a worker. Its outcome comes back as jobDone.
func (p *Jobs) begin(j *job) {
	j.begun = time.Now()
	p.busy[j.lane()] = j
	if j.Boots {
		p.boots++
	}
	p.world.workers.Go(func() {
		result := jobDone{job: j}
		if err := kernel.Guarded(p.log, func() error {
			result.outcome = p.carryOut(j.Job)
			return nil
		}); err != nil {
			failed := p.world.Daytona.Queue.Outcome(j.Job, nil, err)
			result.outcome = &failed
		}
		p.self.Tell(result)
	})
}

// carryOut does a job within its trace and keeps the outcome on disk. Nil means that the job is left
// as it is: the runner stops, and the next one finds it in the list.
func (p *Jobs) carryOut(j messages.Job) *messages.Outcome {
	ctx := trace.ContextWithRemoteSpanContext(p.life, j.Trace)
	ctx, span := p.world.Tracer.Start(ctx, "execute_"+j.Type, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		obs.AttrJobID.String(j.ID), obs.AttrJobType.String(j.Type), obs.AttrResourceType.String(j.About), obs.AttrResourceID.String(j.Subject)))
	began := time.Now()
	answer, err := p.do(ctx, j)
	if p.left(err) {
		p.log.Info("job left to the next runner", append(jobFields(j), zap.Error(err))...)
		obs.EndSpan(span, err)
		return nil
	}
	o := p.world.Daytona.Queue.Outcome(j, answer, err)
	o.Trace = traceparent(ctx)
	o.At = time.Now()
	obs.EndSpan(span, err)
	p.world.metrics.jobs.finished(o.Type, o.Status, time.Since(began))
	p.log.Info("job done", append(jobFields(j), zap.String("status", o.Status), zap.Duration(obs.Took, time.Since(began)), zap.Error(err))...)
	save, cancel := context.WithTimeout(p.life, saveLimit)
	defer cancel()
	if err := p.world.Daytona.Outbox.SaveOutcome(save, o); err != nil {
		// It is reported all the same; only a kill before that makes the job be done again.
		p.log.Error("outcome of a job not kept on disk", append(jobFields(j), zap.Error(err))...)
	}
	return &o
}

// left reports whether a job that ended with err was cut off by the end of the runner.
func (p *Jobs) left(err error) bool {
	return err != nil && (p.life.Err() != nil || p.world.closing.Load() && fault.Is(err, fault.Cancelled))
}

// do asks for the job's command until it is answered for good. A command whose actor was restarted
// under it is asked for again, which joins what is under way; what could not be reached is tried
// again while there is time, except for boots, which have their own second try.
func (p *Jobs) do(ctx context.Context, j messages.Job) (any, error) {
	if j.Refusal != nil {
		return nil, j.Refusal
	}
	ctx, cancel := context.WithTimeoutCause(ctx, j.Limit,
		fault.Timeoutf("no end within %s; it may still happen", j.Limit))
	defer cancel()
	for try := 0; ; try++ {
		answer, err := p.world.ask(ctx, j.Command)
		again := fault.Is(err, fault.Cancelled) || fault.Is(err, fault.Unavailable) && !j.Boots
		if err == nil || !again || p.left(err) {
			return answer, err
		}
		p.log.Warn("job is tried again", append(jobFields(j), zap.Int(obs.Attempt, try+1), zap.Error(err))...)
		select {
		case <-time.After(jittered(min(retryFirst<<min(try, 16), longestRetry))):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// report tells the API how a job ended, until it has taken it. again says that it may know already. What is told of one
// subject is told in the order in which it came to be: the API makes states of it.
func (p *Jobs) report(o messages.Outcome, again bool) {
	before, done := p.reports[o.Subject], make(chan struct{})
	p.reports[o.Subject] = done
	p.world.workers.Go(func() {
		defer close(done)
		if before != nil {
			select {
			case <-before:
			case <-p.life.Done():
			}
		}
		if err := kernel.Guarded(p.log, func() error { return p.settle(o, again) }); err != nil && p.life.Err() == nil {
			p.log.Error("outcome of a job not reported", zap.String(obs.JobID, o.JobID), zap.String(obs.JobType, o.Type), zap.Error(err))
			p.world.metrics.jobs.reports.WithLabelValues(fault.KindOf(err).String()).Inc()
		}
		if p.life.Err() == nil {
			p.self.Tell(jobSettled{o.JobID, o.Subject, done})
		}
	})
}

// settle returns when the API has taken the outcome, or refused it for good, and it is off the disk;
// or when the incarnation ends, and it stays there.
func (p *Jobs) settle(o messages.Outcome, again bool) error {
	ctx := propagation.TraceContext{}.Extract(p.life, propagation.MapCarrier{"traceparent": o.Trace})
	var last error
	for try := 0; ; try++ {
		last = p.reportOnce(ctx, o, again || try > 0)
		if last == nil || !passing(last) {
			break
		}
		p.world.metrics.jobs.reports.WithLabelValues(fault.KindOf(last).String()).Inc()
		wait := jittered(min(retryFirst<<min(try, 16), p.world.Daytona.PollTimeout))
		p.log.Warn("outcome of a job kept: the API did not take it", zap.String(obs.JobID, o.JobID), zap.Error(last),
			zap.Duration("retry_in", wait))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return last
		}
	}
	drop, cancel := context.WithTimeout(p.life, saveLimit)
	defer cancel()
	if err := p.world.Daytona.Outbox.DropOutcome(drop, o.JobID); err != nil {
		p.log.Warn("outcome of a settled job still on disk: it is asked about once more after a restart",
			zap.String(obs.JobID, o.JobID), zap.Error(err))
	}
	if last == nil {
		p.world.metrics.jobs.reports.WithLabelValues("ok").Inc()
	}
	return last
}

// passing reports whether what keeps an outcome from being taken may pass.
func passing(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Unauthorized, fault.Timeout, fault.Cancelled:
		return true
	default:
		return false
	}
}

func (p *Jobs) reportOnce(ctx context.Context, o messages.Outcome, again bool) (err error) {
	ctx, span := p.world.Tracer.Start(ctx, "update_job_status", trace.WithAttributes(
		obs.AttrJobID.String(o.JobID), obs.AttrJobStatus.String(o.Status), obs.AttrJobError.String(o.Error)))
	defer func() { obs.EndSpan(span, err) }()
	if again {
		return p.world.Daytona.Queue.ReportAgain(ctx, o)
	}
	return p.world.Daytona.Queue.Report(ctx, o)
}

func traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

func (p *Jobs) armHeartbeat() {
	p.beating = p.world.tokens.Next()
	p.cancelBeat = p.self.TellAfter(p.world.Daytona.Heartbeat, heartbeatTick{p.beating})
}

// onHeartbeat tells the API of the jobs that have been here for a while, one after the other; the
// first failure ends the round, for the API is not there then.
func (p *Jobs) onHeartbeat(msg heartbeatTick) {
	if msg.token != p.beating || p.phase == draining {
		return
	}
	type beat struct {
		id string
		n  int
	}
	var beats []beat
	for _, j := range p.claimed {
		if !j.done && time.Since(j.arrived) >= p.world.Daytona.Heartbeat {
			j.beats++
			beats = append(beats, beat{j.ID, j.beats})
		}
	}
	p.world.workers.Go(func() {
		for _, b := range beats {
			err := kernel.Guarded(p.log, func() error { return p.world.Daytona.Queue.Progress(p.life, b.id, b.n) })
			if err != nil {
				p.log.Warn("sign of life of jobs not taken", zap.String(obs.JobID, b.id), zap.Error(err))
				break
			}
		}
		p.self.Tell(heartbeatDone(msg))
	})
}

// describe shows the queue and each job in it.
func (p *Jobs) describe() messages.Node {
	node := nodeOf(p.self.Vitals())
	node.State, node.Since = string(p.phase), p.since
	node.Facts = map[string]string{
		"claimed": strconv.Itoa(len(p.claimed)), "at_work": strconv.Itoa(len(p.busy)), "waiting": strconv.Itoa(len(p.line)),
	}
	if p.lastError != "" {
		node.LastError = p.lastError
	}
	for id, j := range p.claimed {
		at := "waits"
		switch {
		case j.done:
			at = "is done and being reported"
		case !j.begun.IsZero():
			at = "at work for " + time.Since(j.begun).Round(time.Millisecond).String()
		}
		node.Facts["job."+id] = fmt.Sprintf("%s %s %s", j.Type, j.Subject, at)
	}
	return node
}
