package actors

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// Healing says what becomes of a device that died although it was to run. The zero value leaves it dead.
type Healing struct {
	// Attempts is how many restarts are tried within Window before a person has to; 0: none.
	Attempts int
	Window   time.Duration // 0: an hour
}

// The pauses before restarts: the first comes at once, later ones wait.
const (
	restartFirst   = 10 * time.Second // before the second
	restartLongest = 5 * time.Minute
)

// healing is what was done for a sandbox whose device keeps dying. It does not outlive its actor.
type healing struct {
	tries []time.Time // restarts within the window, oldest first
	death string      // why the last one was due
	halt  *halting    // a stop that came meanwhile, and begins when the restart has ended
}

// halting is a stop that waits for a restart to end.
type halting struct {
	force   bool
	waiters []kernel.Reply
}

// forgetOld drops what is no longer within the window.
func (h *healing) forgetOld(window time.Duration) {
	h.tries = slices.DeleteFunc(h.tries, func(at time.Time) bool { return time.Since(at) > window })
}

// heal restarts the device, with its files, if there are attempts left. The reason is that of the death, or
// of the restart that failed.
func (s *Sandbox) heal(reason string) bool {
	policy := s.world.Limits.Healing
	if policy.Attempts == 0 || s.draining {
		return false
	}
	s.healing.forgetOld(policy.Window)
	n := len(s.healing.tries) + 1
	if n > policy.Attempts {
		s.world.metrics.restarts.WithLabelValues("given_up").Inc()
		s.log.Error("a device that keeps dying is left dead", zap.Int("restarts", n-1), zap.String(obs.Reason, reason))
		return false
	}
	wait := time.Duration(0)
	if n > 1 {
		wait = min(restartFirst<<min(n-2, 16), restartLongest)
	}
	s.healing.tries = append(s.healing.tries, time.Now())
	s.healing.death = reason
	s.log.Warn("a dead device is restarted", zap.Int("attempt", n), zap.Int("of", policy.Attempts), zap.Duration("after", wait),
		zap.String(obs.Reason, reason))
	why := fmt.Sprintf("restart %d of %d", n, policy.Attempts)
	if wait > 0 {
		why += " after a pause of " + wait.String()
	}
	s.beginBecause(why+", for "+reason, opRestart, wait+s.world.Limits.Start,
		func(ctx context.Context, report func(sandbox.Phase)) (outcome, error) {
			select {
			case <-time.After(wait):
				return s.start(ctx, report)
			case <-ctx.Done():
				return outcome{}, context.Cause(ctx)
			}
		})
	return true
}

// onRestarted says what the sandbox is after a restart: as after a start, or being restarted once more.
func (s *Sandbox) onRestarted(op *operation, msg done) {
	if msg.err == nil {
		s.world.metrics.restarts.WithLabelValues("ok").Inc()
		s.become(sandbox.Started, "it was restarted: "+s.healing.death)
		return
	}
	s.world.metrics.restarts.WithLabelValues("failed").Inc()
	reason := s.healing.death + "; its restart failed: " + msg.err.Error()
	if s.draining { // the next runner finds out
		s.become(sandbox.Error, reason)
		return
	}
	op.fail(msg.err)
	if s.heal(s.healing.death) {
		return
	}
	reason = s.usedUp(reason)
	s.become(sandbox.Error, reason)
	s.world.noteGivenUp(s.id, reason)
}

// usedUp adds to a reason what was tried.
func (s *Sandbox) usedUp(reason string) string {
	n := len(s.healing.tries)
	if n == 0 {
		return reason
	}
	return fmt.Sprintf("%s; it was restarted %s within %s, and is left so until somebody starts it",
		reason, times(n), s.world.Limits.Healing.Window)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}

// witness adds to what was seen how often the device was restarted.
func (s *Sandbox) witness() {
	if text := s.restarts(); text != "" {
		s.seen.Evidence = append(slices.Clip(s.seen.Evidence), sandbox.Evidence{
			Layer: "runner", Fact: "restarted " + text, At: s.healing.tries[len(s.healing.tries)-1],
		})
	}
}

// restarts is how many were tried, for people; empty: none lately.
func (s *Sandbox) restarts() string {
	policy := s.world.Limits.Healing
	s.healing.forgetOld(policy.Window)
	if len(s.healing.tries) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d times within %s", len(s.healing.tries), policy.Attempts, policy.Window)
}

// haltRestart ends a restart for a stop, which begins when the restart has ended.
func (s *Sandbox) haltRestart(force bool, reply kernel.Reply) {
	h := s.healing.halt
	if h == nil {
		h = &halting{}
		s.healing.halt = h
		s.op.cancel(errHalted)
	}
	h.force = h.force || force
	h.waiters = append(h.waiters, reply)
}

// halted begins the stop that ended a restart.
func (s *Sandbox) halted() bool {
	h := s.healing.halt
	if h == nil || s.draining {
		return false
	}
	s.healing = healing{}
	s.beginStop("", h.force, h.waiters...)
	return true
}

// dropHalt refuses who waits for a stop that will not begin.
func (s *Sandbox) dropHalt(err error) {
	if h := s.healing.halt; h != nil {
		failAll(h.waiters, err)
		s.healing.halt = nil
	}
}

// noteGivenUp tells the crash reporter that a device that died is not restarted any more.
func (w *world) noteGivenUp(id sandbox.ID, reason string) {
	if w.crashes != nil {
		w.crashes.Tell(sandboxDied{id, sandbox.Error, reason})
	}
}

// beginStop halts the device. The reason is why nobody in particular wants it; empty: somebody does.
func (s *Sandbox) beginStop(reason string, force bool, waiters ...kernel.Reply) {
	s.beginBecause(reason, opStop, s.world.Limits.Stop, func(ctx context.Context, _ func(sandbox.Phase)) (outcome, error) {
		if err := s.device.Stop(ctx, force); err != nil {
			return outcome{}, err
		}
		return outcome{}, s.tellAllocator(ctx, messages.ParkInstance{ID: s.id})
	}, waiters...)
}
