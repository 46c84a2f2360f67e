package actors_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// Ensure a device that dies is reported once, with the reason and what its logs say last.
func TestADeathIsReportedOnce(t *testing.T) {
	withStates(t, true, func(h *fakeHost) {
		h.device("a").words = []string{"kernel.log: Kernel panic - not syncing", "launcher.log: crosvm exited"}
	}, func(r *rig, s *fakeStates) {
		r.die("a")
		s.wantTaken(r.T, "a error")
		if got := s.taken[0]; !got.Recoverable || !strings.Contains(got.Reason, "died") ||
			!strings.HasSuffix(got.Reason, "; last words: kernel.log: Kernel panic - not syncing | launcher.log: crosvm exited") {
			r.Errorf("reported %+v", got)
		}
		if s.saves != 1 || len(s.kept) != 0 {
			r.Errorf("%d saves, kept %v; want one that is gone again", s.saves, s.kept)
		}
		time.Sleep(time.Hour)
		s.wantTaken(r.T, "a error")
		if s.tries != 1 {
			r.Errorf("%d tries; want one", s.tries)
		}
	})
}

// Ensure a device that ends by itself in good order is reported as stopped, and counts as no crash.
func TestAnOrderlyEndIsNoCrash(t *testing.T) {
	withStates(t, true, nil, func(r *rig, s *fakeStates) {
		r.host.device("a").set(func(d *fakeDevice) { d.death = sandbox.DeathPoweredOff })
		r.die("a")
		s.wantTaken(r.T, "a stopped")
		if got := s.taken[0]; got.Recoverable || !strings.Contains(got.Reason, "switched off") {
			r.Errorf("reported %+v", got)
		}
		if n := r.counter(reportedCrashes, "device"); n != 0 {
			r.Errorf("%v crashes counted; want none", n)
		}
		time.Sleep(time.Hour)
		s.wantTaken(r.T, "a stopped")
	})
}

// Ensure whatever keeps the API from taking a report costs nothing but time: it is on disk, tried with
// growing pauses, and taken once when the API is back.
func TestAReportWaitsForTheAPI(t *testing.T) {
	for name, trouble := range map[string]error{
		"down": errReset, "wrong token": fault.New(fault.Unauthorized, "no"), "of another role": fault.New(fault.Forbidden, "no"),
	} {
		t.Run(name, func(t *testing.T) {
			withStates(t, true, nil, func(r *rig, s *fakeStates) {
				s.set(func(s *fakeStates) { s.down = trouble })
				r.die("a")
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if len(s.kept) != 1 || s.tries < 5 || s.tries > 60 {
					r.Errorf("kept %v after %d tries", s.kept, s.tries)
				}
				node := r.node("root/crashes")
				if node.LastError == "" || !strings.Contains(node.Facts["report.a"], "error, waiting for 10m") {
					r.Errorf("the tree shows %+v", node)
				}
				s.set(func(s *fakeStates) { s.down = nil })
				time.Sleep(2 * time.Minute)
				s.wantTaken(r.T, "a error")
				if node := r.node("root/crashes"); len(s.kept) != 0 || node.LastError != "" || node.Facts["reports"] != "0" {
					r.Errorf("kept %v, the tree shows %+v", s.kept, node)
				}
			})
		})
	}
}

// Ensure a slow API holds up nothing else, and its answers count.
func TestASlowAPI(t *testing.T) {
	withStates(t, true, nil, func(r *rig, s *fakeStates) {
		s.set(func(s *fakeStates) { s.takes = 20 * time.Second })
		r.die("a")
		began := time.Now()
		r.wantState("a", sandbox.Error)
		if node := r.node("root/crashes"); time.Since(began) != 0 || node.Facts["sending"] != "1" {
			r.Errorf("answered after %s: %+v", time.Since(began), node)
		}
		time.Sleep(25 * time.Second)
		s.wantTaken(r.T, "a error")
	})
}

