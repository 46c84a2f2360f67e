package actors_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

const restarts = "runner_android_device_restarts_total"

func heals(h *fakeHost) { h.limits.Healing = actors.Healing{Attempts: 3, Window: time.Hour} }

// Ensure a device that dies is started again by its actor, at once, and that Daytona hears nothing.
func TestADeadDeviceIsRestarted(t *testing.T) {
	withStates(t, true, heals, func(r *rig, s *fakeStates) {
		d := r.host.device("a")
		d.dies(sandbox.DeathCrashed)
		d.changed()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if info := r.info("a"); info.State != sandbox.Starting || info.Reason != "restart 1 of 3, for the device died: it is absent" {
			r.Errorf("while it boots: %s (%s)", info.State, info.Reason)
		}
		if node := r.node("root/sb-a"); node.Operation != "restart 1 of 3, for the device died: it is absent" ||
			node.Facts["restarts"] != "1 of 3 times within 1h0m0s" {
			r.Errorf("the tree: %+v", node)
		}
		time.Sleep(2 * time.Minute)
		r.wantState("a", sandbox.Started)
		info := r.info("a")
		if info.Reason != "it was restarted: the device died: it is absent" {
			r.Errorf("reason: %q", info.Reason)
		}
		if !slices.ContainsFunc(info.Evidence, func(e sandbox.Evidence) bool { return e.Fact == "restarted 1 of 3 times within 1h0m0s" }) {
			r.Errorf("evidence: %+v", info.Evidence)
		}
		time.Sleep(10 * time.Minute)
		s.wantTaken(r.T)
		if d.starts != 1 || d.creates != 0 || r.counter(restarts, "ok") != 1 || r.counter(crashes, "crashed") != 1 {
			r.Errorf("%d starts, %d creates, %v restarts", d.starts, d.creates, r.counter(restarts, "ok"))
		}
	})
}

// Ensure a device that keeps dying is left dead after as many restarts as allowed, and Daytona told then,
// once; and that a start by somebody begins anew.
func TestRestartsAreUsedUp(t *testing.T) {
	for name, trouble := range map[string]func(*fakeDevice){
		"it dies again":    func(*fakeDevice) {},
		"it does not boot": func(d *fakeDevice) { d.startErr = errors.New("no boot") },
	} {
		t.Run(name, func(t *testing.T) {
			withStates(t, true, heals, func(r *rig, s *fakeStates) {
				d := r.host.device("a")
				d.set(trouble)
				began := time.Now()
				for range 4 {
					d.dies(sandbox.DeathCrashed)
					d.changed()
					time.Sleep(3 * time.Minute)
					synctest.Wait()
				}
				r.wantState("a", sandbox.Error)
				if reason := r.info("a").Reason; !strings.HasPrefix(reason, "the device died: it is absent") ||
					!strings.HasSuffix(reason, "; it was restarted 3 times within 1h0m0s, and is left so until somebody starts it") {
					r.Errorf("reason after %s: %q", time.Since(began), reason)
				}
				if d.starts != 3 || r.counter(restarts, "given_up") != 1 {
					r.Errorf("%d starts, %v given up", d.starts, r.counter(restarts, "given_up"))
				}
				s.wantTaken(r.T, "a error")
				if !strings.Contains(s.taken[0].Reason, "restarted 3 times") || s.tries != 1 {
					r.Errorf("%d tries, told %+v", s.tries, s.taken)
				}
				time.Sleep(3 * time.Hour)
				r.wantState("a", sandbox.Error)
				d.set(func(d *fakeDevice) { d.startErr = nil })
				r.mustAsk(messages.StartSandbox{ID: "a"})
				d.dies(sandbox.DeathCrashed)
				d.changed()
				time.Sleep(3 * time.Minute)
				r.wantState("a", sandbox.Started)
			})
		})
	}
}

// Ensure attempts come back with time.
func TestRestartsAreForgotten(t *testing.T) {
	inBubble(t, func(h *fakeHost) {
		heals(h)
		running(h, "a", 1)
	}, func(r *rig) {
		r.wantState("a", sandbox.Started)
		d := r.host.device("a")
		for range 10 {
			d.dies(sandbox.DeathCrashed)
			d.changed()
			time.Sleep(25 * time.Minute)
			r.wantState("a", sandbox.Started)
		}
		if d.starts != 10 {
			r.Errorf("%d starts", d.starts)
		}
	})
}

