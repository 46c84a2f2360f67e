package ingress

import (
	"sync"
	"time"
)

// skipActivityHeader keeps a request from counting as use of the sandbox. The runner does not see it.
const skipActivityHeader = "X-Daytona-Skip-Last-Activity-Update"

// activityPause is how often the API hears of a connection that stays open.
const activityPause = 50 * time.Second

// activity is what goes on beside requests. The zero value is ready to use.
type activity struct {
	running sync.WaitGroup
}

// keep tells the API at once that a sandbox is used, and again each 50 s until the returned function is called.
func (a *activity) keep(id string, touch func(id string)) (end func()) {
	ended := make(chan struct{})
	a.running.Go(func() {
		touch(id)
		tick := time.NewTicker(activityPause)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				touch(id)
			case <-ended:
				return
			}
		}
	})
	return func() { close(ended) }
}

func (a *activity) wait() { a.running.Wait() }
