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
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// StateBook is Daytona's record of sandboxes as the crash reporter uses it.
type StateBook interface {
	// Beliefs lists the sandboxes of this runner that the API takes for started or stopped, without
	// those that it is changing itself.
	Beliefs(ctx context.Context) (map[sandbox.ID]sandbox.State, error)
	// Report corrects a belief; taken is false when the API will not have it, for good.
	Report(ctx context.Context, r messages.StateReport) (taken bool, err error)
}

// ReportBox keeps reports on disk until they are settled, one for each sandbox.
type ReportBox interface {
	SaveReport(ctx context.Context, r messages.StateReport) error
	DropReport(ctx context.Context, id sandbox.ID) error
	// Reports lists what is kept; problems are files that could not be read and were moved aside.
	Reports(ctx context.Context) (kept []messages.StateReport, problems []error, err error)
}

const (
	maxCases     = 1024             // reports that wait; the next comparison finds what was left out
	maxSending   = 4                // reports on their way at a time
	longestQuiet = 10 * time.Minute // before a report that the API took, and did not believe, is repeated
)

// What the tree tells the crash reporter.
type (
	// sandboxDied is told by a sandbox whose device ended by itself: in Error, or Stopped when its Android
	// shut down in good order.
	sandboxDied struct {
		id     sandbox.ID
		state  sandbox.State
		reason string
	}
	// sandboxLost is told by supervision: the actor of a sandbox was given up.
	sandboxLost struct {
		id     sandbox.ID
		reason string
	}
	sandboxRuns struct{ id sandbox.ID } // told by a sandbox that became started
	sandboxGone struct{ id sandbox.ID } // told by a sandbox of which nothing is left
	compareSoon struct{}                // told by a sandbox that found out what became of it without us
)

// What it is told by itself and its workers.
type (
	reportsLoaded struct {
		kept []messages.StateReport
		err  error
	}
	// caseGathered says that a report is complete, and on disk.
	caseGathered struct {
		of     *crashCase
		report messages.StateReport
	}
	caseTried struct {
		of    *crashCase
		stand standing
		why   string // it was not sent
		taken bool
		err   error
	}
	caseForgotten struct{ of *crashCase }
	wakeTick      struct{ token kernel.Token }
)

// caseStage is what is being done about a case.
type caseStage string

const (
	gathering  caseStage = "gathering"  // the device's last words, and writing it down
	waiting    caseStage = "waiting"    // for its turn, for the API, or for the end of an operation
	sending    caseStage = "sending"    // to the API
	forgetting caseStage = "forgetting" // taking it off the disk
)

// crashCase is one report on its way. Only the reporter changes it; workers get a copy.
type crashCase struct {
	messages.StateReport
	lost  bool // it is about the actor: the device may well run
	found bool // by a comparison: it would be found again, and is not kept on disk
	stage caseStage
	due   time.Time
	holds int        // tries in a row that found it too early
	next  *crashCase // newer, and follows when the work in hand is over
}

// telling is what the API was told last about a sandbox that has not run since.
type telling struct {
	state sandbox.State
	at    time.Time
	times int // in a row
}

// Crashes tells Daytona what became of sandboxes without its doing: of a device that died, of an actor
// that was given up, and of whatever differs when it compares beliefs with the truth.
//
//	died, lost ──▶ gathering ──▶ waiting ──▶ sending ─┬─ taken, refused, outdated ──▶ forgetting
//	difference ──▶ (last words,    ▲                  │
//	on disk ───▶    on disk)       └─ API away, busy ─┘
//
// There is one case for each sandbox, and the newest counts. Before each try the sandbox is asked
// whether the report is still true: one that runs again, or is gone, is not reported; one that is being
// probed, has an operation in flight or an open job, is asked again later, for what comes of that is
// reported by the job. A report is on disk before it is sent and until it is settled, so that a runner
// that is killed in between reports when it is back.
//
// A restarted reporter knows nothing: it reads the disk and compares.
type Crashes struct {
	kernel.Base
	world *world
	self  *kernel.Ref
	log   *zap.Logger
	life  context.Context // of this incarnation; its workers end with it
	end   context.CancelFunc

	loaded    bool
	cases     map[sandbox.ID]*crashCase
	told      map[sandbox.ID]telling
	sending   int
	failures  int       // tries in a row that did not reach the API
	restUntil time.Time // it is not tried before
	lastError string
	waking    kernel.Token
	cancel    func() // the timer of waking

	sync comparing
}

func newCrashes(w *world, self *kernel.Ref) *Crashes {
	return &Crashes{
		world: w, self: self, log: w.Log.Named("crashes"), cancel: func() {}, sync: comparing{cancel: func() {}},
		cases: map[sandbox.ID]*crashCase{}, told: map[sandbox.ID]telling{},
	}
}