// Ensure what somebody switched off or stopped is never restarted, nor what was found dead at first sight.
func TestWhatIsNotRestarted(t *testing.T) {
	for name, end := range map[string]func(*rig, *fakeDevice){
		"powered off":       func(_ *rig, d *fakeDevice) { d.dies(sandbox.DeathPoweredOff) },
		"cvd stop":          func(_ *rig, d *fakeDevice) { d.dies(sandbox.DeathStopped) },
		"stopped by us":     func(r *rig, _ *fakeDevice) { r.mustAsk(messages.StopSandbox{ID: "a"}) },
		"the host rebooted": func(r *rig, d *fakeDevice) { r.stop(); d.dies(sandbox.DeathCrashed); r.start() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(h *fakeHost) {
				heals(h)
				running(h, "a", 1)
			}, func(r *rig) {
				r.wantState("a", sandbox.Started)
				d := r.host.device("a")
				end(r, d)
				time.Sleep(10 * time.Minute)
				r.wantState("a", sandbox.Stopped)
				if d.starts != 0 {
					r.Errorf("%d starts", d.starts)
				}
			})
		})
	}
}

// Ensure a restart, also in its pause, gives way to a stop and to a destroy, and serves who starts.
func TestCommandsDuringARestart(t *testing.T) {
	for _, pause := range []bool{false, true} {
		reach := func(r *rig) *fakeDevice {
			d := r.host.device("a")
			if pause { // the first one fails
				d.set(func(d *fakeDevice) { d.startErr = errors.New("no boot") })
			}
			d.dies(sandbox.DeathCrashed)
			d.changed()
			time.Sleep(3 * time.Second)
			synctest.Wait()
			d.set(func(d *fakeDevice) { d.startErr = nil })
			r.wantState("a", sandbox.Starting)
			return d
		}
		prepare := func(h *fakeHost) {
			heals(h)
			running(h, "a", 1)
		}
		inBubble(t, prepare, func(r *rig) {
			r.wantState("a", sandbox.Started)
			d := reach(r)
			first, second := r.later(messages.StopSandbox{ID: "a"}), r.later(messages.StopSandbox{ID: "a", Force: true})
			for _, answer := range []func() (any, error){first, second} {
				if _, err := answer(); err != nil {
					r.Error(err)
				}
			}
			time.Sleep(10 * time.Minute)
			r.wantState("a", sandbox.Stopped)
			if d.stops != 1 {
				r.Errorf("%d stops", d.stops)
			}
		})
		inBubble(t, prepare, func(r *rig) {
			r.wantState("a", sandbox.Started)
			reach(r)
			stop := r.later(messages.StopSandbox{ID: "a"})
			r.mustAsk(messages.DestroySandbox{ID: "a"})
			if _, err := stop(); err != nil && !fault.Is(err, fault.Conflict) {
				r.Error(err)
			}
			time.Sleep(10 * time.Minute)
			r.wantState("a", sandbox.Destroyed)
		})
		inBubble(t, prepare, func(r *rig) {
			r.wantState("a", sandbox.Started)
			d := reach(r)
			r.mustAsk(messages.StartSandbox{ID: "a"})
			r.wantState("a", sandbox.Started)
			if d.starts > 2 {
				r.Errorf("%d starts", d.starts)
			}
		})
	}
}

// Ensure the runner stops at once during the pause before a restart, and that the next one finds the device stopped.
func TestARunnerThatEndsBeforeARestart(t *testing.T) {
	inBubble(t, func(h *fakeHost) {
		heals(h)
		running(h, "a", 1)
	}, func(r *rig) {
		r.wantState("a", sandbox.Started)
		d := r.host.device("a")
		d.set(func(d *fakeDevice) { d.startErr = errors.New("no boot") })
		d.dies(sandbox.DeathCrashed)
		d.changed()
		time.Sleep(3 * time.Second)
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > time.Second {
			r.Errorf("it took %s", took)
		}
		r.start()
		r.wantState("a", sandbox.Stopped)
	})
}
