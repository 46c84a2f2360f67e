package actors_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// fakeStates is Daytona's record of sandboxes in memory, with the disk of reports beside it. Both
// outlive the systems that use them.
type fakeStates struct {
	mu      sync.Mutex
	beliefs map[sandbox.ID]sandbox.State
	taken   []messages.StateReport // in order
	tries   int
	lists   int
	kept    map[sandbox.ID]messages.StateReport
	saves   int

	// Trouble.
	down    error // answers everything with it
	refuse  bool  // reports are not taken, for good
	deaf    bool  // reports are taken and not believed
	panics  bool  // a report panics
	takes   time.Duration
	diskErr error
}

var (
	_ actors.StateBook = (*fakeStates)(nil)
	_ actors.ReportBox = (*fakeStates)(nil)
)

func newFakeStates() *fakeStates {
	return &fakeStates{beliefs: map[sandbox.ID]sandbox.State{}, kept: map[sandbox.ID]messages.StateReport{}}
}

func (s *fakeStates) wait(ctx context.Context) error {
	s.mu.Lock()
	d := s.takes
	s.mu.Unlock()
	if d == 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *fakeStates) Beliefs(ctx context.Context) (map[sandbox.ID]sandbox.State, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	out := maps.Clone(s.beliefs)
	maps.DeleteFunc(out, func(_ sandbox.ID, b sandbox.State) bool { return b != sandbox.Started && b != sandbox.Stopped })
	return out, s.down
}

func (s *fakeStates) Report(ctx context.Context, r messages.StateReport) (bool, error) {
	if err := s.wait(ctx); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	switch b := s.beliefs[r.ID]; {
	case s.panics:
		panic("in a report")
	case s.down != nil:
		return false, s.down
	case s.refuse, b != sandbox.Started && b != sandbox.Stopped:
		return false, nil
	}
	s.taken = append(s.taken, r)
	if !s.deaf {
		s.beliefs[r.ID] = r.State
	}
	return true, nil
}

func (s *fakeStates) SaveReport(_ context.Context, r messages.StateReport) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.diskErr == nil {
		s.kept[r.ID] = r
		s.saves++
	}
	return s.diskErr
}

func (s *fakeStates) DropReport(_ context.Context, id sandbox.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, id)
	return nil
}

func (s *fakeStates) Reports(context.Context) ([]messages.StateReport, []error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.kept)), nil, s.diskErr
}

// set changes knobs under the lock.
func (s *fakeStates) set(change func(*fakeStates)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// wantTaken fails unless these reports, in short, are all that was taken.
func (s *fakeStates) wantTaken(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for _, r := range s.taken {
		got = append(got, string(r.ID)+" "+string(r.State))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("Daytona took %q; want %q", got, want)
	}
}

// withStates runs a test in a bubble on a host with one running device "a" that Daytona knows, and,
// with jobs, a queue.
func withStates(t *testing.T, jobs bool, prepare func(*fakeHost), test func(*rig, *fakeStates)) {
	t.Helper()
	s := newFakeStates()
	inBubble(t, func(h *fakeHost) {
		h.states = s
		if jobs {
			h.queue = newFakeQueue()
		}
		running(h, "a", 1)
		s.beliefs["a"] = sandbox.Started
		if prepare != nil {
			prepare(h)
		}
	}, func(r *rig) {
		if !r.host.device("a").lookBlocked() {
			r.wantState("a", sandbox.Started)
		}
		test(r, s)
	})
}

func (d *fakeDevice) lookBlocked() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.blindLook != nil || d.factsPanic || d.life != sandbox.LifeRunning
}

// die ends a device behind everybody's back, and waits until as many looks as it takes have noticed.
func (r *rig) die(id sandbox.ID) {
	d := r.host.device(id)
	d.set(func(d *fakeDevice) { d.life = sandbox.LifeAbsent })
	d.mu.Lock()
	changed := d.changed
	d.mu.Unlock()
	changed()
	synctest.Wait()
	for range 5 {
		time.Sleep(3 * time.Second)
		synctest.Wait()
	}
}
