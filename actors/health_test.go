package actors_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// dies lets a device be gone from now on.
func (d *fakeDevice) dies(how sandbox.Death) {
	d.set(func(d *fakeDevice) { d.life, d.death = sandbox.LifeAbsent, how })
}

const (
	crashes         = "runner_android_device_crashes_total"
	reportedCrashes = "runner_android_crashes_total"
)

// Ensure a started device that dies is in error, once several looks say so, and starts again.
func TestADeviceThatDiesIsFoundDead(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(create("a"))
		d := r.host.device("a")
		lease := r.mustAsk(messages.AttachSandbox{ID: "a"}).(messages.Lease)
		began := time.Now()
		d.dies(sandbox.DeathCrashed)
		d.changed() // its ADB connection went
		r.wantState("a", sandbox.Started)
		if e := r.info("a").Evidence; len(e) != 2 || e[1].Layer != "runner" || e[1].Fact != "absent at look 1 of 3" {
			r.Errorf("evidence after the first miss: %+v", e)
		}
		if tree := r.mustAsk(messages.Describe{}).(messages.Node); tree.Children[1].Facts["misses"] != "1 of 3" {
			r.Errorf("the tree: %+v", tree.Children[1].Facts)
		}
		<-lease.Done
		if took := time.Since(began); took != 2*time.Second {
			r.Errorf("declared dead after %s; want two more looks, a second apart", took)
		}
		r.wantState("a", sandbox.Error)
		if reason := r.info("a").Reason; reason != "the device died: it is absent" {
			r.Errorf("reason: %q", reason)
		}
		if n := r.counter(crashes, "crashed"); n != 1 {
			r.Errorf("%v crashes counted", n)
		}
		r.mustAsk(messages.StartSandbox{ID: "a"})
		r.wantState("a", sandbox.Started)
		d.dies(sandbox.DeathPanicked)
		time.Sleep(60 * time.Second) // two intervals, and nobody said that something happened
		r.wantState("a", sandbox.Error)
		if n := r.counter(crashes, "kernel_panic"); n != 1 {
			r.Errorf("%v panics counted", n)
		}
		looks := d.looked()
		time.Sleep(10 * time.Minute)
		if more := d.looked() - looks; more > 25 {
			r.Errorf("%d looks at a dead device in ten minutes", more)
		}
		r.wantState("a", sandbox.Error)
	})
}

// Ensure a device that somebody switched off is stopped, and no crash.
func TestADeviceThatIsSwitchedOffIsStopped(t *testing.T) {
	for _, how := range []sandbox.Death{sandbox.DeathPoweredOff, sandbox.DeathStopped} {
		inBubble(t, nil, func(r *rig) {
			r.mustAsk(create("a"))
			r.host.device("a").dies(how)
			time.Sleep(60 * time.Second)
			r.wantState("a", sandbox.Stopped)
			if reason := r.info("a").Reason; !strings.Contains(reason, "switched off") {
				r.Errorf("reason: %q", reason)
			}
			if n := r.counter(crashes, string(how)); n != 0 {
				r.Errorf("%s counts as a crash", how)
			}
		})
	}
}

// Ensure a device that was to stop, and runs all the same, is stopped when it is gone.
func TestADeviceThatWasToStop(t *testing.T) {
	inBubble(t, func(h *fakeHost) {
		h.device("a").set(func(d *fakeDevice) { d.facts, d.life = on(sandbox.IntentStopped, true), sandbox.LifeRunning })
	}, func(r *rig) {
		r.wantState("a", sandbox.Started)
		r.host.device("a").dies(sandbox.DeathCrashed)
		time.Sleep(60 * time.Second)
		r.wantState("a", sandbox.Stopped)
	})
}

