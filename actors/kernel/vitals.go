package kernel

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Health says how supervision sees an actor.
type Health string

// The healths.
const (
	Running    Health = "running"
	Restarting Health = "restarting" // it panicked and waits for its next try
	Lost       Health = "lost"       // it keeps panicking; tried again each minute
)

// Vitals are the signs of one actor that survive its restarts and can be read while it is
// busy, waiting for a restart, or gone. Safe for concurrent use.
type Vitals struct {
	Path    string // "root/sb-dev1"
	Kind    string // "sandbox"
	Spawned time.Time

	mailbox atomic.Pointer[mailbox]
	refusal atomic.Pointer[error] // not nil: asks are refused with it

	mu        sync.Mutex
	health    Health
	since     time.Time
	restarts  int
	lastError string
	failures  []time.Time // of the last minute
	retry     *time.Timer // the pending restart
}

func newVitals(path, kind string) *Vitals {
	now := time.Now()
	return &Vitals{Path: path, Kind: kind, Spawned: now, health: Running, since: now}
}

// Depth returns the number of messages waiting.
func (v *Vitals) Depth() int {
	if box := v.mailbox.Load(); box != nil {
		return box.UserMessageCount()
	}
	return 0
}

// Report returns health, since when, how often the actor was restarted and its last error.
func (v *Vitals) Report() (h Health, since time.Time, restarts int, lastError string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.health, v.since, v.restarts, v.lastError
}

// Refuse makes the mailbox answer every new ask with err; nil lets asks in again.
func (v *Vitals) Refuse(err error) {
	if err == nil {
		v.refusal.Store(nil)
		return
	}
	v.refusal.Store(&err)
}

func (v *Vitals) refusalNow() error {
	if p := v.refusal.Load(); p != nil {
		return *p
	}
	return nil
}

func (v *Vitals) set(h Health) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.health != h {
		v.health, v.since = h, time.Now()
	}
}

// stopRetry cancels a pending restart.
func (v *Vitals) stopRetry() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.retry != nil {
		v.retry.Stop()
	}
}

var _ actor.Mailbox = (*mailbox)(nil)
