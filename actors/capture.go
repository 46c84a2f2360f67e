package actors

import (
	"context"
	"time"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// captureLimit bounds the saving of a device's data.
const captureLimit = 30 * time.Minute

type (
	// captureSandbox asks a sandbox to save its device's data as a snapshot. Answered with Done.
	captureSandbox struct{ name string }

	// captureReached is how far a capture is, and captured its outcome.
	captureReached struct {
		token kernel.Token
		phase sandbox.Phase
	}
	captured struct {
		token kernel.Token
		err   error
	}
)

// capture is a snapshot that is being taken of the device. It is no operation: the sandbox stays what it is, and what is
// asked of it waits only while the device's files are copied. A destroy ends the capture.
type capture struct {
	name   string
	token  kernel.Token
	since  time.Time
	cancel context.CancelCauseFunc
	phase  sandbox.Phase
	reply  kernel.Reply
}

func (s *Sandbox) onCapture(msg captureSandbox) {
	switch {
	case s.capture != nil:
		s.Refuse(fault.Conflictf("sandbox %s is being saved as %s already", s.id, s.capture.name))
		return
	case !s.device.Facts().Known:
		s.Refuse(s.unknown())
		return
	case s.state != sandbox.Started && s.state != sandbox.Stopped || s.op != nil:
		s.refuse(s.Take(), "snapshot")
		return
	}
	ctx, cancel := context.WithCancelCause(s.life)
	c := &capture{name: msg.name, token: s.world.tokens.Next(), since: time.Now(), cancel: cancel}
	s.capture = c
	reply := s.Take()
	c.reply = reply
	ctx, free := context.WithTimeoutCause(reply.Trace(ctx), captureLimit, fault.Timeoutf("the snapshot took longer than %s", captureLimit))
	s.world.workers.Go(func() {
		defer cancel(nil)
		defer free()
		out := captured{token: c.token}
		out.err = kernel.Guarded(s.log, func() error {
			err := s.device.Capture(ctx, msg.name, func(p sandbox.Phase) { s.self.Tell(captureReached{c.token, p}) })
			return cutShort(ctx, err)
		})
		s.self.Tell(out)
	})
}

func (s *Sandbox) onCaptureReached(msg captureReached) {
	if s.capture != nil && s.capture.token == msg.token {
		s.capture.phase = msg.phase
	}
}

func (s *Sandbox) onCaptured(msg captured) {
	if s.capture == nil || s.capture.token != msg.token {
		return // it was given up, and who asked for it knows
	}
	reply := s.capture.reply
	s.capture = nil
	if msg.err != nil {
		reply.Fail(msg.err)
		return
	}
	reply.Send(messages.Done{})
}

// endCapture gives a capture up for what is to come, which waits for the device until its worker has let go of that.
func (s *Sandbox) endCapture(why error) {
	if s.capture != nil {
		s.capture.cancel(why)
		s.capture.reply.Fail(why)
		s.capture = nil
	}
}

// describe is how far it is, for people; empty: none is under way.
func (c *capture) describe() string {
	if c == nil {
		return ""
	}
	text := c.name + " since " + c.since.UTC().Format(time.RFC3339)
	if c.phase.Name != "" {
		text += ": " + c.phase.Name
	}
	return text
}
