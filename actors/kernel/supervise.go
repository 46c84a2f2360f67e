package kernel

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
)

// The back-off of restarts: 0.1 s doubling to 30 s; after five failures within a minute the
// actor is lost and tried again each minute.
const (
	firstDelay  = 100 * time.Millisecond
	longestWait = 30 * time.Second
	lostAfter   = 5
	lostWindow  = time.Minute
	lostRetry   = time.Minute
)

// verdict is what to do with an actor that has just failed.
type verdict struct {
	health Health
	delay  time.Duration
}

// judge decides from the failures of the last minute, the newest included.
func judge(failures int) verdict {
	if failures >= lostAfter {
		return verdict{Lost, lostRetry}
	}
	return verdict{Restarting, min(firstDelay<<(failures-1), longestWait)}
}

// strategy restarts a failed actor after a pause, for ever. The library's own exponential
// strategy is linear, has no cap, and cannot be seen from outside.
type strategy struct{ sys *System }

// HandleFailure is called by the library in the supervisor's turn.
func (s strategy) HandleFailure(_ *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics,
	reason, _ any,
) {
	ref := s.sys.lookup(child)
	if ref == nil {
		sup.RestartChildren(child)
		return
	}
	v := ref.vitals
	next := v.failed(time.Now(), fmt.Sprint(reason))
	s.sys.metrics.restarts.WithLabelValues(v.Kind).Inc()
	s.sys.log.Error("actor failed", zap.String("actor", v.Path), zap.String("reason", fmt.Sprint(reason)),
		zap.String("to", string(next.health)), zap.Duration("retry_in", next.delay))
	v.Refuse(fault.Unavailablef("%s failed (%v) and is tried again within %s", v.Path, reason, next.delay))
	if next.health == Lost && ref.lost != nil {
		ref.lost(fmt.Sprint(reason))
	}
	v.scheduleRetry(next.delay, func() {
		v.Refuse(nil)
		v.set(Running)
		sup.RestartChildren(child)
	})
}

// failed notes a failure and returns what follows from it.
func (v *Vitals) failed(now time.Time, reason string) verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	recent := v.failures[:0]
	for _, t := range v.failures {
		if now.Sub(t) < lostWindow {
			recent = append(recent, t)
		}
	}
	recent = append(recent, now)
	v.failures = recent
	v.restarts++
	v.lastError = reason
	next := judge(len(v.failures))
	if v.health == Lost { // a lost actor that fails its minute's try stays lost
		next = verdict{Lost, lostRetry}
	}
	v.health, v.since = next.health, now
	return next
}

func (v *Vitals) scheduleRetry(d time.Duration, restart func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.retry = time.AfterFunc(d, restart)
}
