package actors_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// Ensure a recover restarts what is not as it should be, and leaves alone what is.
func TestRecover(t *testing.T) {
	on := func(intent sandbox.Intent, created bool) sandbox.Facts {
		f := sandbox.Facts{Known: true, Intent: intent, Created: created, Snapshot: "android-LATEST"}
		if created {
			f.Instance = 1
		}
		return f
	}
	tests := []struct {
		name      string
		prepare   func(*fakeDevice)
		skipStart bool
		state     sandbox.State
		stops     int
		boots     int // starts and creates
	}{
		{"a device that runs", func(d *fakeDevice) {
			d.facts, d.life = on(sandbox.IntentStarted, true), sandbox.LifeRunning
		}, false, sandbox.Started, 0, 0},
		{"a device that runs and shall not", func(d *fakeDevice) {
			d.facts, d.life = on(sandbox.IntentStarted, true), sandbox.LifeRunning
		}, true, sandbox.Stopped, 1, 0},
		{"a device of which nothing is known", func(d *fakeDevice) {
			d.facts, d.life = on(sandbox.IntentStarted, true), sandbox.LifeUnknown
		}, false, sandbox.Started, 1, 1},
		{"a device that was found dead", func(d *fakeDevice) {
			d.facts, d.life = on(sandbox.IntentStarted, true), sandbox.LifeAbsent
		}, false, sandbox.Started, 0, 1},
		{"a device that was found dead and shall not run", func(d *fakeDevice) {
			d.facts, d.life = on(sandbox.IntentStarted, true), sandbox.LifeAbsent
		}, true, sandbox.Stopped, 0, 0},
		{"a create that failed", func(d *fakeDevice) {
			d.facts, d.life = on(sandbox.IntentStarted, false), sandbox.LifeAbsent
			d.facts.Failure = "no boot"
		}, false, sandbox.Started, 0, 1},
		{"a create that failed and shall not be tried again", func(d *fakeDevice) {
			d.facts, d.life = on(sandbox.IntentStarted, false), sandbox.LifeAbsent
			d.facts.Failure = "no boot"
		}, true, sandbox.Error, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(h *fakeHost) { tt.prepare(h.device("a")) }, func(r *rig) {
				got := r.mustAsk(messages.RecoverSandbox{ID: "a", SkipStart: tt.skipStart}).(sandbox.Info)
				d := r.host.device("a")
				if got.State != tt.state || d.stops != tt.stops || d.starts+d.creates != tt.boots {
					r.Errorf("%s after %d stops and %d boots; want %s after %d and %d",
						got.State, d.stops, d.starts+d.creates, tt.state, tt.stops, tt.boots)
				}
			})
		})
	}
	t.Run("an unknown sandbox", func(t *testing.T) {
		inBubble(t, nil, func(r *rig) {
			_, err := r.ask(messages.RecoverSandbox{ID: "nobody"})
			wantKind(r.T, err, fault.NotFound)
		})
	})
	t.Run("during a start it waits for that", func(t *testing.T) {
		inBubble(t, nil, func(r *rig) {
			boot := r.later(create("a"))
			r.mustAsk(messages.RecoverSandbox{ID: "a"})
			if _, err := boot(); err != nil {
				r.Error(err)
			}
			if d := r.host.device("a"); d.creates != 1 || d.stops != 0 {
				r.Errorf("%d creates, %d stops", d.creates, d.stops)
			}
		})
	})
	t.Run("what cannot be halted is an error that says so", func(t *testing.T) {
		inBubble(t, func(h *fakeHost) {
			d := h.device("a")
			d.facts, d.life, d.stopErr = on(sandbox.IntentStarted, true), sandbox.LifeUnknown, errDisk
		}, func(r *rig) {
			if _, err := r.ask(messages.RecoverSandbox{ID: "a"}); err == nil {
				r.Error("no error")
			}
			if info := r.info("a"); info.State != sandbox.Error || info.Reason == "" {
				r.Errorf("state %s, reason %q", info.State, info.Reason)
			}
		})
	})
}

