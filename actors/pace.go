package actors

import (
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// logPace is how often the log tells how far a transfer is.
const logPace = 30 * time.Second

// pace is how far a transfer is, and how fast. Its worker reports; it may be read at any time.
type pace struct {
	log  *zap.Logger
	what string

	mu     sync.Mutex
	latest sandbox.Progress
	begun  time.Time // when the present total was first heard of
	from   int64     // what was done of it then
	logged time.Time
}

func newPace(log *zap.Logger, what string) *pace {
	return &pace{log: log, what: what, begun: time.Now(), logged: time.Now()}
}

func (p *pace) report(now sandbox.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Total != p.latest.Total || now.Done < p.latest.Done {
		p.begun, p.from = time.Now(), now.Done
	}
	p.latest = now
	if time.Since(p.logged) < logPace {
		return
	}
	p.logged = time.Now()
	rate, left := p.rate()
	p.log.Info("transfer goes on", zap.String(obs.Op, p.what), zap.String("step", now.Step), zap.Int64("done_bytes", now.Done),
		zap.Int64("total_bytes", now.Total), zap.Int64("moved_bytes", now.Moved), zap.Int64("bytes_per_second", rate), zap.Duration("left", left))
}

// rate is in bytes per second, with the time that the rest takes at it. The caller has the lock.
func (p *pace) rate() (rate int64, left time.Duration) {
	took := time.Since(p.begun)
	if did := p.latest.Done - p.from; did > 0 && took > 0 {
		rate = int64(float64(did) / took.Seconds())
	}
	if rate > 0 && p.latest.Total > p.latest.Done {
		left = time.Duration(float64(p.latest.Total-p.latest.Done) / float64(rate) * float64(time.Second)).Round(time.Second)
	}
	return rate, left
}

func (p *pace) now() (sandbox.Progress, int64, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rate, left := p.rate()
	return p.latest, rate, left
}

// describe is for people; empty before the first report.
func (p *pace) describe() string {
	now, rate, left := p.now()
	if now.Total == 0 {
		return now.Step
	}
	text := fmt.Sprintf("%s, %d of %d MiB, %.1f MiB/s", now.Step, now.Done>>20, now.Total>>20, float64(rate)/(1<<20))
	if left > 0 {
		text += ", " + left.String() + " left"
	}
	return text
}

// end logs how it ended. What was refused, its asker knows.
func (p *pace) end(err error, refused bool) {
	now, _, _ := p.now()
	fields := []zap.Field{zap.String(obs.Op, p.what), zap.Int64("total_bytes", now.Total), zap.Int64("moved_bytes", now.Moved), zap.Error(err)}
	switch {
	case refused:
		p.log.Info("transfer refused", fields...)
	case err != nil:
		p.log.Warn("transfer failed", fields...)
	default:
		p.log.Info("transfer ended", fields...)
	}
}
