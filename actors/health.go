package actors

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// retryFirst is the pause after the first look that told nothing, or the first destroy that
// left something; it doubles up to the health interval.
const retryFirst = time.Second

// look probes the device in a worker. Looks never pile up: one that is asked for while
// another is in flight follows it. During an operation the operation itself looks.
func (s *Sandbox) look() {
	if s.op != nil || !s.device.Facts().Known {
		return
	}
	if s.probing != 0 {
		s.again = true
		return
	}
	token := s.world.tokens.Next()
	s.probing = token
	s.cancel()
	s.world.workers.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, lookLimit)
		defer cancel()
		result := probed{token: token, seen: sandbox.Observation{Life: sandbox.LifeUnknown, At: time.Now()}}
		err := kernel.Guarded(s.log, func() error {
			result.seen = s.device.Observe(ctx)
			return nil
		})
		if err != nil {
			result.seen.Evidence = []sandbox.Evidence{{Layer: "runner", Fact: err.Error(), At: time.Now()}}
		}
		s.self.Tell(result)
	})
}

func (s *Sandbox) onProbed(msg probed) {
	if msg.token != s.probing {
		return // of an earlier incarnation, or overtaken by an operation
	}
	s.probing = 0
	if mb := msg.seen.MemoryMB; mb != 0 && mb != s.seen.MemoryMB {
		s.world.allocator.Tell(messages.InstanceMeasured{ID: s.id, MemoryMB: mb})
	}
	s.seen = msg.seen
	s.world.metrics.probes.WithLabelValues(string(msg.seen.Life), cmp.Or(msg.seen.Layer, "none")).Inc()
	if s.again {
		s.again = false
		s.look()
		return
	}
	s.follow(judge(s.state, msg.seen.Life, s.device.Facts()))
	s.resume()
}

// course is what follows from a look at a device.
type course struct {
	to     sandbox.State // become this; empty: stay
	reason string
	begin  opKind // carry this operation on; empty: none
}

// judge decides from state, observation and intent what a sandbox is, and whether an
// operation that an earlier runner left half-done is to be carried on. Not knowing is no
// verdict: the state stays, and the device is looked at again.
func judge(now sandbox.State, life sandbox.Life, f *sandbox.Facts) course {
	switch {
	case f.Intent == sandbox.IntentDestroyed:
		return course{begin: opDestroy}
	case life == sandbox.LifeUnknown:
		return course{}
	case f.Failure != "" && life == sandbox.LifeAbsent:
		return course{to: sandbox.Error, reason: f.Failure}
	case now == sandbox.Error:
		return course{} // it says what went wrong until somebody acts on it
	case !f.Created && f.Intent == sandbox.IntentStarted && f.Failure == "" && f.Snapshot != "":
		return course{begin: opCreate}
	case life == sandbox.LifeLaunching, life == sandbox.LifeBooting, life == sandbox.LifeRunning && f.Unchecked:
		return course{begin: opStart}
	case life == sandbox.LifeRunning:
		return course{to: sandbox.Started}
	case now == sandbox.Started:
		return course{to: sandbox.Stopped, reason: "the device died: no process of it is left and its launcher does not answer"}
	case now == sandbox.Unknown && f.Intent == sandbox.IntentStarted:
		return course{to: sandbox.Stopped, reason: "the device was found dead when the runner looked for it"}
	case now == sandbox.Unknown:
		return course{to: sandbox.Stopped}
	default:
		return course{} // stopped or in error, and absent: as it was
	}
}

func (s *Sandbox) follow(c course) {
	if s.draining {
		return // the next runner carries on
	}
	switch c.begin {
	case opDestroy:
		s.beginDestroy()
		return
	case opCreate:
		s.log.Warn("carrying on a create that was cut short", zap.String(obs.State, string(s.state)))
		s.beginCreate(s.device.Facts().Spec(), kernel.Reply{})
		return
	case opStart:
		s.beginStart(kernel.Reply{})
		return
	case opStop, opRecover:
	}
	if c.to != "" && c.to != s.state {
		s.become(c.to, c.reason)
	}
	s.arm()
}

// arm sets the next look: after the health interval with some jitter, or sooner while nothing
// is known or a destroy left something.
func (s *Sandbox) arm() {
	s.cancel()
	wait := s.world.Limits.Health
	wait += time.Duration(rand.Int64N(int64(wait)/5+1)) - wait/10
	unsettled := s.seen.Life == sandbox.LifeUnknown || s.device.Facts().Intent == sandbox.IntentDestroyed
	if unsettled {
		wait = min(retryFirst<<min(s.misses, 16), wait)
		s.misses++
	} else {
		s.misses = 0
	}
	s.ticking = s.world.tokens.Next()
	s.nextTick = time.Now().Add(wait)
	s.cancel = s.self.TellAfter(wait, healthTick{s.ticking})
}
