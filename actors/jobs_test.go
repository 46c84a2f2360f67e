package actors_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// Ensure a job is one command and its outcome one report, for success and for failure.
func TestJobsAreDoneAndReported(t *testing.T) {
	withQueue(t, nil, func(r *rig, q *fakeQueue) {
		q.order(createJob("1", "a"))
		if s := q.statusOf("1"); s != "IN_PROGRESS" {
			r.Fatalf("while it boots the job is %s", s)
		}
		time.Sleep(2 * time.Minute)
		if s := q.statusOf("1"); s != "COMPLETED" {
			r.Fatalf("after the boot the job is %s", s)
		}
		r.wantState("a", sandbox.Started)
		q.order(stopJob("2", "nobody"), messages.Job{ID: "3", Type: "FORK_SANDBOX", Subject: "a", Refusal: fault.Unsupportedf("no forks")})
		if q.statusOf("2") != "FAILED" || q.statusOf("3") != "FAILED" {
			r.Errorf("stop of nobody is %s, a refused job %s; want both failed", q.statusOf("2"), q.statusOf("3"))
		}
		q.order(destroyJob("4", "a"))
		if s := q.statusOf("4"); s != "COMPLETED" {
			r.Errorf("destroy is %s", s)
		}
		var errs []string
		for _, o := range get(q, func(q *fakeQueue) []messages.Outcome { return q.reported }) {
			errs = append(errs, o.JobID+":"+o.Error)
		}
		slices.Sort(errs)
		want := "1: 2:sandbox nobody does not exist on this runner 3:no forks 4:"
		if got := strings.Join(errs, " "); got != want {
			r.Errorf("reports %q; want %q", got, want)
		}
		if n := get(q, func(q *fakeQueue) int { return len(q.kept) }); n != 0 {
			r.Errorf("%d outcomes are still on disk", n)
		}
	})
}

