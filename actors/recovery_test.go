package actors_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// on is a record as an earlier runner left it.
func on(intent sandbox.Intent, created bool) sandbox.Facts {
	return sandbox.Facts{
		Known: true, Intent: intent, Created: created, Snapshot: "android-LATEST", Instance: 2,
		ADBPort: 6521, ADBSerial: "127.0.0.1:6521", Resources: sandbox.Resources{CPUs: 2, MemoryMB: 2048, DiskGB: 8},
	}
}

// Ensure each thing that an earlier runner can leave behind ends in the right state.
func TestStartedMeansFindOut(t *testing.T) {
	failed := on(sandbox.IntentStarted, false)
	failed.Instance, failed.Failure = 0, "boot failed: phase 2 of 3"
	halted := on(sandbox.IntentStopped, true)
	halted.Halted = true
	for _, tc := range []struct {
		name  string
		facts sandbox.Facts
		life  sandbox.Life
		want  sandbox.State
		acts  int // calls that change the device
	}{
		{"a running device is adopted untouched", on(sandbox.IntentStarted, true), sandbox.LifeRunning, sandbox.Started, 0},
		{"a running device that was to stop is what it is", on(sandbox.IntentStopped, true), sandbox.LifeRunning, sandbox.Started, 0},
		{"a stopped device", on(sandbox.IntentStopped, true), sandbox.LifeAbsent, sandbox.Stopped, 0},
		{"a device that was halted for a snapshot", halted, sandbox.LifeAbsent, sandbox.Started, 1},
		{"a device that was about to be halted for one", halted, sandbox.LifeRunning, sandbox.Started, 1},
		{"a device that died meanwhile", on(sandbox.IntentStarted, true), sandbox.LifeAbsent, sandbox.Stopped, 0},
		{"a launch still under way is awaited", on(sandbox.IntentStarted, true), sandbox.LifeLaunching, sandbox.Started, 1},
		{"a device still booting is awaited", on(sandbox.IntentStarted, true), sandbox.LifeBooting, sandbox.Started, 1},
		{"a create cut short is carried on", on(sandbox.IntentStarted, false), sandbox.LifeAbsent, sandbox.Started, 1},
		{"a create cut short after its boot", on(sandbox.IntentStarted, false), sandbox.LifeRunning, sandbox.Started, 1},
		{"a destroy cut short is carried on", on(sandbox.IntentDestroyed, true), sandbox.LifeRunning, sandbox.Destroyed, 1},
		{"a failed create keeps its reason", failed, sandbox.LifeAbsent, sandbox.Error, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(h *fakeHost) {
				h.device("a").set(func(d *fakeDevice) { d.facts, d.life = tc.facts, tc.life })
			}, func(r *rig) {
				time.Sleep(3 * time.Minute)
				r.wantState("a", tc.want)
				d := r.host.device("a")
				if got := d.creates + d.starts + d.stops + d.destroys; got != tc.acts {
					r.Errorf("%d calls changed the device; want %d", got, tc.acts)
				}
			})
		})
	}
}

func TestCommandsWaitForTheFirstLook(t *testing.T) {
	see := make(chan struct{})
	inBubble(t, func(h *fakeHost) {
		see = make(chan struct{})
		h.device("a").set(func(d *fakeDevice) {
			d.facts, d.life, d.blindLook = on(sandbox.IntentStarted, true), sandbox.LifeRunning, see
		})
	}, func(r *rig) {
		if info := r.info("a"); info.State != sandbox.Unknown || !info.ObservedAt.IsZero() {
			r.Errorf("before the first look: %+v", info)
		}
		starting := r.later(messages.StartSandbox{ID: "a"})
		close(see)
		if _, err := starting(); err != nil {
			r.Error(err)
		}
		if d := r.host.device("a"); d.starts != 0 {
			r.Errorf("a running device was started again")
		}
	})
}

// Ensure a runner that stops answers who waits and touches no device, and that its successor
// converges.
func TestRunnerRestarts(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(create("a"))
		creating := r.later(create("b"))
		time.Sleep(10 * time.Second)
		r.stop()
		_, err := creating()
		wantKind(r.T, err, fault.Cancelled)
		_, err = r.ask(messages.GetSandbox{ID: "a"})
		wantKind(r.T, err, fault.Cancelled)
		if d := r.host.device("a"); d.stops+d.destroys != 0 || d.life != sandbox.LifeRunning || !d.closed {
			r.Errorf("stopping the runner touched the device: %+v", d)
		}
		r.start()
		synctest.Wait()
		r.wantState("a", sandbox.Started)
		if _, err := r.ask(create("b")); err != nil {
			r.Errorf("asking again: %v", err)
		}
		r.wantState("b", sandbox.Started)
		if a, b := r.info("a").Instance, r.info("b").Instance; a != 1 || b != 2 {
			r.Errorf("numbers %d and %d; want 1 and 2 as before", a, b)
		}
	})
}

func TestAStopInFlightIsLetEnd(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(create("a"))
		stopping := r.later(messages.StopSandbox{ID: "a"})
		r.stop()
		if _, err := stopping(); err != nil {
			r.Errorf("a stop in flight: %v; want it to end", err)
		}
		r.start()
	})
}
