package actors

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// maxNumbersTried bounds the search for a number that no stranger holds.
const maxNumbersTried = 4

// onCommand decides one command, or holds it back until the device has been looked at.
func (s *Sandbox) onCommand(msg any, reply kernel.Reply) {
	if s.draining {
		reply.Fail(errClosing)
		return
	}
	if s.state == sandbox.Destroyed {
		s.handBack(msg, reply)
		return
	}
	if s.state == sandbox.Unknown && s.probing != 0 && s.seen.At.IsZero() {
		if len(s.waiting) >= maxPending {
			reply.Fail(fault.Unavailablef("sandbox %s is being looked at; try again", s.id))
			return
		}
		s.waiting = append(s.waiting, pending{msg, reply})
		return
	}
	if verb := revives(msg); verb != "" && s.device.Facts().Intent == sandbox.IntentDestroyed {
		s.refuse(reply, verb) // a destroy that left something is tried again until it is true
		return
	}
	if revives(msg) != "" && s.op == nil && s.state != sandbox.Started {
		s.healing = healing{} // somebody looks after it
	}
	switch msg := msg.(type) {
	case messages.CreateSandbox:
		s.onCreate(msg, reply)
	case messages.StartSandbox:
		s.onStart(msg, reply)
	case messages.StopSandbox:
		s.onStop(msg, reply)
	case messages.DestroySandbox:
		s.onDestroy(reply)
	case messages.RecoverSandbox:
		s.onRecover(msg, reply)
	case messages.ResizeSandbox:
		s.onResize(msg, reply)
	case messages.UpdateNetworkSettings:
		s.onNetwork(msg, reply)
	case messages.ForgetSandbox:
		s.onForget(reply)
	}
}

// revives names the command if it wants the sandbox to go on living, in whatever state.
func revives(msg any) (verb string) {
	switch msg.(type) {
	case messages.CreateSandbox:
		return "create"
	case messages.StartSandbox:
		return "start"
	case messages.StopSandbox:
		return "stop"
	case messages.RecoverSandbox:
		return "recover"
	case messages.ResizeSandbox:
		return "resize"
	default:
		return ""
	}
}

// handBack deals with what reaches the actor of a sandbox that is no more. Root has been told
// so before it gets to see the create again, and holds it until the name is free.
func (s *Sandbox) handBack(msg any, reply kernel.Reply) {
	if create, ok := msg.(messages.CreateSandbox); ok {
		s.world.root.Forward(create, reply)
		return
	}
	addressed, ok := msg.(messages.Addressed)
	if !ok {
		reply.Fail(fault.Internalf("sandbox actor cannot hand back %T", msg))
		return
	}
	answer, err := answerForUnknown(addressed)
	if err != nil {
		reply.Fail(err)
		return
	}
	reply.Send(answer)
}

// resume decides the commands that waited for the first look.
func (s *Sandbox) resume() {
	waiting := s.waiting
	s.waiting = nil
	for _, p := range waiting {
		s.onCommand(p.msg, p.reply)
	}
}

// refuse says that the state does not allow the command.
func (s *Sandbox) refuse(reply kernel.Reply, verb string) {
	s.world.metrics.commandsRefused.WithLabelValues(verb, string(s.state)).Inc()
	reply.Fail(fault.Conflictf("cannot %s sandbox %s: it is %s%s", verb, s.id, s.state, because(s.reason)))
}

func (s *Sandbox) onCreate(msg messages.CreateSandbox, reply kernel.Reply) {
	switch s.state {
	case sandbox.Creating, sandbox.Restoring, sandbox.PullingSnapshot, sandbox.Starting:
		s.op.join(reply)
	case sandbox.Started:
		reply.Send(s.info())
	case sandbox.Stopped, sandbox.Error, sandbox.Unknown:
		f := s.device.Facts()
		switch {
		case s.state == sandbox.Stopped && msg.Spec.SkipStart:
			reply.Send(s.info())
		case f.Created:
			s.beginStart(reply)
		default:
			s.beginCreate(msg.Spec, reply)
		}
	case sandbox.Stopping, sandbox.Resizing, sandbox.Destroying, sandbox.Destroyed:
		s.refuse(reply, "create")
	}
}

func (s *Sandbox) onStart(msg messages.StartSandbox, reply kernel.Reply) {
	switch s.state {
	case sandbox.Starting:
		s.op.join(reply)
	case sandbox.Started:
		s.expiry.usage.Touch()
		s.annotate(msg.Metadata, reply)
	case sandbox.Stopped, sandbox.Error, sandbox.Unknown:
		s.startOrCreate(msg.Metadata, reply)
	case sandbox.Creating, sandbox.Restoring, sandbox.PullingSnapshot, sandbox.Stopping, sandbox.Resizing,
		sandbox.Destroying, sandbox.Destroyed:
		s.refuse(reply, "start")
	}
}

// startOrCreate boots the device with its files, or for the first time if it has none yet.
func (s *Sandbox) startOrCreate(metadata map[string]string, reply kernel.Reply) {
	switch f := s.device.Facts(); {
	case !f.Known:
		reply.Fail(s.unknown())
	case f.Created || f.Instance != 0 && f.Failure == "" && f.Snapshot == "":
		s.beginStart(reply, metadata)
	default:
		s.beginCreate(f.Spec(), reply)
	}
}

func (s *Sandbox) unknown() error {
	return fault.NotFoundf("sandbox %s does not exist on this runner", s.id)
}

// annotate records new metadata of a running sandbox; a start that finds the device running
// changes nothing else.
func (s *Sandbox) annotate(metadata map[string]string, reply kernel.Reply) {
	if metadata == nil {
		reply.Send(s.info())
		return
	}
	s.note(reply, "record metadata", func(ctx context.Context) error { return s.device.Annotate(ctx, metadata) })
}

