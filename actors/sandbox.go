package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// maxPending bounds the commands that wait for the first look at a device.
const maxPending = 64

// What a sandbox tells itself.
type (
	// done is the outcome of the operation with this token.
	done struct {
		token kernel.Token
		err   error
		seen  sandbox.Observation
		// recreated: a start found nothing left and made a new device.
		recreated bool
	}

	// probed is the outcome of a look at the device outside of operations.
	probed struct {
		token kernel.Token
		seen  sandbox.Observation
	}

	// phaseReached is progress of the operation with this token.
	phaseReached struct {
		token kernel.Token
		phase sandbox.Phase
	}

	// noted is the outcome of a change of the record outside of operations.
	noted struct {
		reply kernel.Reply
		err   error
	}

	// adbChanged says that the ADB connection came or went.
	adbChanged struct{}

	healthTick struct{ token kernel.Token }
)

// Sandbox owns one sandbox: its device's processes, ADB connection, ports and health tick.
//
//	             CreateSandbox           booted
//	unknown ──┬─────────────▶ creating ─────────▶ started ◀─────────┐ booted
//	 (probe)  │                  │ failed           │ StopSandbox    │
//	          │                  ▼                  ▼                │
//	          ├──────────────▶ error ◀─ failed ─ stopping         starting
//	          │                  │ StartSandbox     │ halted         ▲
//	          │                  └──────────────────┼───────────────▶│
//	          └───────────────────────────────▶ stopped ─────────────┘ StartSandbox
//
// From every state DestroySandbox leads to destroying and, verified, to destroyed and out of
// the tree. A device that is found dead goes from started to error, one that was switched off in order
// to stopped. With [Healing] it goes from started to starting, as often as that allows. Unknown is where
// every incarnation begins, and where a device is of which no layer can say anything.
//
// The state is never persisted: it is found by looking at the device and at the intent on
// record. Restarting the actor, restarting the runner and first boot are one path.
type Sandbox struct {
	kernel.Base
	world  *world
	self   *kernel.Ref
	id     sandbox.ID
	device Device
	log    *zap.Logger
	life   context.Context // of this incarnation; its workers end with it
	end    context.CancelFunc

	state     sandbox.State
	since     time.Time
	reason    string
	recreated bool
	seen      sandbox.Observation

	op       *operation      // the one operation in flight; nil when idle
	doomed   *[]kernel.Reply // destroy is asked for and begins when op has ended
	waiting  []pending       // commands held back until the first look
	draining bool            // the runner is stopping
	drained  []kernel.Reply  // who waits for op to end, to stop the runner

	lease    chan struct{} // open while started
	probing  kernel.Token  // the look in flight; 0: none
	again    bool          // look once more after it
	ticking  kernel.Token
	nextTick time.Time
	cancel   func() // the pending tick
	misses   int    // looks in a row that told nothing
	absences int    // looks in a row that found it absent although it is started
	missedAt time.Time

	healing healing
	mending mending
	capture *capture // nil: none is under way
	rest    *rest    // nil: it was not stopped for a snapshot
	backup  sandbox.Backup
	expiry  expiry
	journal journal
}

func newSandbox(w *world, self *kernel.Ref, id sandbox.ID, d Device) *Sandbox {
	return &Sandbox{
		world: w, self: self, id: id, device: d, state: sandbox.Unknown, since: time.Now(), expiry: expiry{usage: &messages.Usage{}},
		log: w.Log.With(zap.String(obs.SandboxID, string(id))), cancel: func() {},
	}
}

// Receive handles what is the same in every state and leaves commands to onCommand.
func (s *Sandbox) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		s.onStarted()
	case *actor.Stopping, *actor.Restarting:
		s.release()
	case *actor.Stopped:
		s.device.Close()
	case messages.GetSandbox:
		s.Answer(s.info())
	case messages.Describe:
		s.Answer(s.describe())
	case messages.AttachSandbox:
		s.onAttach()
	case phaseReached:
		s.onPhase(msg)
	case done:
		s.onDone(msg)
	case probed:
		s.onProbed(msg)
	case noted:
		s.onNoted(msg)
	case tidied:
		s.onTidied(msg)
	case captureSandbox:
		s.onCapture(msg)
	case haltSandbox:
		s.onHalt()
	case goOn:
		s.onGoOn(s.Take())
	case captureReached:
		s.onCaptureReached(msg)
	case captured:
		s.onCaptured(msg)
	case messages.BackUpSandbox:
		s.onBackUp(msg.Ref, s.Take())
	case messages.BeginBackUp:
		s.onBeginBackUp(msg.Ref)
	case backedUp:
		s.onBackedUp(msg)
	case adbChanged:
		s.look()
	case recalled:
		s.onRecalled(msg)
	case journalTick:
		s.saveJournal()
	case journalSaved:
		s.onJournalSaved(msg)
	case messages.GetTransitions:
		s.Answer(messages.Transitions{ID: s.id, Transitions: s.journal.list()})
	case termTick:
		s.onTerm(msg)
	case healthTick:
		if msg.token == s.ticking {
			s.look()
		}
	case drain:
		s.onDrain()
	case messages.CreateSandbox, messages.StartSandbox, messages.StopSandbox, messages.DestroySandbox, messages.RecoverSandbox,
		messages.ResizeSandbox, messages.UpdateNetworkSettings, messages.ForgetSandbox:
		s.onCommand(msg, s.Take())
	default:
		s.Refuse(fault.Internalf("sandbox actor does not know %T", msg))
	}
}

