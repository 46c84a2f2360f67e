package actors

import (
	"context"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/messages"
)

// JobQueue is Daytona's queue as the poller uses it. Unauthorized and Unavailable errors may pass;
// those of other kinds are the API's last word.
type JobQueue interface {
	// Poll waits up to wait for new jobs and claims at most limit of them. A poll that fails, or
	// whose context ends, may have claimed jobs.
	Poll(ctx context.Context, wait time.Duration, limit int) ([]messages.Job, error)
	// Claimed lists the jobs that this runner claimed and did not settle, oldest first.
	Claimed(ctx context.Context) ([]messages.Job, error)
	// Progress says that a job is still worked on; n differs at each call.
	Progress(ctx context.Context, id string, n int) error
	// Outcome puts into Daytona's words how a job's command was answered.
	Outcome(job messages.Job, answer any, err error) messages.Outcome
	// Report settles a job that was never reported before; nil also when the API had given it up.
	Report(ctx context.Context, o messages.Outcome) error
	// ReportAgain settles a job of which an earlier report may have arrived.
	ReportAgain(ctx context.Context, o messages.Outcome) error
}

// Outbox keeps outcomes on disk until the API has taken them.
type Outbox interface {
	SaveOutcome(ctx context.Context, o messages.Outcome) error
	DropOutcome(ctx context.Context, jobID string) error
	// Outcomes lists what is kept; problems are files that could not be read and were moved aside.
	Outcomes(ctx context.Context) (kept []messages.Outcome, problems []error, err error)
}

// Daytona is where jobs come from, and who is told of states.
type Daytona struct {
	Queue       JobQueue // nil: no jobs are taken
	Outbox      Outbox
	PollTimeout time.Duration // how long one poll waits, and the longest pause between two tries; 0: 30 s
	PollLimit   int           // jobs that one poll takes; 0: 10
	Concurrency int           // jobs at work at a time; 0: 16
	Heartbeat   time.Duration // between two signs of life of a job; 0: 1 min

	States          StateBook // nil: nobody is told what becomes of sandboxes by itself
	Reports         ReportBox
	CompareInterval time.Duration // between two comparisons of states; 0: 30 s
}

func (d Daytona) orDefault() Daytona {
	if d.PollTimeout == 0 {
		d.PollTimeout = 30 * time.Second
	}
	if d.PollLimit == 0 {
		d.PollLimit = 10
	}
	if d.Concurrency == 0 {
		d.Concurrency = 16
	}
	if d.Heartbeat == 0 {
		d.Heartbeat = time.Minute // the API gives most jobs up after ten
	}
	if d.CompareInterval == 0 {
		d.CompareInterval = 30 * time.Second
	}
	return d
}

// maxClaimed bounds the jobs that are claimed and not settled; polling rests while there are as many.
// Jobs that wait here keep their sign of life, so that the API does not give them up.
const maxClaimed = 256

// maxRemembered is how many settled jobs are recognised when a list that was made before their
// report shows them once more.
const maxRemembered = 4096

// What the poller is told by its workers.
type (
	jobsListed struct {
		token  kernel.Token
		jobs   []messages.Job
		unsent []messages.Outcome // first list only: what an earlier runner did not get rid of
		err    error
	}
	jobsPolled struct {
		token kernel.Token
		jobs  []messages.Job
		err   error
	}
	// jobDone says that a job was done; outcome is nil when it is left to the next runner.
	jobDone struct {
		job     *job
		outcome *messages.Outcome
	}
	// jobSettled says that the API knows the outcome, or never will.
	jobSettled struct {
		id, subject string
		report      chan struct{}
	}

	pauseEnded    struct{ token kernel.Token }
	heartbeatTick struct{ token kernel.Token }
	heartbeatDone struct{ token kernel.Token }

	// settleAll is asked at the end: answered when no outcome is on its way.
	settleAll struct{}

	// getOpenJobs is asked by the crash reporter; openJobs answers it.
	getOpenJobs struct{}
	openJobs    struct {
		known    bool // the list of claimed jobs was read
		subjects map[string]bool
	}
)

