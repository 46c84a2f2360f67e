package actors_test

import (
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

func TestNumbersAreGivenOnceAndReturned(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() { _, _ = r.ask(create(sandbox.ID(fmt.Sprintf("s%d", i)))) })
		}
		wg.Wait()
		seen := map[sandbox.Instance]sandbox.ID{}
		for id, n := range r.host.mappings() {
			if other, twice := seen[n]; twice || !n.Valid() {
				r.Errorf("%s and %s both hold %d", id, other, n)
			}
			seen[n] = id
		}
		if len(seen) != 4 {
			r.Errorf("mappings: %v", r.host.mappings())
		}
		_, err := r.ask(create("one-too-many"))
		wantKind(r.T, err, fault.Exhausted)
		r.wantState("one-too-many", sandbox.Destroyed)
		r.mustAsk(messages.DestroySandbox{ID: "s2"})
		r.mustAsk(create("after"))
		r.wantState("after", sandbox.Started)
	})
}

func TestAFullHostRefusesWithTheSums(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(create("a"))
		r.mustAsk(messages.StopSandbox{ID: "a"})
		r.host.mu.Lock()
		r.host.full = fault.Exhaustedf("needs 4608 MB, 100 of 16384 MB free")
		r.host.mu.Unlock()
		_, err := r.ask(create("b"))
		wantKind(r.T, err, fault.Exhausted)
		r.wantState("b", sandbox.Destroyed)
		_, err = r.ask(messages.StartSandbox{ID: "a"}) // its memory was given back when it stopped
		wantKind(r.T, err, fault.Exhausted)
		r.wantState("a", sandbox.Stopped)
	})
}

func TestANumberThatCannotBeRecordedIsNotGiven(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.host.mu.Lock()
		r.host.saveErr = errDisk
		r.host.mu.Unlock()
		if _, err := r.ask(create("a")); err == nil {
			r.Error("created without a record")
		}
		if d := r.host.device("a"); d.creates != 0 {
			r.Error("the device was touched before its number was on disk")
		}
		r.host.mu.Lock()
		r.host.saveErr = nil
		r.host.mu.Unlock()
		if info := r.mustAsk(create("b")).(sandbox.Info); info.Instance != 1 {
			r.Errorf("number %d; want the one that was taken back", info.Instance)
		}
	})
}

func TestAStrangersNumberIsAvoided(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.host.device("a").set(func(d *fakeDevice) { d.taken = 1 })
		if info := r.mustAsk(create("a")).(sandbox.Info); info.Instance != 2 {
			r.Errorf("number %d; want 2", info.Instance)
		}
		if m := r.host.mappings(); len(m) != 1 || m["a"] != 2 {
			r.Errorf("mappings: %v", m)
		}
	})
}

// Ensure no number is held twice and all come back, whatever is created and destroyed in
// whatever order.
func TestNumbersOverRandomLives(t *testing.T) {
	ids := []sandbox.ID{"a", "b", "c", "d", "e", "f"}
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 2*len(ids)-1), 1, 30).Draw(rt, "steps")
		inBubble(t, nil, func(r *rig) {
			alive := map[sandbox.ID]bool{}
			for _, step := range steps {
				id := ids[step/2]
				if step%2 == 0 {
					_, err := r.ask(create(id))
					if full := len(alive) == 4 && !alive[id]; full != fault.Is(err, fault.Exhausted) || !full && err != nil {
						rt.Fatalf("create %s with %d alive: %v", id, len(alive), err)
					}
					if err == nil {
						alive[id] = true
					}
				} else {
					r.mustAsk(messages.DestroySandbox{ID: id})
					delete(alive, id)
				}
				held := map[sandbox.Instance]bool{}
				for holder, n := range r.host.mappings() {
					if !alive[holder] || held[n] || n < 1 || n > 4 {
						rt.Fatalf("after %v: mappings %v, alive %v", steps, r.host.mappings(), alive)
					}
					held[n] = true
				}
				if len(held) != len(alive) {
					rt.Fatalf("mappings %v, alive %v", r.host.mappings(), alive)
				}
			}
		})
	})
}