// Receive decides; logs are read, files written and the API is called by workers.
func (c *Crashes) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		c.life, c.end = context.WithCancel(c.world.life)
		c.load()
	case reportsLoaded:
		c.onLoaded(msg)
	case sandboxDied:
		c.onDied(msg)
	case sandboxLost:
		c.onLost(msg)
	case sandboxRuns:
		c.reconsider(msg.id)
	case sandboxGone:
		c.reconsider(msg.id)
	case caseGathered:
		c.onGathered(msg)
	case caseTried:
		c.onTried(msg)
	case caseForgotten:
		c.onForgotten(msg)
	case wakeTick:
		if msg.token == c.waking {
			c.dispatch()
		}
	case compareSoon:
		c.compareSoon()
	case compareTick:
		c.onCompare(msg)
	case compared:
		c.onCompared(msg)
	case messages.Describe:
		c.Answer(c.describe())
	case *actor.Stopping, *actor.Restarting:
		c.release()
	case *actor.Stopped:
	default:
		c.Refuse(fault.Internalf("crashes does not know %T", msg))
	}
}

// noteTransition tells the crash reporter what a sandbox's change of state means to Daytona. Changes
// by an operation mean nothing: who ordered it hears how it ended.
func (w *world) noteTransition(id sandbox.ID, from, to sandbox.State, reason string) {
	if w.crashes == nil {
		return
	}
	switch ended := to == sandbox.Stopped || to == sandbox.Error; {
	case to == sandbox.Started:
		w.crashes.Tell(sandboxRuns{id})
	case to == sandbox.Destroyed:
		w.crashes.Tell(sandboxGone{id})
	case ended && from == sandbox.Started:
		w.crashes.Tell(sandboxDied{id, to, reason})
	case ended && from == sandbox.Unknown:
		w.crashes.Tell(compareSoon{})
	}
}

// noteOwnWill tells it that the runner stopped a sandbox that nobody had asked it to stop.
func (w *world) noteOwnWill() {
	if w.crashes != nil {
		w.crashes.Tell(compareSoon{})
	}
}

// noteLost tells it that the actor of a sandbox was given up.
func (w *world) noteLost(id sandbox.ID, reason string) {
	if w.crashes != nil {
		w.crashes.Tell(sandboxLost{id, reason})
	}
}

func (c *Crashes) onLoaded(msg reportsLoaded) {
	if msg.err != nil {
		c.lastError = msg.err.Error()
		c.log.Error("reports of an earlier runner cannot be read; the comparison finds most of it again", zap.Error(msg.err))
	}
	c.loaded = true
	for _, r := range msg.kept {
		if c.cases[r.ID] == nil { // or it died again meanwhile, and that counts
			c.cases[r.ID] = &crashCase{StateReport: r, stage: waiting, due: time.Now()}
		}
	}
	c.dispatch()
	c.compare()
}

func (c *Crashes) onDied(msg sandboxDied) {
	about := []zap.Field{zap.String(obs.SandboxID, string(msg.id)), zap.String(obs.Reason, msg.reason)}
	if msg.state == sandbox.Error {
		c.world.metrics.crashes.happened.WithLabelValues("device").Inc()
		c.log.Error("a device died", about...)
	} else {
		c.log.Info("a device ended by itself, in good order", about...)
	}
	c.open(&crashCase{StateReport: messages.StateReport{
		ID: msg.id, State: msg.state, Reason: msg.reason, Recoverable: msg.state == sandbox.Error, At: time.Now(),
	}})
}

// onLost reports an actor once: it is tried again each minute, and given up again.
func (c *Crashes) onLost(msg sandboxLost) {
	if k := c.cases[msg.id]; k != nil && k.State == sandbox.Error || c.told[msg.id].state == sandbox.Error {
		return
	}
	c.world.metrics.crashes.happened.WithLabelValues("actor").Inc()
	c.log.Error("an actor was given up", zap.String(obs.SandboxID, string(msg.id)), zap.String(obs.Reason, msg.reason))
	c.open(&crashCase{lost: true, StateReport: messages.StateReport{
		ID: msg.id, State: sandbox.Error, Recoverable: true, At: time.Now(),
		Reason: "the runner cannot look after the sandbox: its actor keeps failing (" + msg.reason + "); its device was left alone",
	}})
}

// open makes a case, which takes the place of an older one.
func (c *Crashes) open(k *crashCase) {
	if old := c.cases[k.ID]; old != nil && old.stage != waiting {
		old.next = k
		return
	}
	if c.cases[k.ID] == nil && len(c.cases) >= maxCases {
		c.log.Error("too many reports wait; this one is left to the comparison", zap.String(obs.SandboxID, string(k.ID)))
		return
	}
	c.cases[k.ID] = k
	c.gather(k)
}