// phase is what the poller is at.
type phase string

const (
	listing  phase = "listing"  // asking for jobs that are claimed already
	polling  phase = "polling"  // waiting for new ones
	pausing  phase = "pausing"  // after a call that failed
	full     phase = "full"     // as many are claimed as can be kept
	draining phase = "draining" // the runner stops
)

// Jobs takes jobs from Daytona's queue and has them done: each is one command to an actor, and its
// outcome one report.
//
//	          ┌────────── failed ──────────┐
//	          ▼                            │
//	pausing ─▶ listing ─▶ polling ─┬─ jobs ▼ ──▶ polling
//	                        ▲      └─ too many ─▶ full
//	                        └── one was settled ───┘
//
// A poll claims what it delivers, so one whose answer was lost has claimed jobs that only a list
// shows: every failure is followed by a list, and so is every start. Jobs of one subject are done
// strictly in order; of the others at most Concurrency at a time, and those that boot a device never
// take all the places. An outcome is on disk before it is reported, and until the API has it.
//
// A restarted poller knows nothing and begins with the list: what was half-done is asked for again,
// which joins it or finds it done.
type Jobs struct {
	kernel.Base
	world *world
	self  *kernel.Ref
	log   *zap.Logger
	life  context.Context // of this incarnation; its workers end with it
	end   context.CancelFunc

	phase     phase
	since     time.Time
	token     kernel.Token // of the list, poll or pause in flight
	begun     bool         // the outbox has been read
	failures  int          // calls in a row that failed
	lastError string
	cancel    func() // the pause or the heartbeat's timer
	stopPoll  context.CancelFunc

	claimed    map[string]*job          // by id, until settled
	line       []*job                   // those that wait, in order of arrival
	busy       map[string]*job          // at work, by lane
	boots      int                      // of those, how many boot a device
	reports    map[string]chan struct{} // by subject: the last report, closed at its end
	remembered []string                 // ids that were settled, oldest first
	settled    map[string]bool          // the same

	beating    kernel.Token
	cancelBeat func()
	draining   []kernel.Reply // who waits for the last outcomes
}

// job is one claimed job.
type job struct {
	messages.Job
	arrived time.Time
	begun   time.Time // zero while it waits
	done    bool      // its outcome is known and on its way
	beats   int
}

// lane is what a job waits in, behind earlier ones.
func (j *job) lane() string {
	if j.Aside {
		return "beside " + j.Subject
	}
	return j.Subject
}

func newJobs(w *world, self *kernel.Ref) *Jobs {
	return &Jobs{
		world: w, self: self, log: w.Log.Named("jobs"), cancel: func() {}, cancelBeat: func() {}, stopPoll: func() {},
		claimed: map[string]*job{}, busy: map[string]*job{}, settled: map[string]bool{},
		reports: map[string]chan struct{}{},
	}
}

// Receive decides; polls, lists, jobs and reports are done by workers.
func (p *Jobs) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		p.life, p.end = context.WithCancel(p.world.life)
		p.list()
		p.armHeartbeat()
	case jobsListed:
		p.onListed(msg)
	case jobsPolled:
		p.onPolled(msg)
	case pauseEnded:
		if msg.token == p.token && p.phase == pausing {
			p.list()
		}
	case jobDone:
		p.onDone(msg)
	case jobSettled:
		p.onSettled(msg)
	case heartbeatTick:
		p.onHeartbeat(msg)
	case heartbeatDone:
		if msg.token == p.beating {
			p.armHeartbeat()
		}
	case drain:
		p.onDrain()
	case settleAll:
		p.draining = append(p.draining, p.Take())
		p.answerDrained()
	case getOpenJobs:
		p.Answer(p.open())
	case messages.Describe:
		p.Answer(p.describe())
	case *actor.Stopping, *actor.Restarting:
		p.release()
	case *actor.Stopped:
	default:
		p.Refuse(fault.Internalf("jobs does not know %T", msg))
	}
}

