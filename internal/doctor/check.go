package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
)

// check asks one question, one time at once, and keeps the answer for a while.
type check struct {
	name     string
	ask      func(context.Context) error // nil: healthy
	overdue  string                      // what to do when there is no answer
	deadline time.Duration
	keep     time.Duration
	log      *zap.Logger

	mu      sync.Mutex
	last    Finding // the zero Finding: none yet
	current bool    // false: last is to be found anew, however young it is
	asking  *asking // nil: nothing is under way
}

// asking is one question under way. It is over when the deadline is past, but the check keeps it
// until it ends: what hangs in the kernel cannot be ended, and must not be begun again and again.
type asking struct {
	began time.Time
	done  chan struct{} // closed when it ended
	found Finding       // set then
}

// finding returns the answer, not later than the deadline.
func (c *check) finding(ctx context.Context) Finding {
	last, a := c.begin(ctx)
	if a == nil {
		return last
	}
	timer := time.NewTimer(time.Until(a.began.Add(c.deadline)))
	defer timer.Stop()
	select {
	case <-a.done:
		return a.found
	case <-timer.C:
		return c.late(a)
	case <-ctx.Done():
		if last.Name == "" {
			last = Finding{Name: c.name, Reason: "not known yet: whoever asked did not wait for the answer", At: time.Now()}
		}
		return last
	}
}

// begin returns the last finding, and with it the question under way unless the finding will do.
func (c *check) begin(ctx context.Context) (Finding, *asking) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current && c.last.Name != "" && time.Since(c.last.At) < c.keep {
		return c.last, nil
	}
	if c.asking == nil {
		c.asking = &asking{began: time.Now(), done: make(chan struct{})}
		c.current = true
		go c.run(context.WithoutCancel(ctx), c.asking) // others may wait for it, too
	}
	return c.last, c.asking
}

func (c *check) run(ctx context.Context, a *asking) {
	ctx, cancel := context.WithTimeout(ctx, c.deadline)
	defer cancel()
	err := c.ask(ctx)
	f := Finding{Name: c.name, Healthy: err == nil, At: time.Now(), Took: time.Since(a.began)}
	switch {
	case err == nil:
	case ctx.Err() != nil && fault.Is(err, fault.Timeout):
		f.Reason = c.silence()
	default:
		f.Reason = err.Error()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking, a.found = nil, f
	c.settle(f)
	close(a.done)
}

// late is the finding of a question without an answer. It stands until the answer comes after all.
func (c *check) late(a *asking) Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking != a { // the answer came after all
		return a.found
	}
	f := Finding{Name: c.name, Reason: c.silence(), At: time.Now(), Took: time.Since(a.began)}
	c.settle(f)
	return f
}

func (c *check) silence() string {
	return fmt.Sprintf("no answer within %s: %s", c.deadline, c.overdue)
}

// settle records the finding and logs what is new about it; c.mu is held.
func (c *check) settle(f Finding) {
	switch first := c.last.Name == ""; {
	case !f.Healthy && (first || c.last.Healthy):
		c.log.Warn("host became unfit", zap.String("check", c.name), zap.String("reason", f.Reason), zap.Duration("took", f.Took))
	case f.Healthy && !first && !c.last.Healthy:
		c.log.Info("host became fit again", zap.String("check", c.name), zap.Duration("took", f.Took))
	}
	c.last = f
}

// forget has the question asked anew, also if it is under way: that one may have looked too early.
func (c *check) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = false
}