// reconsider follows a sandbox that runs again, or is gone: what it was reported for is over.
func (c *Crashes) reconsider(id sandbox.ID) {
	delete(c.told, id)
	k := c.cases[id]
	if k == nil {
		return
	}
	k.next, k.due, k.holds = nil, time.Now(), 0
	c.dispatch() // which asks it
}

func (c *Crashes) onGathered(msg caseGathered) {
	if c.cases[msg.of.ID] != msg.of {
		return // of an earlier incarnation
	}
	if c.followed(msg.of) {
		return
	}
	msg.of.StateReport = msg.report
	msg.of.stage, msg.of.due = waiting, time.Now()
	c.dispatch()
}

// followed goes on with what is newer than k.
func (c *Crashes) followed(k *crashCase) bool {
	if k.next == nil {
		return false
	}
	c.cases[k.ID] = k.next
	c.gather(k.next)
	return true
}

// dispatch sends what is due, oldest first, and sets the timer for the rest.
func (c *Crashes) dispatch() {
	c.cancel()
	c.world.metrics.crashes.open.Set(float64(len(c.cases)))
	if !c.loaded {
		return
	}
	now := time.Now()
	var next time.Time
	for _, k := range c.inOrder() {
		if k.stage != waiting || c.sending >= maxSending {
			continue
		}
		at := k.due
		if c.restUntil.After(at) {
			at = c.restUntil
		}
		if !at.After(now) {
			c.send(k)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if !next.IsZero() {
		c.waking = c.world.tokens.Next()
		c.cancel = c.self.TellAfter(time.Until(next), wakeTick{c.waking})
	}
}

func (c *Crashes) inOrder() []*crashCase {
	all := make([]*crashCase, 0, len(c.cases))
	for _, k := range c.cases {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *crashCase) int { return a.At.Compare(b.At) })
	return all
}

func (c *Crashes) onTried(msg caseTried) {
	k := msg.of
	if c.cases[k.ID] != k {
		return // of an earlier incarnation
	}
	c.sending--
	outcome := c.judge(msg)
	c.world.metrics.crashes.reports.WithLabelValues(outcome).Inc()
	if msg.stand == stillTrue && msg.err == nil {
		c.reached()
	}
	switch {
	case c.followed(k):
	case msg.err != nil && (passing(msg.err) || fault.Is(msg.err, fault.Forbidden)): // operators mend tokens
		k.stage, k.due = waiting, time.Now()
		c.rest(msg.err)
	case msg.stand == notNow:
		k.stage, k.due = waiting, time.Now().Add(jittered(min(retryFirst<<min(k.holds, 16), c.world.Daytona.PollTimeout)))
		k.holds++
	default:
		c.forget(k)
	}
	c.dispatch()
}

// judge logs what came of a try and names it.
func (c *Crashes) judge(msg caseTried) (outcome string) {
	k := msg.of
	log := c.log.With(zap.String(obs.SandboxID, string(k.ID)), zap.String(obs.State, string(k.State)), zap.String(obs.Reason, k.Reason))
	switch {
	case msg.err != nil:
		c.lastError = "report " + string(k.ID) + ": " + msg.err.Error()
		log.Warn("report kept: the API did not take it", zap.Error(msg.err))
		return fault.KindOf(msg.err).String()
	case msg.stand == notNow:
		log.Debug("report waits", zap.String("for", msg.why))
		return "too_early"
	case msg.stand == over:
		log.Info("report dropped: it is no longer true", zap.String("because", msg.why))
		return "outdated"
	}
	was := c.told[k.ID]
	now := telling{state: k.State, at: time.Now(), times: 1}
	if was.state == k.State {
		now.times = was.times + 1
	}
	c.told[k.ID] = now
	if !msg.taken {
		return "not_taken" // the door said why
	}
	log.Info("Daytona was told what became of the sandbox")
	return "taken"
}

// reached notes that the API is there.
func (c *Crashes) reached() {
	c.failures, c.restUntil, c.lastError = 0, time.Time{}, ""
}

// rest leaves the API alone for a while: longer from failure to failure, with jitter, and long when
// it does not know us.
func (c *Crashes) rest(err error) {
	longest := c.world.Daytona.PollTimeout
	wait := jittered(min(retryFirst<<min(c.failures, 16), longest))
	if fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.Forbidden) {
		wait = jittered(2 * longest)
	}
	c.failures++
	c.restUntil = time.Now().Add(wait)
}

func (c *Crashes) onForgotten(msg caseForgotten) {
	if c.cases[msg.of.ID] != msg.of || c.followed(msg.of) {
		return
	}
	delete(c.cases, msg.of.ID)
	c.dispatch()
}

// release ends the workers of this incarnation; what they did not settle is on disk, or found again.
func (c *Crashes) release() {
	c.cancel()
	c.sync.cancel()
	c.end()
	c.world.metrics.crashes.open.Set(0)
}
