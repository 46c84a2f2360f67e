package actors

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

type (
	compareTick struct{ token kernel.Token }

	// compared is what a comparison found.
	compared struct {
		token       kernel.Token
		began       time.Time
		asked       bool // Daytona
		beliefs     int
		missing     int  // Daytona has them here, and we do not know them
		unsettled   bool // of some it is not known yet what they are
		differences []difference
		err         error
	}

	// difference is a sandbox that is not what Daytona believes.
	difference struct {
		believed sandbox.State
		report   messages.StateReport
	}
)

// comparing is the state of the comparison. There is one at a time.
type comparing struct {
	running  kernel.Token // 0: none
	token    kernel.Token // of the pending tick
	cancel   func()
	next     time.Time
	last     time.Time
	failures int    // in a row: of the API, or because not all was known
	err      string // of the last one; empty: Daytona answered
	beliefs  int
	missing  int
}

func (s *comparing) describe(facts map[string]string) {
	if !s.last.IsZero() {
		facts["compared_at"] = s.last.UTC().Format(time.RFC3339)
		facts["beliefs"] = strconv.Itoa(s.beliefs)
		facts["missing_here"] = strconv.Itoa(s.missing)
	}
	if s.running != 0 {
		facts["comparing"] = "now"
	} else if !s.next.IsZero() {
		facts["next_comparison"] = s.next.UTC().Format(time.RFC3339)
	}
}

// armCompare sets the next comparison.
func (c *Crashes) armCompare(wait time.Duration) {
	c.sync.cancel()
	c.sync.token = c.world.tokens.Next()
	c.sync.next = time.Now().Add(wait)
	c.sync.cancel = c.self.TellAfter(wait, compareTick{c.sync.token})
}

// compareSoon does not wait for the interval, nor does it ask the API more than once a second.
func (c *Crashes) compareSoon() {
	if c.loaded && c.sync.running == 0 && c.sync.failures == 0 && time.Until(c.sync.next) > retryFirst {
		c.armCompare(retryFirst)
	}
}

func (c *Crashes) onCompare(msg compareTick) {
	if msg.token == c.sync.token && c.sync.running == 0 {
		c.compare()
	}
}

// compare asks what Daytona believes and what is true. The order matters: open jobs before the truth,
// and the truth before the belief, so that a job that ends meanwhile does not look like a difference.
func (c *Crashes) compare() {
	c.sync.running = c.world.tokens.Next()
	result := compared{token: c.sync.running, began: time.Now()}
	c.world.workers.Go(func() {
		result.err = kernel.Guarded(c.log, func() error { return c.findDifferences(&result) })
		c.self.Tell(result)
	})
}

func (c *Crashes) findDifferences(found *compared) error {
	ask, cancel := context.WithTimeout(c.life, gatherLimit)
	defer cancel()
	open, err := c.openJobs(ask)
	if errors.Is(err, errJobsUnknown) {
		found.unsettled = true
		return nil
	}
	if err != nil {
		return err
	}
	refs := c.world.directory.all()
	said := askAll(ask, refs, func(id sandbox.ID) any { return messages.GetSandbox{ID: id} })
	call, cancel := context.WithTimeout(c.life, tryLimit)
	defer cancel()
	beliefs, err := c.world.Daytona.States.Beliefs(call)
	if err != nil {
		return err
	}
	found.asked, found.beliefs = true, len(beliefs)
	for id, believed := range beliefs {
		info, answered := said[id].(sandbox.Info)
		switch {
		case refs[id] == nil:
			found.missing++ // not reported: a ledger that was lost must not end sandboxes
		case open[string(id)]:
		case !answered, info.State == sandbox.Unknown:
			found.unsettled = true
		case differs(believed, info.State):
			found.differences = append(found.differences, difference{believed, messages.StateReport{
				ID: id, State: info.State, Reason: info.Reason, Recoverable: info.State == sandbox.Error, At: info.Since,
			}})
		}
	}
	return nil
}

// differs reports whether Daytona is to be corrected. What is taken for stopped and is in error needs
// no correction: a start is what it needs either way. Operations under way tell themselves.
func differs(believed, actual sandbox.State) bool {
	switch believed {
	case sandbox.Started:
		return actual == sandbox.Stopped || actual == sandbox.Error
	case sandbox.Stopped:
		return actual == sandbox.Started
	default:
		return false
	}
}

func (c *Crashes) onCompared(msg compared) {
	if msg.token != c.sync.running {
		return // of an earlier incarnation
	}
	c.sync.running = 0
	interval := c.world.Daytona.CompareInterval
	if msg.err != nil {
		c.world.metrics.crashes.comparisons.WithLabelValues(fault.KindOf(msg.err).String()).Inc()
		c.sync.err = "compare states: " + msg.err.Error()
		c.log.Warn("states not compared with Daytona's", zap.Error(msg.err))
		wait := min(retryFirst<<min(c.sync.failures, 16), interval)
		if fault.Is(msg.err, fault.Unauthorized) || fault.Is(msg.err, fault.Forbidden) {
			wait = interval
		}
		c.sync.failures++
		c.armCompare(jittered(wait))
		return
	}
	if msg.asked {
		c.noteAsked(msg)
	}
	for _, d := range msg.differences {
		c.onDifference(d, msg.began)
	}
	c.dispatch()
	wait := jittered(interval)
	if msg.unsettled {
		wait = jittered(min(retryFirst<<min(c.sync.failures, 16), interval))
		c.sync.failures++
	} else {
		c.sync.failures = 0
	}
	c.armCompare(wait)
}

func (c *Crashes) noteAsked(msg compared) {
	c.world.metrics.crashes.comparisons.WithLabelValues("ok").Inc()
	if msg.missing > c.sync.missing {
		c.log.Warn("Daytona has sandboxes on this runner that it does not know", zap.Int("count", msg.missing))
	}
	c.sync.last, c.sync.beliefs, c.sync.missing = time.Now(), msg.beliefs, msg.missing
	if c.sync.err != "" { // it was away: what waits for it need not
		c.sync.err = ""
		c.reached()
	}
}

// onDifference opens a case, unless the sandbox has one, or was just reported: the belief may be older
// than that. A report that the API takes and does not believe is repeated more and more seldom.
func (c *Crashes) onDifference(d difference, began time.Time) {
	id, was := d.report.ID, c.told[d.report.ID]
	quiet := min(c.world.Daytona.CompareInterval<<min(was.times, 16), longestQuiet)
	if c.cases[id] != nil || was.at.After(began) || was.state == d.report.State && time.Since(was.at) < quiet {
		return
	}
	c.world.metrics.crashes.differences.WithLabelValues(string(d.believed), string(d.report.State)).Inc()
	c.log.Warn("Daytona believes what is not true", zap.String(obs.SandboxID, string(id)),
		zap.String("believed", string(d.believed)), zap.String(obs.State, string(d.report.State)), zap.String(obs.Reason, d.report.Reason))
	c.open(&crashCase{found: true, StateReport: d.report})
}
