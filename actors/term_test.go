package actors_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

const expired = "runner_android_sandboxes_expired_total"

// withTerm runs a test on a host with one running device "a", where sandboxes have that term.
func withTerm(t *testing.T, term actors.Term, metadata map[string]string, test func(*rig, *fakeDevice)) {
	t.Helper()
	inBubble(t, func(h *fakeHost) {
		h.limits.Term = term
		running(h, "a", 1)
		h.device("a").set(func(d *fakeDevice) { d.facts.Metadata = metadata })
	}, func(r *rig) {
		r.wantState("a", sandbox.Started)
		test(r, r.host.device("a"))
	})
}

// Ensure a sandbox that nobody uses is stopped, in order, with the reason, and one in use is not.
func TestIdleSandboxesAreStopped(t *testing.T) {
	withTerm(t, actors.Term{Idle: 10 * time.Minute}, nil, func(r *rig, d *fakeDevice) {
		lease := r.mustAsk(messages.AttachSandbox{ID: "a"}).(messages.Lease)
		for range 5 { // each use begins the time anew
			time.Sleep(9 * time.Minute)
			r.mustAsk(messages.AttachSandbox{ID: "a"})
		}
		if text := r.node("root/sb-a").Facts["stops_at"]; text != "2000-01-01T00:55:00Z (idle)" {
			r.Errorf("the tree: %q", text)
		}
		end := lease.Usage.Begin()
		time.Sleep(24 * time.Hour)
		r.wantState("a", sandbox.Started)
		end()
		time.Sleep(9 * time.Minute)
		r.wantState("a", sandbox.Started)
		r.mustAsk(messages.GetSandbox{ID: "a"}) // is no use
		time.Sleep(61 * time.Second)
		r.wantState("a", sandbox.Stopped)
		if reason := r.info("a").Reason; reason != "it was not used for 10m0s" {
			r.Errorf("reason: %q", reason)
		}
		if d.stops != 1 || r.counter(expired, "idle") != 1 {
			r.Errorf("%d stops, %v counted", d.stops, r.counter(expired, "idle"))
		}
		r.mustAsk(messages.StartSandbox{ID: "a"})
		time.Sleep(9 * time.Minute)
		r.wantState("a", sandbox.Started)
	})
}

// Ensure a sandbox is stopped when it is as old as it may be, used or not.
func TestOldSandboxesAreStopped(t *testing.T) {
	withTerm(t, actors.Term{Idle: 10 * time.Minute, Lifetime: time.Hour}, nil, func(r *rig, _ *fakeDevice) {
		r.mustAsk(messages.AttachSandbox{ID: "a"}).(messages.Lease).Usage.Begin()
		time.Sleep(59 * time.Minute)
		r.wantState("a", sandbox.Started)
		time.Sleep(61 * time.Second)
		r.wantState("a", sandbox.Stopped)
		if reason := r.info("a").Reason; reason != "it has run for 1h0m0s, its longest time" {
			r.Errorf("reason: %q", reason)
		}
		if n := r.counter(expired, "lifetime"); n != 1 {
			r.Errorf("%v counted", n)
		}
	})
}

// Ensure the age of a sandbox counts from its start, and not from the runner's.
func TestAgeOutlivesTheRunner(t *testing.T) {
	inBubble(t, func(h *fakeHost) { h.limits.Term.Lifetime = time.Hour }, func(r *rig) {
		r.mustAsk(create("a"))
		for range 2 {
			time.Sleep(25 * time.Minute)
			r.stop()
			r.start()
			r.wantState("a", sandbox.Started)
		}
		time.Sleep(9 * time.Minute)
		r.wantState("a", sandbox.Started)
		time.Sleep(2 * time.Minute)
		r.wantState("a", sandbox.Stopped)
		r.mustAsk(messages.StartSandbox{ID: "a"})
		time.Sleep(59 * time.Minute)
		r.wantState("a", sandbox.Started)
	})
}

// Ensure a sandbox's own term counts, also against none of the runner's, and nonsense does not.
func TestASandboxesOwnTerm(t *testing.T) {
	for _, tc := range []struct {
		name     string
		term     actors.Term
		metadata map[string]string
		want     string // in the reason; empty: it is started after a day
	}{
		{"none", actors.Term{}, nil, ""},
		{"its own idle time", actors.Term{}, map[string]string{"idleTimeout": "5m"}, "not used for 5m0s"},
		{"its own age", actors.Term{Idle: time.Hour}, map[string]string{"maxLifetime": "5m"}, "run for 5m0s"},
		{"not this one", actors.Term{Idle: time.Hour}, map[string]string{"idleTimeout": "0"}, ""},
		{"nonsense", actors.Term{Idle: time.Hour}, map[string]string{"idleTimeout": "soon", "maxLifetime": "-5m"}, "not used for 1h0m0s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			withTerm(t, tc.term, tc.metadata, func(r *rig, _ *fakeDevice) {
				time.Sleep(24 * time.Hour)
				want := sandbox.Stopped
				if tc.want == "" {
					want = sandbox.Started
				}
				r.wantState("a", want)
				if reason := r.info("a").Reason; !strings.Contains(reason, tc.want) {
					r.Errorf("reason: %q", reason)
				}
			})
		})
	}
}

// Ensure metadata that comes with a start of a started sandbox counts at once.
func TestANewTermCountsAtOnce(t *testing.T) {
	withTerm(t, actors.Term{}, nil, func(r *rig, _ *fakeDevice) {
		r.mustAsk(messages.StartSandbox{ID: "a", Metadata: map[string]string{"idleTimeout": "5m"}})
		time.Sleep(6 * time.Minute)
		r.wantState("a", sandbox.Stopped)
	})
}

// Ensure a stop that does not stop the device is tried again, and not all the time.
func TestAStopAtTheEndOfATermThatFails(t *testing.T) {
	withTerm(t, actors.Term{Lifetime: time.Hour}, nil, func(r *rig, d *fakeDevice) {
		d.set(func(d *fakeDevice) { d.stopErr = errors.New("it hangs") })
		time.Sleep(time.Hour + 10*time.Minute + 30*time.Second)
		r.wantState("a", sandbox.Started)
		if d.stops < 5 || d.stops > 11 {
			r.Errorf("%d stops in ten minutes", d.stops)
		}
		d.set(func(d *fakeDevice) { d.stopErr = nil })
		time.Sleep(2 * time.Minute)
		r.wantState("a", sandbox.Stopped)
	})
}

// Ensure Daytona hears soon that the runner stopped a sandbox by itself.
func TestDaytonaHearsOfTheEndOfATerm(t *testing.T) {
	withStates(t, true, func(h *fakeHost) {
		h.limits.Term.Idle = 10 * time.Minute
		h.device("a").words = []string{"launcher.log: crosvm exited"}
	}, func(r *rig, s *fakeStates) {
		time.Sleep(10*time.Minute + 3*time.Second)
		synctest.Wait()
		s.wantTaken(r.T, "a stopped")
		if s.taken[0].Reason != "it was not used for 10m0s" {
			r.Errorf("told %+v", s.taken)
		}
	})
}