// Ensure the jobs of one sandbox are done strictly in order, whatever others do meanwhile.
func TestJobsOfOneSandboxAreDoneInOrder(t *testing.T) {
	withQueue(t, nil, func(r *rig, q *fakeQueue) {
		q.order(createJob("1", "a"), stopJob("2", "a"), startJob("3", "a"), destroyJob("4", "a"), createJob("5", "b"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		var order []string
		for _, o := range get(q, func(q *fakeQueue) []messages.Outcome { return q.reported }) {
			if o.Status != "COMPLETED" {
				r.Errorf("job %s is %s: %s", o.JobID, o.Status, o.Error)
			}
			if o.Subject == "a" {
				order = append(order, o.JobID)
			}
		}
		if got := strings.Join(order, " "); got != "1 2 3 4" {
			r.Errorf("jobs of a were done in the order %s", got)
		}
		d := r.host.device("a")
		if d.creates != 1 || d.stops != 1 || d.starts != 1 || d.destroys != 1 {
			r.Errorf("the device saw %d creates, %d stops, %d starts, %d destroys", d.creates, d.stops, d.starts, d.destroys)
		}
	})
}

// Ensure boots do not take all the places: a destroy passes creates that have been waiting for long,
// and the poll goes on.
func TestBootsLeaveRoomForOtherJobs(t *testing.T) {
	withQueue(t, func(h *fakeHost, _ *fakeQueue) { h.highest = 100 }, func(r *rig, q *fakeQueue) {
		for i := range 40 {
			q.order(createJob(fmt.Sprint("c", i), sandbox.ID(fmt.Sprint("s", i))))
		}
		synctest.Wait()
		if n := r.host.booting(); n != 12 {
			r.Errorf("%d creates are at work; want 12 of 16 places", n)
		}
		q.order(destroyJob("d", "nobody"))
		if s := q.statusOf("d"); s != "COMPLETED" {
			r.Errorf("the destroy behind 40 creates is %s", s)
		}
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if done := get(q, func(q *fakeQueue) int { return len(q.reported) }); done != 41 {
			r.Errorf("%d of 41 jobs were reported", done)
		}
	})
}

// Ensure polling rests while as many jobs are claimed as can be kept, and goes on after that.
func TestPollingRestsWhenTooManyJobsAreClaimed(t *testing.T) {
	withQueue(t, func(h *fakeHost, _ *fakeQueue) { h.highest = 1 }, func(r *rig, q *fakeQueue) {
		for i := range 300 { // of one sandbox: one is at work, the others wait
			q.order(messages.Job{ID: fmt.Sprint(i), Type: "CREATE_SANDBOX", Subject: "a", Command: create("a"), Boots: true})
		}
		synctest.Wait()
		if n := get(q, func(q *fakeQueue) int { return len(q.claimed) }); n != 256 {
			r.Errorf("%d jobs are claimed; want 256", n)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := get(q, func(q *fakeQueue) int { return len(q.reported) }); n != 300 {
			r.Errorf("%d of 300 jobs were reported", n)
		}
	})
}

// Ensure a poll whose answer was lost is followed by a list, and its job done once.
func TestJobsOfALostPollAreFound(t *testing.T) {
	withQueue(t, nil, func(r *rig, q *fakeQueue) {
		synctest.Wait()
		q.set(func(q *fakeQueue) { q.losePoll = true })
		q.order(createJob("1", "a"))
		time.Sleep(3 * time.Minute)
		if s := q.statusOf("1"); s != "COMPLETED" {
			r.Errorf("the job is %s", s)
		}
		if d := r.host.device("a"); d.creates != 1 {
			r.Errorf("%d creates", d.creates)
		}
	})
}

// Ensure ten minutes without the API cost no effect and no report: what was at work ends, is kept,
// and is reported once when the API is back, within one poll.
func TestOutcomesSurviveAnOutage(t *testing.T) {
	withQueue(t, nil, func(r *rig, q *fakeQueue) {
		q.order(createJob("1", "a"), createJob("2", "b"))
		synctest.Wait()
		q.set(func(q *fakeQueue) { q.down = errReset })
		time.Sleep(10 * time.Minute)
		r.wantState("a", sandbox.Started)
		if kept := get(q, func(q *fakeQueue) int { return len(q.kept) }); kept != 2 {
			r.Errorf("%d outcomes are on disk during the outage; want 2", kept)
		}
		polls := get(q, func(q *fakeQueue) int { return q.polls })
		if lists := get(q, func(q *fakeQueue) int { return q.lists }); lists+polls > 60 {
			r.Errorf("%d polls and %d lists in ten minutes without an API", polls, lists)
		}
		q.set(func(q *fakeQueue) { q.down = nil })
		q.order(stopJob("3", "a"))
		time.Sleep(46 * time.Second) // the longest pause, with its jitter
		for _, id := range []string{"1", "2", "3"} {
			if s := q.statusOf(id); s != "COMPLETED" {
				r.Errorf("job %s is %s after the outage", id, s)
			}
		}
		if n := get(q, func(q *fakeQueue) int { return q.posts }); n != 3 {
			r.Errorf("%d reports were taken for 3 jobs", n)
		}
	})
}

// Ensure a report whose answer was lost is asked about, not repeated: the API would act on it twice.
func TestAReportIsNotRepeated(t *testing.T) {
	withQueue(t, nil, func(r *rig, q *fakeQueue) {
		q.set(func(q *fakeQueue) { q.loseReport = true })
		q.order(destroyJob("1", "nobody"))
		time.Sleep(time.Minute)
		synctest.Wait()
		posts, asks := get(q, func(q *fakeQueue) int { return q.posts }), get(q, func(q *fakeQueue) int { return q.asks })
		if posts != 1 || asks != 1 {
			r.Errorf("%d reports and %d questions; want one each", posts, asks)
		}
		if n := get(q, func(q *fakeQueue) int { return len(q.kept) }); n != 0 {
			r.Errorf("%d outcomes are still on disk", n)
		}
	})
}

// Ensure a token that Daytona does not know is tried seldom, and devices are left alone.
func TestAnUnknownTokenIsTriedSeldom(t *testing.T) {
	withQueue(t, nil, func(r *rig, q *fakeQueue) {
		q.order(createJob("1", "a"))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		before := get(q, func(q *fakeQueue) int { return q.polls + q.lists })
		q.set(func(q *fakeQueue) { q.down = fault.New(fault.Unauthorized, "Invalid credentials") })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := get(q, func(q *fakeQueue) int { return q.polls + q.lists }) - before; n > 22 {
			r.Errorf("%d calls in ten minutes with a token that is not known", n)
		}
		r.wantState("a", sandbox.Started)
		tree := r.mustAsk(messages.Describe{}).(messages.Node)
		i := slices.IndexFunc(tree.Children, func(n messages.Node) bool { return n.Kind == "jobs" })
		if i < 0 || tree.Children[i].State != "pausing" || !strings.Contains(tree.Children[i].LastError, "Invalid credentials") {
			r.Errorf("the tree does not show the trouble: %+v", tree.Children)
		}
	})
}

// Ensure a runner that died between doing and reporting reports what is on disk, once, and that one
// that died before that finds the job done.
func TestANewRunnerReportsWhatTheOldOneDid(t *testing.T) {
	withQueue(t, func(h *fakeHost, q *fakeQueue) {
		for id, status := range map[string]string{"on-disk": "IN_PROGRESS", "taken": "COMPLETED", "not-on-disk": "IN_PROGRESS"} {
			q.status[id] = status
		}
		for _, id := range []string{"on-disk", "taken"} {
			q.kept[id] = messages.Outcome{JobID: id, Type: "CREATE_SANDBOX", Subject: "a", Status: "COMPLETED"}
		}
		running(h, "a", 1)
		running(h, "b", 2)
		q.claimed = []messages.Job{createJob("on-disk", "a"), createJob("not-on-disk", "b")}
		for i := range q.claimed {
			q.claimed[i].Limit = time.Minute
		}
	}, func(r *rig, q *fakeQueue) {
		time.Sleep(time.Second)
		for _, id := range []string{"on-disk", "taken", "not-on-disk"} {
			if s := q.statusOf(id); s != "COMPLETED" {
				r.Errorf("%s is %s", id, s)
			}
		}
		if n := get(q, func(q *fakeQueue) int { return q.posts }); n != 2 {
			r.Errorf("%d reports; want one for each open job", n)
		}
		if a, b := r.host.device("a"), r.host.device("b"); a.creates+b.creates+a.starts+b.starts != 0 {
			r.Error("a device that ran was touched")
		}
	})
}

// Ensure a runner that is told to stop takes no more jobs, reports what ends, and leaves a create
// to the next runner.
func TestAStoppingRunnerLeavesItsCreates(t *testing.T) {
	withQueue(t, nil, func(r *rig, q *fakeQueue) {
		q.order(createJob("1", "a"))
		synctest.Wait()
		r.stop()
		q.order(createJob("2", "b"))
		if s := q.statusOf("1"); s != "IN_PROGRESS" {
			r.Errorf("the create that goes on is %s", s)
		}
		if s := q.statusOf("2"); s != "PENDING" {
			r.Errorf("a job after the end is %s", s)
		}
		r.start()
		time.Sleep(3 * time.Minute)
		if q.statusOf("1") != "COMPLETED" || q.statusOf("2") != "COMPLETED" {
			r.Errorf("after the restart the jobs are %s and %s", q.statusOf("1"), q.statusOf("2"))
		}
	})
}

// Ensure jobs that take long, or wait for long, keep showing signs of life.
func TestLongJobsShowSignsOfLife(t *testing.T) {
	withQueue(t, func(h *fakeHost, _ *fakeQueue) { h.device("a").bootTime = 9 * time.Minute }, func(r *rig, q *fakeQueue) {
		q.order(createJob("1", "a"), stopJob("2", "a"))
		time.Sleep(8 * time.Minute)
		synctest.Wait()
		for _, id := range []string{"1", "2"} {
			if n := get(q, func(q *fakeQueue) int { return q.beats[id] }); n < 6 {
				r.Errorf("job %s gave %d signs of life in 8 minutes", id, n)
			}
		}
		time.Sleep(5 * time.Minute)
		if q.statusOf("1") != "COMPLETED" || q.statusOf("2") != "COMPLETED" {
			r.Errorf("the jobs are %s and %s", q.statusOf("1"), q.statusOf("2"))
		}
	})
}

// Ensure a disk that takes no outcome does not keep it from being reported.
func TestAnOutcomeThatCannotBeKeptIsReported(t *testing.T) {
	withQueue(t, nil, func(r *rig, q *fakeQueue) {
		q.set(func(q *fakeQueue) { q.outboxErr = errDisk })
		q.order(destroyJob("1", "nobody"))
		if s := q.statusOf("1"); s != "COMPLETED" {
			r.Errorf("the job is %s", s)
		}
	})
}

// Ensure a panic under a job fails the job, and no other.
func TestAPanicFailsItsJobAlone(t *testing.T) {
	withQueue(t, func(h *fakeHost, _ *fakeQueue) { h.device("a").panics = "create" }, func(r *rig, q *fakeQueue) {
		q.order(createJob("1", "a"), createJob("2", "b"))
		time.Sleep(5 * time.Minute)
		if one, two := q.statusOf("1"), q.statusOf("2"); one != "FAILED" || two != "COMPLETED" {
			r.Errorf("the job that panics is %s, the other %s", one, two)
		}
	})
}
