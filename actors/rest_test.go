package actors_test

import (
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// Ensure a sandbox is stopped for its snapshot where that is asked for, and runs again afterwards, also when it fails.
func TestASandboxIsHaltedForItsSnapshot(t *testing.T) {
	halted := messages.TakeSnapshot{ID: "a", Name: "acme/golden", Halt: true}
	for _, fails := range []bool{false, true} {
		sharing(t, func(h *fakeHost) { h.images.add("acme/golden") }, func(r *rig) {
			d := r.host.device("a")
			if fails {
				d.set(func(d *fakeDevice) { d.panics = "capture" })
			}
			done := r.later(halted)
			time.Sleep(30 * time.Second)
			if info := r.info("a"); !fails && info.State != sandbox.Stopped {
				r.Errorf("meanwhile %s", info.State)
			}
			if _, err := done(); (err != nil) != fails {
				r.Errorf("ended with %v", err)
			}
			r.wantState("a", sandbox.Started)
		})
	}
}

// Ensure a stop that comes while a sandbox is halted for its snapshot holds.
func TestAStopDuringAHalt(t *testing.T) {
	sharing(t, func(h *fakeHost) { h.images.add("acme/golden") }, func(r *rig) {
		done := r.later(messages.TakeSnapshot{ID: "a", Name: "acme/golden", Halt: true})
		time.Sleep(30 * time.Second)
		r.mustAsk(messages.StopSandbox{ID: "a"})
		if _, err := done(); err != nil {
			r.Error(err)
		}
		r.wantState("a", sandbox.Stopped)
	})
}

// Ensure a sandbox that cannot be stopped for its snapshot is one that is to run.
func TestAHaltThatFails(t *testing.T) {
	sharing(t, func(h *fakeHost) { h.device("a").stopErr = fault.Unavailablef("cvd hangs") }, func(r *rig) {
		_, err := r.ask(messages.TakeSnapshot{ID: "a", Name: "acme/golden", Halt: true})
		wantKind(r.T, err, fault.Unavailable)
		r.wantState("a", sandbox.Started)
		if f := r.host.device("a").Facts(); f.Intent != sandbox.IntentStarted || f.Halted {
			r.Errorf("on record it is %q, halted %t", f.Intent, f.Halted)
		}
	})
}

// Ensure a sandbox is not stopped for a snapshot whose name is taken.
func TestNoHaltForATakenName(t *testing.T) {
	sharing(t, func(h *fakeHost) { h.bucket.taken = []string{"acme/golden"} }, func(r *rig) {
		_, err := r.ask(messages.TakeSnapshot{ID: "a", Name: "acme/golden", Halt: true})
		wantKind(r.T, err, fault.Conflict)
		if d := r.host.device("a"); d.stops != 0 {
			r.Errorf("it was stopped %d times", d.stops)
		}
	})
}

// Ensure a sandbox that is stopped for its snapshot keeps its memory, that a stop which joins that holds, and that it gives the
// memory back.
func TestAStopThatJoinsAHalt(t *testing.T) {
	sharing(t, func(h *fakeHost) {
		h.images.add("acme/golden")
		h.device("a").haltTime = 20 * time.Second
		h.device("a").facts.Resources.MemoryMB = 2048
	}, func(r *rig) {
		wantHeld := func(newcomer sandbox.ID, want int) {
			r.Helper()
			r.mustAsk(create(newcomer))
			held := 0
			r.host.set(func(h *fakeHost) { held = h.heldMB })
			if held != want {
				r.Errorf("when %s came others held %d MB, want %d", newcomer, held, want)
			}
			r.mustAsk(messages.DestroySandbox{ID: newcomer})
		}
		alone := r.later(messages.TakeSnapshot{ID: "a", Name: "acme/golden", Halt: true})
		time.Sleep(30 * time.Second)
		r.wantState("a", sandbox.Stopped)
		wantHeld("b", 2048)
		if _, err := alone(); err != nil {
			r.Error(err)
		}
		r.wantState("a", sandbox.Started)
		done := r.later(messages.TakeSnapshot{ID: "a", Name: "acme/golden", Halt: true})
		time.Sleep(5 * time.Second)
		r.mustAsk(messages.StopSandbox{ID: "a"})
		if _, err := done(); err != nil {
			r.Error(err)
		}
		r.wantState("a", sandbox.Stopped)
		if r.host.device("a").Facts().Halted {
			r.Error("the next runner would start it")
		}
		wantHeld("c", 0)
		r.mustAsk(messages.StartSandbox{ID: "a"})
	})
}

// Ensure a sandbox that was still being stopped when its snapshot was given up goes on when it has stopped.
func TestASnapshotIsGivenUpDuringAHalt(t *testing.T) {
	sharing(t, func(h *fakeHost) { h.device("a").haltTime = 2 * time.Hour }, func(r *rig) {
		_, err := r.ask(messages.TakeSnapshot{ID: "a", Name: "acme/golden", Halt: true})
		if err == nil {
			r.Error("it was taken")
		}
		time.Sleep(5 * time.Hour)
		r.wantState("a", sandbox.Started)
		if r.host.device("a").Facts().Halted {
			r.Error("it is halted on record")
		}
	})
}

// Ensure what a sandbox is when its turn comes decides whether it is stopped for its snapshot, not what it was when that was
// asked for.
func TestASandboxThatChangesWhileItWaits(t *testing.T) {
	for _, is := range []struct {
		before, meanwhile any
		stops             int
		ends              sandbox.State
	}{
		{messages.StopSandbox{ID: "c"}, messages.StartSandbox{ID: "c"}, 2, sandbox.Started},
		{messages.StartSandbox{ID: "c"}, messages.StopSandbox{ID: "c"}, 1, sandbox.Stopped},
	} {
		inBubble(t, func(h *fakeHost) {
			for i, id := range []sandbox.ID{"a", "b", "c"} {
				running(h, id, sandbox.Instance(i+1))
				h.device(id).captureTime = 5 * time.Minute
				h.images.add("acme/" + string(id))
			}
		}, func(r *rig) {
			for _, id := range []sandbox.ID{"a", "b", "c"} {
				r.wantState(id, sandbox.Started)
			}
			r.mustAsk(is.before)
			a, b := r.later(messages.TakeSnapshot{ID: "a", Name: "acme/a"}), r.later(messages.TakeSnapshot{ID: "b", Name: "acme/b"})
			time.Sleep(time.Second)
			c := r.later(messages.TakeSnapshot{ID: "c", Name: "acme/c", Halt: true})
			time.Sleep(time.Second)
			r.mustAsk(is.meanwhile)
			for _, answer := range []func() (any, error){a, b, c} {
				if _, err := answer(); err != nil {
					r.Errorf("after %T: %v", is.meanwhile, err)
				}
			}
			r.wantState("c", is.ends)
			if got := r.host.device("c").stops; got != is.stops {
				r.Errorf("after %T: it was stopped %d times, want %d", is.meanwhile, got, is.stops)
			}
		})
	}
}