// Ensure a device that an earlier runner began to stop is not taken for one that boots.
func TestADeviceThatIsBeingStopped(t *testing.T) {
	inBubble(t, func(h *fakeHost) {
		h.device("a").set(func(d *fakeDevice) {
			d.facts, d.life, d.layer = on(sandbox.IntentStopped, true), sandbox.LifeBooting, "process"
		})
	}, func(r *rig) {
		r.wantState("a", sandbox.Unknown)
		d := r.host.device("a")
		d.dies(sandbox.DeathCrashed)
		time.Sleep(2 * time.Second)
		r.wantState("a", sandbox.Stopped)
		if d.starts != 0 {
			r.Error("it was started")
		}
	})
}

// Ensure looks that say absent count only in a row, and only when there is time between them.
func TestMissesInARow(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(create("a"))
		d := r.host.device("a")
		d.dies(sandbox.DeathCrashed)
		for range 10 {
			d.changed() // a connection that flaps is one witness
			synctest.Wait()
		}
		r.wantState("a", sandbox.Started)
		d.set(func(d *fakeDevice) { d.life = sandbox.LifeRunning })
		time.Sleep(1100 * time.Millisecond)
		if e := r.info("a").Evidence; len(e) != 1 {
			r.Errorf("it was seen again, and misses are still counted: %+v", e)
		}
		for _, life := range []sandbox.Life{ // a second apart
			sandbox.LifeAbsent, sandbox.LifeAbsent, sandbox.LifeUnknown, sandbox.LifeAbsent, sandbox.LifeAbsent, sandbox.LifeRunning,
		} {
			d.set(func(d *fakeDevice) { d.life = life })
			d.changed()
			time.Sleep(900 * time.Millisecond)
			r.wantState("a", sandbox.Started)
		}
	})
}

// Ensure HEALTH_FAILURES is how many looks it takes, and short intervals make them quicker.
func TestHowManyMissesItTakes(t *testing.T) {
	for _, tc := range []struct {
		failures int
		interval time.Duration
		want     time.Duration
	}{
		{1, 30 * time.Second, 0},
		{2, 30 * time.Second, time.Second},
		{5, 30 * time.Second, 4 * time.Second},
		{3, 200 * time.Millisecond, 400 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%d misses, every %s", tc.failures, tc.interval), func(t *testing.T) {
			inBubble(t, func(h *fakeHost) { h.limits.Failures, h.limits.Health = tc.failures, tc.interval }, func(r *rig) {
				r.mustAsk(create("a"))
				d := r.host.device("a")
				lease := r.mustAsk(messages.AttachSandbox{ID: "a"}).(messages.Lease)
				began := time.Now()
				d.dies(sandbox.DeathCrashed)
				d.changed()
				<-lease.Done
				if took := time.Since(began); took != tc.want {
					r.Errorf("declared dead after %s; want %s", took, tc.want)
				}
			})
		})
	}
}

// Ensure devices that hang hold up the looks at no other.
func TestHungDevicesHoldUpNobody(t *testing.T) {
	hang := make(chan struct{})
	inBubble(t, func(h *fakeHost) {
		hang = make(chan struct{})
		for i := range 20 {
			h.device(sandbox.ID(fmt.Sprintf("d%d", i))).set(func(d *fakeDevice) {
				d.facts, d.life = on(sandbox.IntentStarted, true), sandbox.LifeRunning
				if i < 10 {
					d.blindLook = hang
				}
			})
		}
	}, func(r *rig) {
		synctest.Wait()
		for i := range 20 {
			want := sandbox.Started
			if i < 10 {
				want = sandbox.Unknown
			}
			r.wantState(sandbox.ID(fmt.Sprintf("d%d", i)), want)
		}
		time.Sleep(6 * time.Second) // the limit of one look, not of ten
		synctest.Wait()
		for i := range 10 {
			if info := r.info(sandbox.ID(fmt.Sprintf("d%d", i))); info.State != sandbox.Unknown || info.ObservedAt.IsZero() {
				r.Errorf("hung device %d: %+v", i, info)
			}
		}
		close(hang)
	})
}