// onStarted begins to find out what is true. A sandbox without record has nothing to look at.
func (s *Sandbox) onStarted() {
	s.life, s.end = context.WithCancel(s.world.life)
	s.world.metrics.enter(s.state)
	s.recall()
	if s.device.Facts().Known {
		s.look()
	}
}

// release lets go of everything but the device: workers, leases, timers, and who waits.
func (s *Sandbox) release() {
	if s.op != nil {
		fate := "continues"
		switch {
		case !s.device.Facts().Known:
			fate = "had not begun" // nothing is on record that a successor could carry on
		case !s.op.kind.survives():
			fate = "was cut short"
		}
		s.op.fail(fault.New(fault.Cancelled, "%s of sandbox %s %s; ask again", s.op.kind, s.id, fate))
	}
	if s.doomed != nil {
		failAll(*s.doomed, errClosing)
	}
	for _, p := range s.waiting {
		p.reply.Fail(errClosing)
	}
	failAll(s.drained, errClosing)
	s.dropHalt(errClosing)
	s.dropRest(errClosing)
	s.endCapture(errClosing)
	s.healing, s.mending = healing{}, mending{}
	s.op, s.doomed, s.waiting, s.drained = nil, nil, nil, nil
	s.cancel()
	if s.expiry.cancel != nil {
		s.expiry.cancel()
	}
	s.closeJournal()
	s.end()
	if !s.draining { // the device stays started when the runner ends; its doors end their streams themselves
		s.endLease()
	}
	s.world.metrics.leave(s.state)
}

func failAll(replies []kernel.Reply, err error) {
	for _, r := range replies {
		r.Fail(err)
	}
}

// become is the one door between states.
func (s *Sandbox) become(next sandbox.State, reason string) {
	if !s.state.CanBecome(next) {
		s.log.Error("unlawful transition", zap.String(obs.From, string(s.state)), zap.String(obs.To, string(next)))
	}
	s.reason = reason
	if next == s.state {
		return
	}
	s.log.Info("state changed", zap.String(obs.From, string(s.state)), zap.String(obs.To, string(next)),
		zap.String(obs.Reason, reason), zap.Duration(obs.Took, time.Since(s.since)))
	s.world.noteTransition(s.id, s.state, next, reason)
	s.world.metrics.leave(s.state)
	s.world.metrics.enter(next)
	s.record(sandbox.Transition{From: s.state, To: next, Reason: reason, At: time.Now()})
	s.state, s.since = next, time.Now()
	s.armTerm()
	if next == sandbox.Stopped && !s.device.Facts().Halted || next == sandbox.Error && s.seen.Life == sandbox.LifeAbsent {
		s.world.allocator.Tell(messages.ParkInstance{ID: s.id}) // whatever it died of, its memory is free
	}
	if next == sandbox.Started {
		s.lease = make(chan struct{})
		return
	}
	s.endLease()
}

func (s *Sandbox) endLease() {
	if s.lease != nil {
		close(s.lease)
		s.lease = nil
	}
}

func (s *Sandbox) onAttach() {
	if s.state != sandbox.Started {
		s.Refuse(fault.Conflictf("sandbox %s is %s%s: is the sandbox started?", s.id, s.state, because(s.reason)))
		return
	}
	granted := messages.Lease{Serial: s.device.Facts().ADBSerial, Done: s.lease}
	if s.term().Idle > 0 {
		granted.Usage = s.expiry.usage
		granted.Usage.Touch()
	}
	s.Answer(granted)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// info is what is known now.
func (s *Sandbox) info() sandbox.Info {
	f := s.device.Facts()
	info := sandbox.Info{
		ID: s.id, State: s.state, Since: s.since, ObservedAt: s.seen.At, Life: s.seen.Life, Reason: s.reason,
		Evidence: s.evidence(), Instance: f.Instance, ADBPort: f.ADBPort, ADBSerial: f.ADBSerial,
		Snapshot: f.Snapshot, Resources: f.Resources, Next: f.Next, Network: f.Network, Metadata: f.Metadata, Recreated: s.recreated, Backup: s.backup,
	}
	if s.op != nil {
		info.Reason = s.op.describe()
	}
	return info
}

// onDrain is asked when the runner stops. A launch goes on without us; a stop or destroy in
// flight is let end, so that no cvd is cut off half-way.
func (s *Sandbox) onDrain() {
	s.draining = true
	if s.op != nil && !s.op.kind.survives() {
		s.drained = append(s.drained, s.Take())
		return
	}
	s.Answer(messages.Done{})
}
