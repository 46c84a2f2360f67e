package actors

import (
	"context"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

type (
	// haltSandbox asks a sandbox to stop for a snapshot, if it runs, and goOn to run again if it was stopped for one, unless
	// somebody stopped or started it meanwhile. Answered with sandbox.Info.
	haltSandbox struct{}
	goOn        struct{}
)

// rest is a stop for a snapshot, after which the sandbox goes on. That it is to is on record as well, for the next runner. Its
// memory stays promised to it meanwhile.
type rest struct {
	stay    bool           // somebody wants it to stay stopped
	waiters []kernel.Reply // who asked it to go on before it had stopped
}

func (s *Sandbox) onHalt() {
	switch {
	case s.state == sandbox.Stopped && s.op == nil:
		s.Answer(s.info()) // nothing is to be stopped
	case s.state != sandbox.Started || s.op != nil || s.capture != nil:
		s.refuse(s.Take(), "snapshot")
	default:
		s.rest = &rest{}
		s.begin(opStop, s.world.Limits.Stop, func(ctx context.Context, _ func(sandbox.Phase)) (outcome, error) {
			return outcome{}, s.device.Halt(ctx)
		}, s.Take())
	}
}

func (s *Sandbox) onGoOn(reply kernel.Reply) {
	switch {
	case s.draining:
		reply.Fail(errClosing) // the next runner starts it
	case s.op != nil && s.op.kind == opStop && s.rest != nil:
		s.rest.waiters = append(s.rest.waiters, reply)
	case s.op != nil:
		s.op.join(reply)
	case !s.device.Facts().Halted:
		reply.Send(s.info())
	case s.rest != nil && s.rest.stay:
		s.leaveStopped(reply)
	default:
		s.rest = nil
		s.beginStart(reply)
	}
}

// stayStopped notes that somebody wants it stopped, whatever it was stopped for.
func (s *Sandbox) stayStopped() {
	if s.rest != nil {
		s.rest.stay = true
	}
}

// leaveStopped takes off the record that it is to go on, and gives its memory back.
func (s *Sandbox) leaveStopped(reply kernel.Reply) {
	s.note(reply, "leave it stopped", func(ctx context.Context) error {
		if err := s.device.StayHalted(ctx); err != nil {
			return err
		}
		return s.tellAllocator(ctx, messages.ParkInstance{ID: s.id})
	})
}

// rested does what was asked for while it stopped.
func (s *Sandbox) rested() {
	if s.rest == nil || s.op != nil {
		return
	}
	if s.rest.stay {
		s.leaveStopped(kernel.Reply{})
	}
	waiters := s.rest.waiters
	s.rest.waiters = nil
	for _, w := range waiters {
		s.onGoOn(w)
	}
}

func (s *Sandbox) dropRest(why error) {
	if s.rest != nil {
		failAll(s.rest.waiters, why)
		s.rest = nil
	}
}
