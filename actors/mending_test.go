package actors_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

const mends = "runner_android_device_mends_total"

// wantFact fails unless the evidence of a sandbox has, or has not, a fact with this text.
func (r *rig) wantFact(id sandbox.ID, text string, want bool) {
	r.Helper()
	for _, e := range r.info(id).Evidence {
		if strings.Contains(e.Fact, text) {
			if !want {
				r.Errorf("evidence: %q", e.Fact)
			}
			return
		}
	}
	if want {
		r.Errorf("no evidence of %q in %v", text, r.info(id).Evidence)
	}
}

// Ensure what a dead device leaves is removed once, whether it is found dead while somebody looks or after, and that
// this is counted and shown.
func TestLeftoversOfADeadDevice(t *testing.T) {
	for name, away := range map[string]bool{"while a runner looks": false, "while none does": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(h *fakeHost) { running(h, "a", 1) }, func(r *rig) {
				r.wantState("a", sandbox.Started)
				d := r.host.device("a")
				d.set(func(d *fakeDevice) { d.left, d.sameBoot = []string{"modem_simulator (pid 7)"}, true })
				if away {
					r.stop()
				}
				d.dies(sandbox.DeathCrashed)
				if away {
					r.start()
				}
				time.Sleep(2 * time.Minute)
				r.wantState("a", sandbox.Error)
				r.wantFact("a", "modem_simulator (pid 7)", true)
				if d.tidies != 1 || r.counter(mends, "leftovers_removed") != 1 {
					r.Errorf("tidied %d times, counted %v", d.tidies, r.counter(mends, "leftovers_removed"))
				}
				time.Sleep(2 * time.Hour)
				r.wantFact("a", "modem_simulator (pid 7)", false)
			})
		})
	}
}

// Ensure leftovers that stay are told, and that a panic on the way harms nobody.
func TestLeftoversThatStay(t *testing.T) {
	for name, arrange := range map[string]func(*fakeDevice){
		"busy":  func(d *fakeDevice) { d.tidyErr = errors.New("the socket is busy") },
		"panic": func(d *fakeDevice) { d.panics = "tidy" },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(h *fakeHost) { running(h, "a", 1) }, func(r *rig) {
				r.wantState("a", sandbox.Started)
				r.host.device("a").set(arrange)
				r.host.device("a").dies(sandbox.DeathCrashed)
				time.Sleep(2 * time.Minute)
				r.wantState("a", sandbox.Error)
				r.wantFact("a", "could be removed", true)
				if r.counter(mends, "leftovers_stayed") != 1 {
					r.Error("it is not counted")
				}
			})
		})
	}
}

// Ensure what ran in this boot of the host and died while no runner looked is in error and reported with a reason, and
// that what was stopped meanwhile, or went with the host, is stopped.
func TestWhatEndedWhileNoRunnerLooked(t *testing.T) {
	for _, tc := range []struct {
		how      sandbox.Death
		sameBoot bool
		want     sandbox.State
		reason   string
	}{
		{sandbox.DeathCrashed, true, sandbox.Error, "died while no runner looked"},
		{sandbox.DeathPanicked, true, sandbox.Error, "died while no runner looked"},
		{sandbox.DeathCrashed, false, sandbox.Stopped, "found dead"},
		{sandbox.DeathRebooted, false, sandbox.Stopped, "ended while no runner looked"},
		{sandbox.DeathStopped, true, sandbox.Stopped, "ended while no runner looked"},
	} {
		withStates(t, false, nil, func(r *rig, s *fakeStates) {
			r.stop()
			d := r.host.device("a")
			d.set(func(d *fakeDevice) { d.sameBoot = tc.sameBoot })
			d.dies(tc.how)
			r.start()
			time.Sleep(2 * time.Minute)
			r.wantState("a", tc.want)
			if reason := r.info("a").Reason; !strings.Contains(reason, tc.reason) {
				r.Errorf("%+v: reason %q", tc, reason)
			}
			s.wantTaken(t, "a "+string(tc.want))
			if crashed := r.counter(crashes, string(tc.how)) == 1; crashed != (tc.want == sandbox.Error) {
				r.Errorf("%+v: counted as a crash: %v", tc, crashed)
			}
		})
	}
}

// Ensure cvd's list may still say, while it is not sure, that somebody stopped what is absent.
func TestTheListExplainsAnAbsence(t *testing.T) {
	inBubble(t, func(h *fakeHost) { running(h, "a", 1) }, func(r *rig) {
		r.wantState("a", sandbox.Started)
		r.stop()
		d := r.host.device("a")
		d.set(func(d *fakeDevice) { d.sameBoot = true })
		d.dies(sandbox.DeathCrashed)
		r.start()
		r.wantState("a", sandbox.Unknown)
		d.dies(sandbox.DeathStopped)
		time.Sleep(2 * time.Second)
		r.wantState("a", sandbox.Stopped)
	})
}

// Ensure a restart policy serves as well for what died while no runner looked, and not for a reboot of the host.
func TestHealingOfWhatDiedMeanwhile(t *testing.T) {
	for _, sameBoot := range []bool{true, false} {
		inBubble(t, func(h *fakeHost) { heals(h); running(h, "a", 1) }, func(r *rig) {
			r.wantState("a", sandbox.Started)
			r.stop()
			d := r.host.device("a")
			d.set(func(d *fakeDevice) { d.sameBoot = sameBoot })
			d.dies(sandbox.DeathCrashed)
			r.start()
			time.Sleep(5 * time.Minute)
			want := map[bool]sandbox.State{true: sandbox.Started, false: sandbox.Stopped}[sameBoot]
			r.wantState("a", want)
		})
	}
}

// Ensure a connection that was renewed and a label that lies are counted once each, and shown.
func TestMendsBelow(t *testing.T) {
	inBubble(t, func(h *fakeHost) { running(h, "a", 1) }, func(r *rig) {
		r.wantState("a", sandbox.Started)
		d := r.host.device("a")
		d.set(func(d *fakeDevice) { d.renewals, d.misnamed = 1, "Cancelled" })
		d.changed()
		synctest.Wait()
		time.Sleep(10 * time.Minute)
		r.wantState("a", sandbox.Started)
		r.wantFact("a", "made anew", true)
		r.wantFact("a", "cvd's list says Cancelled", true)
		for _, kind := range []string{"adb_renewed", "adopted"} {
			if n := r.counter(mends, kind); n != 1 {
				r.Errorf("%s: %v", kind, n)
			}
		}
		d.set(func(d *fakeDevice) { d.factsPanic = true })
		_, _ = r.ask(messages.AttachSandbox{ID: "a"})
		d.set(func(d *fakeDevice) { d.factsPanic = false })
		time.Sleep(time.Minute)
		r.wantState("a", sandbox.Started)
		if n := r.counter(mends, "adb_renewed"); n != 1 {
			r.Errorf("after a restart of the actor: %v", n)
		}
	})
}