// Ensure a resize counts from the next start, when the host is asked for it, and a disk only grows
// while that can be done.
func TestResize(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		want := func(what string, res sandbox.Resources, kind fault.Kind) {
			r.Helper()
			_, err := r.ask(messages.ResizeSandbox{ID: "a", Resources: res})
			if err == nil || !fault.Is(err, kind) {
				r.Errorf("%s: %v; want %s", what, err, kind)
			}
		}
		want("an unknown sandbox", sandbox.Resources{CPUs: 2}, fault.NotFound)
		boot := r.later(create("a"))
		want("while it boots", sandbox.Resources{CPUs: 2}, fault.Conflict)
		if _, err := boot(); err != nil {
			r.Fatal(err)
		}
		info := r.mustAsk(messages.ResizeSandbox{ID: "a", Resources: sandbox.Resources{CPUs: 8}}).(sandbox.Info)
		if info.State != sandbox.Started || info.Resources.CPUs != 4 || info.Next != (sandbox.Resources{CPUs: 8, MemoryMB: 4096, DiskGB: 20}) {
			r.Errorf("after the resize: %+v, next %+v", info.Resources, info.Next)
		}
		info = r.mustAsk(messages.ResizeSandbox{ID: "a", Resources: sandbox.Resources{MemoryMB: 8192}}).(sandbox.Info)
		if info.Next != (sandbox.Resources{CPUs: 8, MemoryMB: 8192, DiskGB: 20}) {
			r.Errorf("a second resize forgot the first: %+v", info.Next)
		}
		want("a smaller disk", sandbox.Resources{DiskGB: 10}, fault.Invalid)
		want("a larger disk of a running device", sandbox.Resources{DiskGB: 40}, fault.Conflict)
		r.mustAsk(messages.StopSandbox{ID: "a"})
		want("a larger disk of a device that has booted", sandbox.Resources{DiskGB: 40}, fault.Unsupported)
		r.host.set(func(h *fakeHost) { h.full = fault.Exhaustedf("the host is full") })
		if _, err := r.ask(messages.StartSandbox{ID: "a"}); !fault.Is(err, fault.Exhausted) {
			r.Errorf("start with the new size on a full host: %v", err)
		}
		r.wantState("a", sandbox.Stopped)

		skip := create("b")
		skip.Spec.SkipStart = true
		r.host.set(func(h *fakeHost) { h.full = nil })
		r.mustAsk(skip)
		if info := r.mustAsk(messages.ResizeSandbox{ID: "b", Resources: sandbox.Resources{DiskGB: 40}}).(sandbox.Info); info.Resources.DiskGB != 40 {
			r.Errorf("the disk of a device that has not booted: %+v", info.Resources)
		}
	})
}

// Ensure network settings are recorded, and that it is said when nothing enforces them.
func TestNetworkSettings(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		yes, no, list := true, false, "10.0.0.0/8"
		_, err := r.ask(messages.UpdateNetworkSettings{ID: "a", Change: sandbox.NetworkChange{BlockAll: &yes}})
		wantKind(r.T, err, fault.NotFound)
		r.mustAsk(create("a"))
		_, err = r.ask(messages.UpdateNetworkSettings{ID: "a", Change: sandbox.NetworkChange{BlockAll: &yes, AllowList: &list}})
		wantKind(r.T, err, fault.Unsupported)
		if got := r.info("a").Network; got != (sandbox.Network{BlockAll: true, AllowList: list}) {
			r.Errorf("recorded %+v", got)
		}
		none := ""
		r.mustAsk(messages.UpdateNetworkSettings{ID: "a", Change: sandbox.NetworkChange{BlockAll: &no, AllowList: &none}})
		if got := r.info("a"); got.Network.Restricts() || got.State != sandbox.Started {
			r.Errorf("after they were lifted: %+v, %s", got.Network, got.State)
		}
	})
}

// Ensure a runner that dies in the midst of a recover leaves something that can be recovered again.
func TestRecoverCutShort(t *testing.T) {
	inBubble(t, func(h *fakeHost) {
		running(h, "a", 1)
		h.device("a").life = sandbox.LifeUnknown
	}, func(r *rig) {
		wait := r.later(messages.RecoverSandbox{ID: "a"})
		time.Sleep(time.Second)
		synctest.Wait()
		r.stop()
		if _, err := wait(); !fault.Is(err, fault.Cancelled) {
			r.Errorf("who waited hears %v", err)
		}
		r.host.device("a").set(func(d *fakeDevice) { d.life = sandbox.LifeAbsent })
		r.start()
		r.mustAsk(messages.RecoverSandbox{ID: "a"})
		r.wantState("a", sandbox.Started)
	})
}
