package snapshot

import (
	"sync/atomic"
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/s3store"
)

// watchEvery is how often a transfer says how far it is.
const watchEvery = 500 * time.Millisecond

// transfer is a snapshot on its way between this host and the bucket, and how far it is.
type transfer struct {
	*Store
	name   string
	counts s3store.Progress
	there  atomic.Int64 // bytes of what need not be moved
	step   atomic.Pointer[string]
}

func (t *transfer) say(step string) { t.step.Store(&step) }

// watch tells how far it is until stop is called, and once more then.
func (t *transfer) watch(files []File, report func(sandbox.Progress)) (stop func()) {
	t.say("look for what is there")
	total := int64(0)
	for _, f := range files {
		total += f.Size
	}
	say := func() {
		c := t.counts.Read()
		report(sandbox.Progress{Step: *t.step.Load(), Done: min(total, t.there.Load()+c.Done), Total: total, Moved: c.Sent + c.Received})
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				say()
			case <-end:
				say()
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}