func (p *Jobs) become(next phase) {
	if next != p.phase {
		p.phase, p.since = next, time.Now()
	}
}

// list asks for the jobs that are claimed already; the first time, and after every failure.
func (p *Jobs) list() {
	p.become(listing)
	token, first := p.world.tokens.Next(), !p.begun
	p.token = token
	p.world.workers.Go(func() {
		result := jobsListed{token: token}
		result.err = kernel.Guarded(p.log, func() (err error) {
			if first {
				if result.unsent, err = p.unsent(); err != nil {
					return err
				}
			}
			result.jobs, err = p.world.Daytona.Queue.Claimed(p.life)
			return err
		})
		p.self.Tell(result)
	})
}

// unsent reads the outbox.
func (p *Jobs) unsent() ([]messages.Outcome, error) {
	ctx, cancel := context.WithTimeout(p.life, saveLimit)
	defer cancel()
	kept, problems, err := p.world.Daytona.Outbox.Outcomes(ctx)
	for _, problem := range problems {
		p.log.Warn("an outcome could not be read: its job is done again", zap.Error(problem))
	}
	return kept, fault.Op("read the outcomes that were not reported", err)
}

func (p *Jobs) onListed(msg jobsListed) {
	if msg.token != p.token || p.phase != listing {
		return
	}
	if msg.unsent != nil || msg.err == nil {
		p.begun = true
	}
	for _, o := range msg.unsent {
		if p.claimed[o.JobID] == nil {
			p.claimed[o.JobID] = &job{
				Job: messages.Job{ID: o.JobID, Type: o.Type, Subject: o.Subject}, arrived: time.Now(), begun: o.At, done: true,
			}
			p.report(o, true)
		}
	}
	if msg.err != nil {
		p.pause("list claimed jobs", msg.err)
		return
	}
	p.accept(msg.jobs)
	p.poll()
}

// poll waits for new jobs, unless there is no room for them.
func (p *Jobs) poll() {
	room := maxClaimed - len(p.claimed)
	if room <= 0 {
		p.become(full)
		return
	}
	p.become(polling)
	token, limit := p.world.tokens.Next(), min(room, p.world.Daytona.PollLimit)
	p.token = token
	ctx, stop := context.WithCancel(p.life)
	p.stopPoll = stop
	p.world.workers.Go(func() {
		defer stop()
		result := jobsPolled{token: token}
		result.err = kernel.Guarded(p.log, func() (err error) {
			result.jobs, err = p.world.Daytona.Queue.Poll(ctx, p.world.Daytona.PollTimeout, limit)
			return err
		})
		p.self.Tell(result)
	})
}

func (p *Jobs) onPolled(msg jobsPolled) {
	if msg.token != p.token || p.phase != polling {
		return // of an earlier incarnation, or cut by the drain
	}
	if msg.err != nil {
		p.pause("poll for jobs", msg.err)
		return
	}
	p.failures, p.lastError = 0, ""
	p.world.metrics.jobs.polls.WithLabelValues("ok").Inc()
	p.accept(msg.jobs)
	p.poll()
}

// pause waits before the next try: longer from failure to failure, with jitter, and long when the
// API does not know us.
func (p *Jobs) pause(what string, err error) {
	kind := fault.KindOf(err)
	p.failures++
	p.lastError = what + ": " + err.Error()
	p.world.metrics.jobs.polls.WithLabelValues(kind.String()).Inc()
	longest := p.world.Daytona.PollTimeout
	wait := jittered(min(retryFirst<<min(p.failures-1, 16), longest))
	log := p.log.Warn
	if kind == fault.Unauthorized || kind == fault.Forbidden {
		wait, log = jittered(2*longest), p.log.Error
	}
	log("daytona's API gave no jobs", zap.String(obs.Op, what), zap.Error(err), zap.Int(obs.Attempt, p.failures),
		zap.Duration("retry_in", wait))
	p.become(pausing)
	p.token = p.world.tokens.Next()
	p.cancel()
	p.cancel = p.self.TellAfter(wait, pauseEnded{p.token})
}

