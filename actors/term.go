package actors

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// Term is how long a sandbox stays started.
type Term struct {
	Idle     time.Duration // without being used; 0: for ever
	Lifetime time.Duration // since its start; 0: for ever
}

// A sandbox's metadata may set its own term, as durations ("10m", "0"), by these keys; other texts are ignored.
const (
	keyIdle     = "idleTimeout"
	keyLifetime = "maxLifetime"
)

// stopAgain is the pause after a stop at the end of a term that did not stop the device.
const stopAgain = time.Minute

type termTick struct{ token kernel.Token }

// expiry is the timer of a sandbox's term.
type expiry struct {
	usage  *messages.Usage
	token  kernel.Token
	cancel func()    // the pending tick; nil: none
	rest   time.Time // nothing is stopped before
}

// term is the sandbox's own, and the runner's for what it does not say.
func (s *Sandbox) term() Term {
	t, own := s.world.Limits.Term, s.device.Facts().Metadata
	return Term{Idle: ownLimit(own[keyIdle], t.Idle), Lifetime: ownLimit(own[keyLifetime], t.Lifetime)}
}

// ownLimit is what the metadata says, unless it says nothing, or no duration.
func ownLimit(text string, otherwise time.Duration) time.Duration {
	if text == "" {
		return otherwise
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d
	}
	return otherwise
}

// ends returns when the term of a started sandbox ends, as far as that is known now, and why, for people and
// in short; the zero time: never.
func (s *Sandbox) ends() (at time.Time, reason, short string) {
	t := s.term()
	if t.Idle > 0 {
		last := s.expiry.usage.Last()
		if last.Before(s.since) {
			last = s.since
		}
		at, reason, short = last.Add(t.Idle), fmt.Sprintf("it was not used for %s", t.Idle), "idle"
	}
	if end := s.startedAt().Add(t.Lifetime); t.Lifetime > 0 && (at.IsZero() || end.Before(at)) {
		at, reason, short = end, fmt.Sprintf("it has run for %s, its longest time", t.Lifetime), "lifetime"
	}
	if !at.IsZero() && at.Before(s.expiry.rest) {
		at = s.expiry.rest
	}
	return at, reason, short
}

// startedAt is when a started sandbox was started, also under an earlier runner.
func (s *Sandbox) startedAt() time.Time {
	at := s.since
	for i := len(s.journal.all) - 1; i >= 0; i-- {
		t := s.journal.all[i]
		if t.To == sandbox.Stopping || t.To == sandbox.Unknown {
			continue // which came to nothing
		}
		if t.To != sandbox.Started {
			break
		}
		if at = t.At; t.From != sandbox.Unknown && t.From != sandbox.Stopping {
			break
		}
	}
	return at
}

// armTerm sets the timer of the term anew, if the sandbox is started.
func (s *Sandbox) armTerm() {
	if s.expiry.cancel != nil {
		s.expiry.cancel()
		s.expiry.cancel = nil
	}
	if s.state != sandbox.Started {
		return
	}
	at, _, _ := s.ends()
	if at.IsZero() {
		return
	}
	s.expiry.token = s.world.tokens.Next()
	s.expiry.cancel = s.self.TellAfter(max(0, time.Until(at)), termTick{s.expiry.token})
}

// onTerm stops a sandbox whose term has ended. One that was used meanwhile goes on.
func (s *Sandbox) onTerm(msg termTick) {
	if msg.token != s.expiry.token || s.state != sandbox.Started || s.op != nil || s.draining {
		return
	}
	at, reason, short := s.ends()
	if at.IsZero() || at.After(time.Now()) {
		s.armTerm()
		return
	}
	s.expiry.rest = time.Now().Add(stopAgain)
	s.world.metrics.expired.WithLabelValues(short).Inc()
	s.log.Warn("a sandbox is stopped because its term has ended", zap.String(obs.Reason, reason))
	s.beginStop(reason, false)
}
