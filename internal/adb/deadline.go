package adb

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// deadline is a context that ends at a time which can be moved, as net.Conn wants it.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	end   chan struct{} // closed when the time has come
}

var _ context.Context = (*deadline)(nil)

func newDeadline() *deadline { return &deadline{end: make(chan struct{})} }

// set moves the end to t. Whoever waits already feels it.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.end // it is being closed
	}
	d.timer = nil
	passed := d.passedLocked()
	left := time.Until(t)
	switch {
	case !t.IsZero() && left <= 0:
		if !passed {
			close(d.end)
		}
		return
	case passed:
		d.end = make(chan struct{})
	}
	if !t.IsZero() {
		end := d.end
		d.timer = time.AfterFunc(left, func() { close(end) })
	}
}

func (d *deadline) passedLocked() bool {
	select {
	case <-d.end:
		return true
	default:
		return false
	}
}

// Done returns what is closed when the time has come, unless it is moved before.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.end
}

// Err is a net.Error with Timeout once the time has come.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passedLocked() {
		return errDeadline
	}
	return nil
}

// Deadline tells nothing: the end can be moved.
func (d *deadline) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value knows nothing.
func (d *deadline) Value(any) any { return nil }

var errDeadline = deadlineError{fault.Wrap(fault.Timeout, "adb stream", os.ErrDeadlineExceeded)}

// deadlineError is a fault that net.Error's users recognise without unwrapping it.
type deadlineError struct{ error }

func (e deadlineError) Unwrap() error { return e.error }
func (deadlineError) Timeout() bool   { return true }
func (deadlineError) Temporary() bool { return true }