// accept takes claimed jobs in, each once.
func (p *Jobs) accept(jobs []messages.Job) {
	for _, m := range jobs {
		if p.claimed[m.ID] != nil || p.settled[m.ID] {
			continue
		}
		j := &job{Job: m, arrived: time.Now()}
		p.claimed[m.ID] = j
		p.line = append(p.line, j)
		p.log.Info("job claimed", jobFields(m)...)
	}
	p.dispatch()
}

// dispatch begins what may begin. First those that are quick; then those that boot, which leave a
// quarter of the places to the others.
func (p *Jobs) dispatch() {
	p.world.metrics.jobs.claimed.Set(float64(len(p.claimed)))
	if p.phase == draining {
		return
	}
	places := p.world.Daytona.Concurrency
	for _, boots := range []bool{false, true} {
		room := places - len(p.busy)
		if boots {
			room = min(room, max(1, places*3/4)-p.boots)
		}
		p.line = slices.DeleteFunc(p.line, p.beginner(boots, room))
	}
	p.world.metrics.jobs.running.Set(float64(len(p.busy)))
}

// beginner begins up to room of the jobs that it is shown, in order, and says which.
func (p *Jobs) beginner(boots bool, room int) func(*job) bool {
	seen := map[string]bool{} // lanes with an earlier job in the line
	return func(j *job) bool {
		head := !seen[j.lane()] && p.busy[j.lane()] == nil
		seen[j.lane()] = true
		if !head || j.Boots != boots || room <= 0 {
			return false
		}
		room--
		p.begin(j)
		return true
	}
}

func (p *Jobs) onDone(msg jobDone) {
	j := msg.job
	if p.busy[j.lane()] != j {
		return // of an earlier incarnation
	}
	delete(p.busy, j.lane())
	if j.Boots {
		p.boots--
	}
	if msg.outcome == nil {
		delete(p.claimed, j.ID) // the next runner finds it in the list
	} else {
		j.done = true
		p.report(*msg.outcome, false)
	}
	p.dispatch()
	p.answerDrained()
}

func (p *Jobs) onSettled(msg jobSettled) {
	if p.reports[msg.subject] == msg.report {
		delete(p.reports, msg.subject)
	}
	delete(p.claimed, msg.id)
	p.settled[msg.id] = true
	p.remembered = append(p.remembered, msg.id)
	if len(p.remembered) > maxRemembered {
		delete(p.settled, p.remembered[0])
		p.remembered = p.remembered[1:]
	}
	p.world.metrics.jobs.claimed.Set(float64(len(p.claimed)))
	if p.phase == full {
		p.poll()
	}
	p.answerDrained()
}

// open lists whom jobs are about that the API has not been told the end of.
func (p *Jobs) open() openJobs {
	open := openJobs{known: p.begun, subjects: make(map[string]bool, len(p.claimed))}
	for _, j := range p.claimed {
		open.subjects[j.Subject] = true
	}
	return open
}

// onDrain takes no more jobs. Those at work end with their sandboxes' operations.
func (p *Jobs) onDrain() {
	p.become(draining)
	p.stopPoll()
	p.cancel()
	p.cancelBeat()
	for _, j := range p.line {
		delete(p.claimed, j.ID)
	}
	p.line = nil
	p.Answer(messages.Done{})
}

// answerDrained tells who stops the runner that no outcome is on its way. Boots go on without it.
func (p *Jobs) answerDrained() {
	if p.phase != draining {
		return
	}
	for _, j := range p.claimed {
		if j.done || !j.Boots {
			return
		}
	}
	for _, w := range p.draining {
		w.Send(messages.Done{})
	}
	p.draining = nil
}

// release ends the workers of this incarnation; what they did not report is on disk or in the list.
func (p *Jobs) release() {
	p.cancel()
	p.cancelBeat()
	p.end()
	failAll(p.draining, errClosing)
	p.draining = nil
}