func (s *Sandbox) onStop(msg messages.StopSandbox, reply kernel.Reply) {
	switch s.state {
	case sandbox.Stopping:
		s.stayStopped()
		s.op.join(reply)
	case sandbox.Stopped:
		if s.device.Facts().Halted {
			s.stayStopped()
			s.leaveStopped(reply)
			return
		}
		reply.Send(s.info())
	case sandbox.Started, sandbox.Error, sandbox.Unknown:
		if !s.device.Facts().Known {
			reply.Fail(s.unknown())
			return
		}
		s.beginStop("", msg.Force, reply)
	case sandbox.Starting:
		if s.op.kind != opRestart {
			s.refuse(reply, "stop")
			return
		}
		s.haltRestart(msg.Force, reply)
	case sandbox.Creating, sandbox.Restoring, sandbox.PullingSnapshot, sandbox.Resizing, sandbox.Destroying, sandbox.Destroyed:
		s.refuse(reply, "stop")
	}
}

// onDestroy cancels what is in flight; the destroy begins when that has ended.
func (s *Sandbox) onDestroy(reply kernel.Reply) {
	s.endCapture(errSuperseded)
	switch {
	case s.op == nil:
		s.beginDestroy(reply)
	case s.op.kind == opDestroy:
		s.op.join(reply)
	case s.doomed != nil:
		*s.doomed = append(*s.doomed, reply)
	default:
		s.doomed = &[]kernel.Reply{reply}
		s.op.cancel(errSuperseded)
	}
}

func (s *Sandbox) beginDestroy(waiters ...kernel.Reply) {
	s.begin(opDestroy, s.world.Limits.Destroy, func(ctx context.Context, _ func(sandbox.Phase)) (outcome, error) {
		if err := s.device.Destroy(ctx); err != nil {
			return outcome{}, err
		}
		if err := s.tellAllocator(ctx, messages.ReleaseInstance{ID: s.id}); err != nil {
			return outcome{}, err
		}
		return outcome{}, s.device.Forget(ctx)
	}, waiters...)
}

func (s *Sandbox) onForget(reply kernel.Reply) {
	if s.device.Facts().Instance != 0 || s.op != nil {
		s.refuse(reply, "forget")
		return
	}
	s.beginDestroy(reply)
}

func (s *Sandbox) beginCreate(spec sandbox.Spec, reply kernel.Reply) {
	spec.Resources = spec.Resources.OrDefault(s.world.Defaults)
	s.begin(opCreate, s.world.Limits.Create, func(ctx context.Context, report func(sandbox.Phase)) (outcome, error) {
		err := s.create(ctx, spec, report)
		if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
			// The device cleaned up behind itself; what it could not remove keeps its number.
			err = errors.Join(err, s.releaseIfEmpty())
		}
		return outcome{}, err
	}, reply)
}

// create finds a number that works. The allocator knows our own devices; strangers are only
// found when cvd, or a port that is in use, says so.
func (s *Sandbox) create(ctx context.Context, spec sandbox.Spec, report func(sandbox.Phase)) error {
	known := s.device.Facts().Known
	if err := s.world.fetch(ctx, spec.Snapshot, report); err != nil {
		return err
	}
	if err := s.device.Prepare(ctx, spec); err != nil {
		return err
	}
	spec.Resources = s.device.Facts().Resources // a snapshot's data need a disk of their size
	var avoid []sandbox.Instance
	for {
		answer, err := s.world.allocator.Ask(ctx, messages.ReserveInstance{ID: s.id, Resources: spec.Resources, Avoid: avoid})
		if err != nil && !known && len(avoid) == 0 {
			return errors.Join(err, s.device.Forget(ctx)) // refused: as if it had never been asked
		} else if err != nil {
			return err
		}
		got, ok := answer.(messages.InstanceReserved)
		if !ok {
			return fault.Internalf("the allocator answered %T", answer)
		}
		err = s.device.Create(ctx, got.Instance, report)
		var taken *sandbox.NumberTaken
		if !errors.As(err, &taken) || len(avoid) >= maxNumbersTried {
			return err
		}
		s.log.Warn("instance number is taken by a stranger", zap.Int("instance", int(taken.Instance)), zap.String("by", taken.By))
		avoid = append(avoid, taken.Instance)
	}
}

func (s *Sandbox) releaseIfEmpty() error {
	if s.device.Facts().Instance != 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.life, saveLimit)
	defer cancel()
	return s.tellAllocator(ctx, messages.ReleaseInstance{ID: s.id})
}

func (s *Sandbox) tellAllocator(ctx context.Context, msg any) error {
	_, err := s.world.allocator.Ask(ctx, msg)
	return err
}

// beginStart boots a device that exists.
func (s *Sandbox) beginStart(reply kernel.Reply, metadata ...map[string]string) {
	s.begin(opStart, s.world.Limits.Start, func(ctx context.Context, report func(sandbox.Phase)) (outcome, error) {
		for _, m := range metadata {
			if m == nil {
				continue
			}
			if err := s.device.Annotate(ctx, m); err != nil {
				return outcome{}, fault.Op("record metadata", err)
			}
		}
		return s.start(ctx, report)
	}, reply)
}

// start boots the device. Its memory was given back when it stopped, so the host is asked for it
// again, or for what it was resized to meanwhile.
func (s *Sandbox) start(ctx context.Context, report func(sandbox.Phase)) (outcome, error) {
	want := s.device.Facts().AtNextStart()
	if err := s.tellAllocator(ctx, messages.ReserveInstance{ID: s.id, Resources: want}); err != nil {
		return outcome{}, err
	}
	recreated, err := s.device.Start(ctx, report)
	return outcome{recreated: recreated}, err
}
