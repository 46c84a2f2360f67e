package actors

import (
	"context"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// note changes the record off the mailbox, beside whatever the device does; who asked is answered
// with the sandbox as it is then.
func (s *Sandbox) note(reply kernel.Reply, what string, change func(context.Context) error) {
	s.world.workers.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, saveLimit)
		defer cancel()
		err := kernel.Guarded(s.log, func() error { return change(ctx) })
		s.self.Tell(noted{reply, fault.Op(what, err)})
	})
}

func (s *Sandbox) onNoted(msg noted) {
	if msg.err != nil {
		msg.reply.Fail(msg.err)
		return
	}
	s.armTerm() // of which metadata may say something else now
	msg.reply.Send(s.info())
}

// onResize records new quotas; the next start asks the host for them.
func (s *Sandbox) onResize(msg messages.ResizeSandbox, reply kernel.Reply) {
	f := s.device.Facts()
	switch {
	case !f.Known:
		reply.Fail(s.unknown())
		return
	case s.op != nil:
		s.refuse(reply, "resize")
		return
	}
	next, err := resized(s.state, f, msg.Resources)
	s.world.metrics.container("resize", err)
	if err != nil {
		reply.Fail(fault.Op("resize sandbox "+string(s.id), err))
		return
	}
	s.note(reply, "record the new size", func(ctx context.Context) error { return s.device.Resize(ctx, next) })
}

// resized decides what the next start gets. A device that has booted keeps its disk: Cuttlefish makes
// a disk anew, without the guest's files, when the size of what lies below it changes
// (cuttlefish-cvd: the layout of the composite disk).
func resized(state sandbox.State, f *sandbox.Facts, want sandbox.Resources) (sandbox.Resources, error) {
	now := f.AtNextStart()
	next := want.OrDefault(now)
	switch {
	case next.DiskGB < now.DiskGB:
		return next, fault.Invalidf("the disk has %d GiB and can only grow: %d GiB were asked for", now.DiskGB, want.DiskGB)
	case next.DiskGB == now.DiskGB:
		return next, nil
	case state != sandbox.Stopped:
		return next, fault.Conflictf("disk resize requires a stopped sandbox: it is %s", state)
	case f.Created:
		return next, fault.Unsupportedf("the disk of a device that has booted cannot grow on Cuttlefish without losing its files: "+
			"create a sandbox with %d GiB instead", next.DiskGB)
	default:
		return next, nil
	}
}

// errNotEnforced is said after restrictions were recorded: silence would be taken for a promise.
var errNotEnforced = fault.Unsupportedf("the settings are recorded and shown, and not enforced: " +
	"Cuttlefish devices share the host's bridges, which the runner does not filter; restrict the network on the host")

// onNetwork records network settings.
func (s *Sandbox) onNetwork(msg messages.UpdateNetworkSettings, reply kernel.Reply) {
	f := s.device.Facts()
	if !f.Known {
		reply.Fail(s.unknown())
		return
	}
	network := msg.Change.Apply(f.Network)
	s.note(reply, "network settings of sandbox "+string(s.id), func(ctx context.Context) error {
		if err := s.device.SetNetwork(ctx, network); err != nil {
			return err
		}
		if network.Restricts() {
			return errNotEnforced
		}
		return nil
	})
}

// onRecover restarts a device that is not as it should be; see [messages.RecoverSandbox].
func (s *Sandbox) onRecover(msg messages.RecoverSandbox, reply kernel.Reply) {
	f := s.device.Facts()
	switch s.state {
	case sandbox.Creating, sandbox.Restoring, sandbox.PullingSnapshot, sandbox.Starting:
		s.op.join(reply)
	case sandbox.Stopping, sandbox.Resizing, sandbox.Destroying, sandbox.Destroyed:
		s.refuse(reply, "recover")
	case sandbox.Started, sandbox.Stopped, sandbox.Error, sandbox.Unknown:
		switch asItShould := s.seen.Life == sandbox.LifeRunning; {
		case !f.Known:
			reply.Fail(s.unknown())
		case msg.SkipStart && (s.state == sandbox.Stopped || !f.Created), // nothing is there to be ended
			!msg.SkipStart && s.state == sandbox.Started && asItShould:
			reply.Send(s.info())
		case s.state == sandbox.Stopped, !f.Created:
			s.startOrCreate(nil, reply)
		default:
			s.beginRecover(msg.SkipStart, reply)
		}
	}
}

func (s *Sandbox) beginRecover(skipStart bool, reply kernel.Reply) {
	limit := s.world.Limits.Stop + s.world.Limits.Start
	s.begin(opRecover, limit, func(ctx context.Context, report func(sandbox.Phase)) (outcome, error) {
		if err := s.device.Stop(ctx, true); err != nil {
			return outcome{}, fault.Op("end what is left of the device", err)
		}
		if err := s.tellAllocator(ctx, messages.ParkInstance{ID: s.id}); err != nil || skipStart {
			return outcome{}, err
		}
		return s.start(ctx, report)
	}, reply)
}
