package actors_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// Ensure a comparison corrects what Daytona believes, and only that.
func TestStatesAreCompared(t *testing.T) {
	failed := on(sandbox.IntentStarted, true)
	failed.Failure = "the boot failed"
	for _, tc := range []struct {
		name   string
		facts  sandbox.Facts
		life   sandbox.Life
		belief sandbox.State
		want   string // what is reported
	}{
		{"it runs, as believed", on(sandbox.IntentStarted, true), sandbox.LifeRunning, sandbox.Started, ""},
		{"it was stopped, as believed", on(sandbox.IntentStopped, true), sandbox.LifeAbsent, sandbox.Stopped, ""},
		{"it was stopped behind Daytona's back", on(sandbox.IntentStopped, true), sandbox.LifeAbsent, sandbox.Started, "a stopped"},
		{"it was started behind Daytona's back", on(sandbox.IntentStarted, true), sandbox.LifeRunning, sandbox.Stopped, "a started"},
		{"it failed, believed started", failed, sandbox.LifeAbsent, sandbox.Started, "a error"},
		{"it failed, believed stopped", failed, sandbox.LifeAbsent, sandbox.Stopped, ""},
		{"nobody can tell", on(sandbox.IntentStarted, true), sandbox.LifeUnknown, sandbox.Started, ""},
		{"it boots", on(sandbox.IntentStarted, true), sandbox.LifeBooting, sandbox.Stopped, ""},
		{"it is in error there", on(sandbox.IntentStopped, true), sandbox.LifeAbsent, sandbox.Error, ""},
		{"it is archived there", on(sandbox.IntentStopped, true), sandbox.LifeAbsent, "archived", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			withStates(t, true, func(h *fakeHost) {
				h.device("a").set(func(d *fakeDevice) { d.facts, d.life, d.bootTime = tc.facts, tc.life, 3*time.Minute })
				h.states.beliefs["a"] = tc.belief
			}, func(r *rig, s *fakeStates) {
				time.Sleep(time.Minute)
				if tc.want == "" {
					s.wantTaken(r.T)
				} else {
					s.wantTaken(r.T, tc.want)
				}
				if s.saves != 0 {
					r.Error("what is found again was kept on disk")
				}
			})
		})
	}
}

// Ensure a device that died while no runner was there is found, with its last words, soon.
func TestADeathWithoutARunnerIsFound(t *testing.T) {
	withStates(t, true, func(h *fakeHost) {
		h.device("a").set(func(d *fakeDevice) { d.life, d.words = sandbox.LifeAbsent, []string{"kernel.log: oom-kill"} })
	}, func(r *rig, s *fakeStates) {
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if len(s.taken) != 1 || !strings.Contains(s.taken[0].Reason, "found dead") || !strings.Contains(s.taken[0].Reason, "oom-kill") {
			r.Errorf("Daytona took %+v", s.taken)
		}
	})
}

// Ensure sandboxes that only Daytona knows are shown and not ended.
func TestMissingSandboxesAreNotReported(t *testing.T) {
	withStates(t, true, func(h *fakeHost) { h.states.beliefs["elsewhere"] = sandbox.Started }, func(r *rig, s *fakeStates) {
		time.Sleep(time.Minute)
		s.wantTaken(r.T)
		if facts := r.node("root/crashes").Facts; facts["missing_here"] != "1" || facts["beliefs"] != "2" {
			r.Errorf("the tree shows %v", facts)
		}
	})
}

// Ensure the API is asked seldom, and more seldom while it does not answer.
func TestComparisonsAreBounded(t *testing.T) {
	withStates(t, true, nil, func(r *rig, s *fakeStates) {
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if s.lists < 10 || s.lists > 40 {
			r.Errorf("%d lists in 10 minutes; want about 20", s.lists)
		}
		before := s.lists
		s.set(func(s *fakeStates) { s.down = errReset })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := s.lists - before; n < 10 || n > 50 {
			r.Errorf("%d lists in 10 minutes without an API; want about 25", n)
		}
	})
}

// Ensure a report that the API takes and does not believe is repeated more and more seldom.
func TestAnUnbelievedReportIsNotRepeatedForEver(t *testing.T) {
	withStates(t, true, nil, func(r *rig, s *fakeStates) {
		s.set(func(s *fakeStates) { s.deaf = true })
		r.mustAsk(messages.StopSandbox{ID: "a"})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if s.tries < 5 || s.tries > 20 {
			r.Errorf("%d tries in two hours", s.tries)
		}
	})
}

// Ensure a stop by a job is reported by the job alone.
func TestJobsAreNotReportedTwice(t *testing.T) {
	withStates(t, true, nil, func(r *rig, s *fakeStates) {
		q := r.host.queue
		q.order(stopJob("j", "a"))
		s.set(func(s *fakeStates) { s.beliefs["a"] = "stopping" })
		synctest.Wait()
		s.set(func(s *fakeStates) { s.beliefs["a"] = sandbox.Stopped })
		time.Sleep(10 * time.Minute)
		if got := q.statusOf("j"); got != "COMPLETED" || s.tries != 0 {
			r.Errorf("the job is %s, %d reports beside it", got, s.tries)
		}
	})
}
