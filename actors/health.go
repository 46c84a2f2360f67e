package actors

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
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

// missPause is the pause after a look that found a started device absent: the next one confirms it
// or finds it alive. Looks that come sooner, because the ADB connection went, are no further witnesses.
const missPause = time.Second

// listGrace is how many looks more a list of cvd's is waited for that does not come.
const listGrace = 3

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
	s.countMiss()
	s.notice(msg.seen)
	s.witness()
	s.world.metrics.probes.WithLabelValues(string(msg.seen.Life), cmp.Or(msg.seen.Layer, "none")).Inc()
	if s.again {
		s.again = false
		s.look()
		return
	}
	c := judge(s.state, s.seen, s.isSure(), s.device.Facts())
	if c.crash {
		s.world.metrics.deaths.WithLabelValues(string(s.seen.Death)).Inc()
	}
	if c.to != "" {
		s.absences = 0
	}
	if c.crash {
		if s.heal(c.reason) {
			s.resume()
			return
		}
		c.reason = s.usedUp(c.reason)
		if s.state == sandbox.Unknown { // from started the change of state itself tells
			s.world.noteGivenUp(s.id, c.reason)
		}
	}
	if c.ended && !s.draining {
		s.tidy()
	}
	s.follow(c)
	s.resume()
}

// countMiss counts the looks in a row that found a device absent that runs as far as anybody knows, and shows the count.
func (s *Sandbox) countMiss() {
	mayRun := s.state == sandbox.Started || s.state == sandbox.Unknown && s.seen.SameBoot
	if !mayRun || s.seen.Life != sandbox.LifeAbsent {
		s.absences = 0
		return
	}
	if s.absences == 0 || s.seen.At.Sub(s.missedAt) >= s.missWait()/2 {
		s.absences++
		s.missedAt = s.seen.At
	}
	s.seen.Evidence = append(slices.Clip(s.seen.Evidence), sandbox.Evidence{
		Layer: "runner", Fact: "absent at look " + s.missCount(), At: s.seen.At,
	})
}

// isSure reports whether enough looks found the device absent, and cvd's list has had the time to say why.
func (s *Sandbox) isSure() bool {
	enough := s.world.Limits.Failures
	return s.absences >= enough && (s.seen.Listed || s.absences >= enough+listGrace)
}

func (s *Sandbox) missCount() string {
	return strconv.Itoa(s.absences) + " of " + strconv.Itoa(s.world.Limits.Failures)
}

func (s *Sandbox) missWait() time.Duration { return min(missPause, s.world.Limits.Health) }

// course is what follows from a look at a device.
type course struct {
	to     sandbox.State // become this; empty: stay
	reason string
	begin  opKind // carry this operation on; empty: none
	crash  bool   // a device died that was to run
	ended  bool   // a device ended, and may have left something behind
}

// judge decides from state, observation and intent what a sandbox is, and whether an
// operation that an earlier runner left half-done is to be carried on. Not knowing is no
// verdict: the state stays, and the device is looked at again. So it is where a started device, or one that ran when
// the runner went, is absent and that is not sure, which takes several looks.
func judge(now sandbox.State, seen sandbox.Observation, sure bool, f *sandbox.Facts) course {
	life := seen.Life
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
	case life == sandbox.LifeBooting && seen.Layer == "process" && f.Intent == sandbox.IntentStopped:
		return course{} // what an earlier runner began to stop may look so until it is gone
	case now == sandbox.Unknown && f.Halted:
		return course{begin: opStart} // the runner that stopped it for a snapshot has ended meanwhile
	case life == sandbox.LifeLaunching, life == sandbox.LifeBooting, life == sandbox.LifeRunning && f.Unchecked:
		return course{begin: opStart}
	case life == sandbox.LifeRunning:
		return course{to: sandbox.Started}
	case now == sandbox.Started && !sure:
		return course{}
	case now == sandbox.Started && seen.Death.Orderly():
		return course{to: sandbox.Stopped, reason: "the device was switched off: " + seen.Reason, ended: true}
	case now == sandbox.Started && f.Intent == sandbox.IntentStarted:
		return course{to: sandbox.Error, reason: "the device died: " + seen.Reason, crash: true, ended: true}
	case now == sandbox.Started:
		return course{to: sandbox.Stopped, reason: "the device ended, as it was to: " + seen.Reason, ended: true}
	case now == sandbox.Unknown && f.Intent == sandbox.IntentStarted:
		return awayCourse(seen, sure)
	case now == sandbox.Unknown:
		return course{to: sandbox.Stopped}
	default:
		return course{} // stopped or in error, and absent: as it was
	}
}

// awayCourse is for a device that was to run and is absent at the first look. What nobody knows more of is stopped, as
// after a reboot of the host; what ran in this boot of the host and did not end in order died. cvd's list, which may
// know that somebody stopped it, is given the time of some looks.
func awayCourse(seen sandbox.Observation, sure bool) course {
	const when = " while no runner looked: "
	switch {
	case seen.Death.Orderly():
		return course{to: sandbox.Stopped, reason: "the device ended" + when + seen.Reason, ended: true}
	case !seen.SameBoot:
		return course{to: sandbox.Stopped, reason: "the device was found dead when the runner looked for it", ended: true}
	case !sure:
		return course{}
	default:
		return course{to: sandbox.Error, reason: "the device died" + when + seen.Reason, crash: true, ended: true}
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
	case opStop, opRecover, opRestart:
	}
	if c.to != "" && c.to != s.state {
		s.become(c.to, c.reason)
	}
	s.arm()
}

// arm sets the next look: after the health interval with some jitter, or sooner while nothing
// is known, a started device is missed, or a destroy left something.
func (s *Sandbox) arm() {
	s.cancel()
	wait := s.world.Limits.Health
	if s.absences > 0 {
		s.armIn(s.missWait())
		return
	}
	wait += time.Duration(rand.Int64N(int64(wait)/5+1)) - wait/10
	unsettled := s.seen.Life == sandbox.LifeUnknown || s.state == sandbox.Unknown || s.device.Facts().Intent == sandbox.IntentDestroyed
	if unsettled {
		wait = min(retryFirst<<min(s.misses, 16), wait)
		s.misses++
	} else {
		s.misses = 0
	}
	s.armIn(wait)
}

func (s *Sandbox) armIn(wait time.Duration) {
	s.ticking = s.world.tokens.Next()
	s.nextTick = time.Now().Add(wait)
	s.cancel = s.self.TellAfter(wait, healthTick{s.ticking})
}