// path is the states that a sandbox went through.
func path(all []sandbox.Transition) (states []sandbox.State) {
	for i, t := range all {
		if i == 0 {
			states = append(states, t.From)
		}
		states = append(states, t.To)
	}
	return states
}

func (r *rig) transitions(id sandbox.ID) []sandbox.Transition {
	r.Helper()
	return r.mustAsk(messages.GetTransitions{ID: id}).(messages.Transitions).Transitions
}

// Ensure what a sandbox went through is told, and kept over the end of its runner.
func TestTransitionsAreKept(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(create("a"))
		r.host.device("a").dies(sandbox.DeathCrashed)
		time.Sleep(time.Minute)
		want := []sandbox.State{sandbox.Unknown, sandbox.Creating, sandbox.Started, sandbox.Error}
		got := r.transitions("a")
		if !slices.Equal(path(got), want) || got[2].Reason != "the device died: it is absent" || got[2].At.IsZero() {
			r.Errorf("went through %+v", got)
		}
		if kept := r.host.journal.of("a"); !slices.Equal(path(kept), want) {
			r.Errorf("kept: %v", path(kept))
		}
		r.mustAsk(messages.StartSandbox{ID: "a"})
		r.stop() // at once: what is new is written all the same
		r.start()
		time.Sleep(time.Minute)
		want = append(want, sandbox.Starting, sandbox.Started, sandbox.Started) // the second by way of unknown
		if got := path(r.transitions("a")); !slices.Equal(got, want) {
			r.Errorf("after a restart of the runner: %v; want %v", got, want)
		}
		for range 40 {
			r.mustAsk(messages.StopSandbox{ID: "a"})
			r.mustAsk(messages.StartSandbox{ID: "a"})
		}
		time.Sleep(time.Minute)
		if told, kept := r.transitions("a"), r.host.journal.of("a"); len(told) != 50 || !slices.Equal(told, kept) {
			r.Errorf("%d told, %d kept; want the last 50", len(told), len(kept))
		}
		if tree := r.mustAsk(messages.Describe{}).(messages.Node); len(tree.Children[1].Transitions) != 10 || len(tree.Children[1].Evidence) == 0 {
			r.Errorf("the tree shows %+v", tree.Children[1])
		}
	})
}

// Ensure a disk that takes no transitions fails no operation and loses only what nobody can keep.
func TestTransitionsThatCannotBeWritten(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.host.journal.fail(errDisk)
		r.mustAsk(create("a"))
		r.mustAsk(messages.StopSandbox{ID: "a"})
		time.Sleep(time.Minute)
		if tries := r.host.journal.tries(); tries == 0 || tries > 4 {
			r.Errorf("%d tries to write", tries)
		}
		if got := len(r.transitions("a")); got != 4 {
			r.Errorf("%d transitions told; want 4", got)
		}
		r.host.journal.fail(nil)
		r.mustAsk(messages.StartSandbox{ID: "a"})
		time.Sleep(time.Minute)
		if kept := r.host.journal.of("a"); len(kept) != 6 {
			r.Errorf("kept when it could be written again: %v", path(kept))
		}
		r.host.device("a").set(func(d *fakeDevice) { d.destroyErr = errDisk })
		_, _ = r.ask(messages.DestroySandbox{ID: "a"})
		synctest.Wait()
		if kept := r.host.journal.of("a"); len(kept) != 8 || kept[7].To != sandbox.Error {
			r.Errorf("kept after a destroy that left something: %v", path(kept))
		}
		r.host.device("a").set(func(d *fakeDevice) { d.destroyErr = nil })
		r.mustAsk(messages.DestroySandbox{ID: "a"})
		if _, err := r.ask(messages.GetTransitions{ID: "a"}); err == nil {
			r.Error("a destroyed sandbox is told of")
		}
	})
}