// Ensure what is no longer true is not reported.
func TestAReportEndsWithItsTruth(t *testing.T) {
	for name, end := range map[string]any{
		"started again": messages.StartSandbox{ID: "a"}, "destroyed": messages.DestroySandbox{ID: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			withStates(t, false, nil, func(r *rig, s *fakeStates) {
				s.set(func(s *fakeStates) { s.down = errReset })
				r.die("a")
				time.Sleep(time.Minute)
				r.mustAsk(end)
				s.set(func(s *fakeStates) { s.down = nil })
				time.Sleep(5 * time.Minute)
				s.wantTaken(r.T)
				if len(s.kept) != 0 {
					r.Errorf("kept %v", s.kept)
				}
			})
		})
	}
}

// Ensure a report that the API refuses for good is over.
func TestARefusedReportIsOver(t *testing.T) {
	withStates(t, true, nil, func(r *rig, s *fakeStates) {
		s.set(func(s *fakeStates) { s.refuse = true; s.beliefs["a"] = "stopping" })
		r.die("a")
		time.Sleep(time.Hour)
		if s.tries != 1 || len(s.kept) != 0 {
			r.Errorf("%d tries, kept %v", s.tries, s.kept)
		}
	})
}

// Ensure a device that dies, runs and dies again is reported twice.
func TestEachDeathIsReported(t *testing.T) {
	withStates(t, false, nil, func(r *rig, s *fakeStates) {
		r.die("a")
		s.wantTaken(r.T, "a error")
		r.mustAsk(messages.StartSandbox{ID: "a"})
		s.set(func(s *fakeStates) { s.beliefs["a"] = sandbox.Started }) // recovered there, too
		r.die("a")
		s.wantTaken(r.T, "a error", "a error")
	})
}

// Ensure a runner that ends between crash and report reports when it is back, and no earlier than the
// device was looked at.
func TestAReportSurvivesTheRunner(t *testing.T) {
	withStates(t, true, nil, func(r *rig, s *fakeStates) {
		s.set(func(s *fakeStates) { s.down = errReset })
		r.die("a")
		time.Sleep(time.Minute)
		r.stop()
		see := make(chan struct{})
		r.host.device("a").set(func(d *fakeDevice) { d.blindLook = see })
		s.set(func(s *fakeStates) { s.down = nil })
		r.start()
		time.Sleep(3 * time.Second)
		s.wantTaken(r.T)
		close(see)
		time.Sleep(time.Minute)
		s.wantTaken(r.T, "a error")
		if !strings.Contains(s.taken[0].Reason, "the device died") || len(s.kept) != 0 {
			r.Errorf("reported %+v, kept %v", s.taken[0], s.kept)
		}
	})
}

// Ensure a full disk, and panics on the way, lose no report.
func TestAReportSurvivesTrouble(t *testing.T) {
	for name, trouble := range map[string]func(*rig, *fakeStates){
		"disk full":            func(_ *rig, s *fakeStates) { s.set(func(s *fakeStates) { s.diskErr = errDisk }) },
		"panic in last words":  func(r *rig, _ *fakeStates) { r.host.device("a").set(func(d *fakeDevice) { d.panics = "words" }) },
		"panic while it is on": func(_ *rig, s *fakeStates) { s.set(func(s *fakeStates) { s.panics = true }) },
	} {
		t.Run(name, func(t *testing.T) {
			withStates(t, true, nil, func(r *rig, s *fakeStates) {
				trouble(r, s)
				r.die("a")
				s.set(func(s *fakeStates) { s.panics = false })
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if len(s.taken) != 1 || s.taken[0].ID != "a" {
					r.Errorf("Daytona took %+v", s.taken)
				}
			})
		})
	}
}

// Ensure a sandbox with an open job is left to the job, whose outcome tells Daytona first.
func TestAReportWaitsForOpenJobs(t *testing.T) {
	withStates(t, true, func(h *fakeHost) {
		h.device("a").set(func(d *fakeDevice) { d.facts.Intent, d.life = sandbox.IntentStopped, sandbox.LifeAbsent })
		h.states.beliefs["a"] = "starting"
	}, func(r *rig, s *fakeStates) {
		q := r.host.queue
		q.order(startJob("k", "a"))
		time.Sleep(time.Minute)
		q.set(func(q *fakeQueue) { q.down = errReset })
		time.Sleep(time.Minute)
		r.wantState("a", sandbox.Started)
		s.set(func(s *fakeStates) { s.beliefs["a"] = sandbox.Started }) // so that only the open job holds it up
		r.die("a")
		time.Sleep(2 * time.Minute)
		if got := q.statusOf("k"); got != "IN_PROGRESS" || s.tries != 0 {
			r.Errorf("the job is %s; %d reports", got, s.tries)
		}
		q.set(func(q *fakeQueue) { q.down = nil })
		time.Sleep(2 * time.Minute)
		if got := q.statusOf("k"); got != "COMPLETED" {
			r.Errorf("the job is %s", got)
		}
		s.wantTaken(r.T, "a error")
	})
}

