package actors_test

import (
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// What a panic in a turn of each kind of actor costs: that of a sandbox and that of the reporter of crashes are in
// TestAPanicInReceiveComesBackWithTheTruth and TestThePanickingReporter.

// wantUntouched fails unless the sandbox is as it was, and neither it nor its siblings were restarted.
func (r *rig) wantUntouched(id sandbox.ID, besides string) {
	r.Helper()
	r.wantState(id, sandbox.Started)
	for _, path := range []string{"root/allocator", "root/snapshots", "root/jobs", "root/crashes", "root/sb-" + string(id)} {
		if node := r.node(path); path != besides && node.Restarts != 0 {
			r.Errorf("%s was restarted: %+v", path, node)
		}
	}
	if d := r.host.device(id); d.starts+d.stops+d.destroys != 0 {
		r.Errorf("the device of %s was touched", id)
	}
}

// Ensure a panic of root costs the message alone.
func TestAPanicOfRoot(t *testing.T) {
	inBubble(t, func(h *fakeHost) { running(h, "a", 1) }, func(r *rig) {
		r.wantState("a", sandbox.Started)
		r.host.set(func(h *fakeHost) { h.panics = "open" })
		_, err := r.ask(create("b"))
		wantKind(r.T, err, fault.Internal)
		r.host.set(func(h *fakeHost) { h.panics = "" })
		r.wantUntouched("a", "")
		r.mustAsk(create("b"))
		r.wantState("b", sandbox.Started)
	})
}

// Ensure a panic of the allocator fails what was asked, and that it comes back with every claim.
func TestAPanicOfTheAllocator(t *testing.T) {
	inBubble(t, func(h *fakeHost) { running(h, "a", 1) }, func(r *rig) {
		r.wantState("a", sandbox.Started)
		r.host.set(func(h *fakeHost) { h.panics = "admit" })
		_, err := r.ask(create("b"))
		wantKind(r.T, err, fault.Internal)
		r.host.set(func(h *fakeHost) { h.panics = "" })
		time.Sleep(time.Second)
		if node := r.node("root/allocator"); node.Restarts != 1 || node.LastError != "in admit" || node.Facts["number.a"] != "1" {
			r.Errorf("the tree shows %+v", node)
		}
		r.wantUntouched("a", "root/allocator")
		r.mustAsk(create("b"))
		if n := r.info("b").Instance; n != 2 {
			r.Errorf("b got number %d", n)
		}
	})
}

// Ensure a panic of the actor of snapshots fails nobody's sandbox, and that it pulls again.
func TestAPanicOfSnapshots(t *testing.T) {
	inBubble(t, func(h *fakeHost) {
		running(h, "a", 1)
		h.images.err = panicking{}
	}, func(r *rig) {
		r.wantState("a", sandbox.Started)
		_, err := r.ask(messages.PullSnapshot{Source: "android-LATEST", Ref: "ref"})
		if err == nil {
			r.Error("it was pulled")
		}
		time.Sleep(time.Second)
		if node := r.node("root/snapshots"); node.Restarts != 1 || node.LastError != "in the text of an error" {
			r.Errorf("the tree shows %+v", node)
		}
		r.wantUntouched("a", "root/snapshots")
		r.host.images.err = nil
		r.mustAsk(messages.PullSnapshot{Source: "android-LATEST", Ref: "ref"})
	})
}

// panicking is an error that has no text.
type panicking struct{}

func (panicking) Error() string { panic("in the text of an error") }

// Ensure a panic of the actor of jobs loses no job: what it had claimed it finds again.
func TestAPanicOfJobs(t *testing.T) {
	withQueue(t, func(h *fakeHost, _ *fakeQueue) {
		running(h, "a", 1)
		h.log = panicsOnce("job claimed")
	}, func(r *rig, q *fakeQueue) {
		r.wantState("a", sandbox.Started)
		q.order(createJob("1", "b"), createJob("2", "c"))
		time.Sleep(10 * time.Minute)
		if node := r.node("root/jobs"); node.Restarts != 1 || node.LastError != "at: job claimed" {
			r.Errorf("the tree shows %+v", node)
		}
		if one, two := q.statusOf("1"), q.statusOf("2"); one != "COMPLETED" || two != "COMPLETED" {
			r.Errorf("the jobs are %s and %s", one, two)
		}
		r.wantUntouched("a", "root/jobs")
	})
}
