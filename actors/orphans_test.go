package actors_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

const orphaned = "runner_android_orphaned_groups_total"

// Ensure a group of ours that belongs to no sandbox is removed once two lists ten minutes apart had it.
func TestOrphanedGroupsAreRemoved(t *testing.T) {
	inBubble(t, func(h *fakeHost) { running(h, "a", 1) }, func(r *rig) {
		r.wantState("a", sandbox.Started)
		r.host.set(func(h *fakeHost) { h.groups = map[sandbox.ID]sandbox.Instance{"a": 1, "lost": 2} })
		began := time.Now()
		for range 9 {
			time.Sleep(time.Minute)
			synctest.Wait()
			if d := r.host.device("lost"); d.destroys != 0 {
				r.Fatalf("removed after %s", time.Since(began))
			}
		}
		root, ok := r.mustAsk(messages.Describe{}).(messages.Node)
		if !ok || root.Facts["orphans"] != "lost since 2000-01-01T00:00:00Z" {
			r.Errorf("the tree: %+v", root.Facts)
		}
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		if d := r.host.device("lost"); d.destroys != 1 || r.counter(orphaned, "found") != 1 || r.counter(orphaned, "condemned") != 1 {
			r.Errorf("%d destroys, %v found", d.destroys, r.counter(orphaned, "found"))
		}
		r.wantState("lost", sandbox.Destroyed)
		r.wantState("a", sandbox.Started)
		if r.host.device("a").destroys != 0 {
			r.Error("a sandbox on record was removed")
		}
	})
}

// Ensure what is gone meanwhile, belongs to a sandbox again, or is not told well, is left.
func TestOrphansThatAreNone(t *testing.T) {
	for name, meanwhile := range map[string]func(*rig){
		"gone for one list": func(r *rig) {
			groups := r.host.groups
			r.host.set(func(h *fakeHost) { h.groups = nil })
			time.Sleep(6 * time.Minute)
			r.host.set(func(h *fakeHost) { h.groups = groups })
		},
		"created anew":       func(r *rig) { r.mustAsk(create("lost")) },
		"told vaguely":       func(r *rig) { r.host.set(func(h *fakeHost) { h.vague = true }) },
		"its number is used": func(r *rig) { r.mustAsk(create("b")) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(h *fakeHost) { h.groups = map[sandbox.ID]sandbox.Instance{"lost": 1} }, func(r *rig) {
				time.Sleep(6 * time.Minute)
				meanwhile(r)
				time.Sleep(8 * time.Minute)
				synctest.Wait()
				if d := r.host.device("lost"); d.destroys != 0 {
					r.Error("it was removed")
				}
			})
		})
	}
}

// Ensure a removal that leaves something is tried again, as a destroy is, and a create waits for it.
func TestARemovalOfAnOrphanThatFails(t *testing.T) {
	inBubble(t, func(h *fakeHost) {
		h.groups = map[sandbox.ID]sandbox.Instance{"lost": 2}
		h.device("lost").destroyErr = errors.New("busy")
	}, func(r *rig) {
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		d := r.host.device("lost")
		if d.destroys < 2 {
			r.Errorf("%d destroys", d.destroys)
		}
		r.host.set(func(h *fakeHost) { h.groups = nil })
		d.set(func(d *fakeDevice) { d.destroyErr = nil })
		time.Sleep(time.Minute)
		r.wantState("lost", sandbox.Destroyed)
		r.mustAsk(create("lost"))
		r.wantState("lost", sandbox.Started)
	})
}

// Ensure what Daytona takes for a sandbox of this runner is taken over with its number, and that while Daytona does not
// answer nothing is removed.
func TestOrphansThatDaytonaKnows(t *testing.T) {
	for believed, want := range map[sandbox.State]sandbox.State{sandbox.Started: sandbox.Started, sandbox.Stopped: sandbox.Stopped} {
		withStates(t, false, func(h *fakeHost) {
			h.groups = map[sandbox.ID]sandbox.Instance{"lost": 3}
			h.states.beliefs["lost"] = believed
			h.states.down = errors.New("no route to Daytona")
			if believed == sandbox.Started {
				h.device("lost").life = sandbox.LifeRunning
			}
		}, func(r *rig, s *fakeStates) {
			time.Sleep(20 * time.Minute)
			synctest.Wait()
			if d := r.host.device("lost"); d.destroys != 0 || d.facts.Known {
				r.Errorf("it was touched while Daytona was down: %+v", d.facts)
			}
			s.set(func(s *fakeStates) { s.down = nil })
			time.Sleep(6 * time.Minute)
			r.wantState("lost", want)
			if n := r.host.mappings()["lost"]; n != 3 {
				r.Errorf("it holds number %d", n)
			}
			if r.counter(orphaned, "adopted") != 1 || r.counter(orphaned, "condemned") != 0 {
				r.Error("it is not counted as adopted")
			}
		})
	}
}

// Ensure a number that another sandbox holds is not given back to one that was lost.
func TestAnOrphanWhoseNumberIsHeld(t *testing.T) {
	withStates(t, false, func(h *fakeHost) {
		h.groups = map[sandbox.ID]sandbox.Instance{"lost": 2}
		h.states.beliefs["lost"] = sandbox.Stopped
		h.device("b").set(func(d *fakeDevice) { d.facts = on(sandbox.IntentStopped, true) })
	}, func(r *rig, _ *fakeStates) {
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if d := r.host.device("lost"); d.destroys != 0 || d.facts.Known {
			r.Errorf("it was touched: %+v", d.facts)
		}
	})
}

// Ensure what Daytona does not list is left for a day, for it may have it in error, or be changing it.
func TestOrphansThatDaytonaDoesNotList(t *testing.T) {
	withStates(t, false, func(h *fakeHost) { h.groups = map[sandbox.ID]sandbox.Instance{"lost": 3} }, func(r *rig, _ *fakeStates) {
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		d := r.host.device("lost")
		if d.destroys != 0 {
			r.Error("it was removed within a day")
		}
		if root, ok := r.mustAsk(messages.Describe{}).(messages.Node); !ok || root.Facts["orphans"] == "" {
			r.Error("the tree does not show it")
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if d.destroys != 1 {
			r.Errorf("%d destroys after more than a day", d.destroys)
		}
	})
}