// Ensure an actor that is given up is reported once, however often it is tried and given up again.
func TestALostActorIsReportedOnce(t *testing.T) {
	withStates(t, true, nil, func(r *rig, s *fakeStates) {
		d := r.host.device("a")
		d.set(func(d *fakeDevice) { d.factsPanic = true })
		_, err := r.ask(messages.StopSandbox{ID: "a"})
		if err == nil {
			r.Error("a panicking actor did as it was told")
		}
		time.Sleep(time.Hour)
		s.wantTaken(r.T, "a error")
		if s.tries != 1 || !strings.Contains(s.taken[0].Reason, "its actor keeps failing (facts)") {
			r.Errorf("%d tries, reported %+v", s.tries, s.taken)
		}
		d.set(func(d *fakeDevice) { d.factsPanic = false })
		time.Sleep(3 * time.Minute)
		r.wantState("a", sandbox.Started)
		if d.stops+d.starts+d.destroys != 0 {
			r.Error("the device was not left alone")
		}
	})
}

// Ensure a panic of the reporter itself costs its siblings nothing, and the report only time: what it
// forgot is found by the comparison.
func TestThePanickingReporter(t *testing.T) {
	withStates(t, true, func(h *fakeHost) {
		h.log = panicsOnce("a device died")
	}, func(r *rig, s *fakeStates) {
		r.die("a")
		if node := r.node("root/crashes"); node.Restarts != 1 || node.LastError != "at: a device died" {
			r.Errorf("the tree shows %+v", node)
		}
		r.wantState("a", sandbox.Error)
		if node := r.node("root/sb-a"); node.Restarts != 0 {
			r.Error("its sibling was restarted as well")
		}
		time.Sleep(time.Minute)
		s.wantTaken(r.T, "a error")
		r.mustAsk(messages.StartSandbox{ID: "a"})
		s.set(func(s *fakeStates) { s.beliefs["a"] = sandbox.Started })
		r.die("a")
		s.wantTaken(r.T, "a error", "a error")
	})
}

// Ensure nobody is told anything where there is no Daytona.
func TestWithoutDaytonaThereIsNoReporter(t *testing.T) {
	inBubble(t, func(h *fakeHost) { running(h, "a", 1) }, func(r *rig) {
		r.wantState("a", sandbox.Started)
		r.die("a")
		r.wantState("a", sandbox.Error)
		if node := r.node("root/crashes"); node.Path != "" {
			r.Errorf("there is %+v", node)
		}
	})
}

// Ensure stopping the runner waits for no report.
func TestStopDoesNotWaitForReports(t *testing.T) {
	withStates(t, true, nil, func(r *rig, s *fakeStates) {
		s.set(func(s *fakeStates) { s.takes = time.Hour })
		r.die("a")
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > 5*time.Second {
			r.Errorf("it took %s", took)
		}
		if len(s.kept) != 1 {
			r.Errorf("kept %v", s.kept)
		}
		s.set(func(s *fakeStates) { s.takes = 0 })
		r.start()
		time.Sleep(time.Minute)
		s.wantTaken(r.T, "a error")
	})
}

// node returns one actor of the tree; the zero Node when there is none of that path.
func (r *rig) node(path string) messages.Node {
	r.Helper()
	tree, ok := r.mustAsk(messages.Describe{}).(messages.Node)
	if !ok {
		r.Fatal(errors.New("no tree"))
	}
	for _, child := range tree.Children {
		if child.Path == path {
			return child
		}
	}
	return messages.Node{}
}
