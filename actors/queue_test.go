package actors_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// fakeQueue is Daytona's queue in memory, with the outbox beside it. Both outlive the systems that
// use them.
type fakeQueue struct {
	mu      sync.Mutex
	pending []messages.Job
	claimed []messages.Job // in progress, oldest first
	status  map[string]string
	wake    chan struct{}

	polls, lists, posts, asks int
	reported                  []messages.Outcome // as they were taken, in order
	beats                     map[string]int
	limits                    []int // of the polls
	kept                      map[string]messages.Outcome

	// Trouble. down answers everything with it; the others, once each.
	down       error
	losePoll   bool // the next poll claims, and its answer is lost
	loseReport bool // the next report is taken, and its answer is lost
	outboxErr  error
	pollTimes  []time.Time
}

var (
	_ actors.JobQueue = (*fakeQueue)(nil)
	_ actors.Outbox   = (*fakeQueue)(nil)
)

func newFakeQueue() *fakeQueue {
	return &fakeQueue{
		status: map[string]string{}, wake: make(chan struct{}, 1), beats: map[string]int{}, kept: map[string]messages.Outcome{},
	}
}

var errReset = fault.Unavailablef("connection reset")

// order puts jobs into the queue.
func (q *fakeQueue) order(jobs ...messages.Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range jobs {
		if j.Limit == 0 {
			j.Limit = 15 * time.Minute
		}
		q.pending = append(q.pending, j)
		q.status[j.ID] = "PENDING"
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *fakeQueue) Poll(ctx context.Context, wait time.Duration, limit int) ([]messages.Job, error) {
	q.mu.Lock()
	q.polls++
	q.limits = append(q.limits, limit)
	q.pollTimes = append(q.pollTimes, time.Now())
	down := q.down
	q.mu.Unlock()
	if down != nil {
		return nil, down
	}
	late := time.After(wait)
	for {
		if jobs, err := q.claim(limit); len(jobs) > 0 || err != nil {
			return jobs, err
		}
		select {
		case <-q.wake:
		case <-late:
			return nil, nil
		case <-ctx.Done():
			return nil, fault.Op("poll", ctx.Err())
		}
	}
}

func (q *fakeQueue) claim(limit int) ([]messages.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down != nil {
		return nil, q.down
	}
	n := min(limit, len(q.pending))
	jobs := slices.Clone(q.pending[:n])
	q.pending = q.pending[n:]
	q.claimed = append(q.claimed, jobs...)
	for _, j := range jobs {
		q.status[j.ID] = "IN_PROGRESS"
	}
	if q.losePoll && n > 0 {
		q.losePoll = false
		return nil, errReset
	}
	return jobs, nil
}

func (q *fakeQueue) Claimed(context.Context) ([]messages.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lists++
	return slices.Clone(q.claimed), q.down
}

func (q *fakeQueue) Progress(_ context.Context, id string, n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down == nil {
		q.beats[id] = n
	}
	return q.down
}

func (q *fakeQueue) Outcome(job messages.Job, _ any, err error) messages.Outcome {
	o := messages.Outcome{JobID: job.ID, Type: job.Type, Subject: job.Subject, Status: "COMPLETED"}
	if err != nil {
		o.Status, o.Error = "FAILED", err.Error()
	}
	return o
}

func (q *fakeQueue) Report(_ context.Context, o messages.Outcome) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down != nil {
		return q.down
	}
	q.posts++
	if q.status[o.JobID] == "IN_PROGRESS" {
		q.status[o.JobID] = o.Status
		q.reported = append(q.reported, o)
		q.claimed = slices.DeleteFunc(q.claimed, func(j messages.Job) bool { return j.ID == o.JobID })
	}
	if q.loseReport {
		q.loseReport = false
		return errReset
	}
	return nil
}

func (q *fakeQueue) ReportAgain(ctx context.Context, o messages.Outcome) error {
	q.mu.Lock()
	q.asks++
	open, down := q.status[o.JobID] == "IN_PROGRESS", q.down
	q.mu.Unlock()
	if down != nil || !open {
		return down
	}
	return q.Report(ctx, o)
}

func (q *fakeQueue) SaveOutcome(_ context.Context, o messages.Outcome) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.outboxErr == nil {
		q.kept[o.JobID] = o
	}
	return q.outboxErr
}

func (q *fakeQueue) DropOutcome(_ context.Context, id string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.kept, id)
	return nil
}

func (q *fakeQueue) Outcomes(context.Context) ([]messages.Outcome, []error, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []messages.Outcome
	for _, o := range q.kept {
		out = append(out, o)
	}
	return out, nil, nil
}

// set changes knobs under the lock.
func (q *fakeQueue) set(change func(*fakeQueue)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change(q)
}

// get reads a figure under the lock.
func get[T any](q *fakeQueue, read func(*fakeQueue) T) T {
	q.mu.Lock()
	defer q.mu.Unlock()
	return read(q)
}

// statusOf waits a while and returns where a job stands.
func (q *fakeQueue) statusOf(id string) string {
	synctest.Wait()
	return get(q, func(q *fakeQueue) string { return q.status[id] })
}

// withQueue runs a test in a bubble on a host whose runner takes jobs.
func withQueue(t *testing.T, prepare func(*fakeHost, *fakeQueue), test func(*rig, *fakeQueue)) {
	t.Helper()
	q := newFakeQueue()
	inBubble(t, func(h *fakeHost) {
		q.wake = make(chan struct{}, 1) // of the bubble
		h.queue = q
		if prepare != nil {
			prepare(h, q)
		}
	}, func(r *rig) { test(r, q) })
}

func createJob(id string, sb sandbox.ID) messages.Job {
	return messages.Job{ID: id, Type: "CREATE_SANDBOX", Subject: string(sb), Command: create(sb), Boots: true}
}

func stopJob(id string, sb sandbox.ID) messages.Job {
	return messages.Job{ID: id, Type: "STOP_SANDBOX", Subject: string(sb), Command: messages.StopSandbox{ID: sb}}
}

func startJob(id string, sb sandbox.ID) messages.Job {
	return messages.Job{ID: id, Type: "START_SANDBOX", Subject: string(sb), Command: messages.StartSandbox{ID: sb}, Boots: true}
}

func destroyJob(id string, sb sandbox.ID) messages.Job {
	return messages.Job{ID: id, Type: "DESTROY_SANDBOX", Subject: string(sb), Command: messages.DestroySandbox{ID: sb}}
}

// running puts a device on the host that an earlier runner booted.
func running(h *fakeHost, id sandbox.ID, n sandbox.Instance) {
	d := h.device(id)
	d.facts = sandbox.Facts{
		Known: true, Intent: sandbox.IntentStarted, Created: true, Instance: n, ADBSerial: n.Serial(6520), Snapshot: "android-LATEST",
	}
	d.life = sandbox.LifeRunning
}
