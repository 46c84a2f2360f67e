package actors_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// Ensure a sandbox goes through its whole life and leaves nothing in the tree.
func TestLifeOfASandbox(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		began := time.Now()
		info := r.mustAsk(create("a")).(sandbox.Info)
		if took := time.Since(began); info.State != sandbox.Started || took != 90*time.Second {
			r.Errorf("create: %s after %s; want started after the boot", info.State, took)
		}
		if info.ADBSerial != "127.0.0.1:6520" || info.Resources.MemoryMB != 4096 {
			r.Errorf("info: %+v", info)
		}
		r.mustAsk(messages.StopSandbox{ID: "a"})
		r.wantState("a", sandbox.Stopped)
		r.mustAsk(messages.StartSandbox{ID: "a", Metadata: map[string]string{"k": "v"}})
		if got := r.info("a"); got.State != sandbox.Started || got.Metadata["k"] != "v" {
			r.Errorf("after start: %+v", got)
		}
		r.mustAsk(messages.DestroySandbox{ID: "a"})
		if tree := r.mustAsk(messages.Describe{}).(messages.Node); len(tree.Children) != 2 { // allocator and snapshots
			r.Errorf("the tree still shows it: %+v", tree.Children)
		}
		r.wantState("a", sandbox.Destroyed)
		if m := r.host.mappings(); len(m) != 0 {
			r.Errorf("mappings: %v; want none", m)
		}
	})
}

// Ensure every command is lawful exactly where its comment says.
func TestCommandsByState(t *testing.T) {
	booting := func(r *rig) { r.later(create("a")) }
	started := func(r *rig) { r.mustAsk(create("a")) }
	stopped := func(r *rig) { started(r); r.mustAsk(messages.StopSandbox{ID: "a"}) }
	failed := func(r *rig) {
		r.host.device("a").set(func(d *fakeDevice) { d.createErr = fault.Unavailablef("no boot") })
		_, _ = r.ask(create("a"))
		r.host.device("a").set(func(d *fakeDevice) { d.createErr = nil })
	}
	none := func(*rig) {}
	const ok = fault.Kind(-1)
	for _, tc := range []struct {
		name  string
		given func(*rig)
		msg   any
		want  fault.Kind
		then  sandbox.State
	}{
		{"create while creating waits for the same create", booting, create("a"), ok, sandbox.Started},
		{"start while creating is refused", booting, messages.StartSandbox{ID: "a"}, fault.Conflict, sandbox.Creating},
		{"stop while creating is refused", booting, messages.StopSandbox{ID: "a"}, fault.Conflict, sandbox.Creating},
		{"attach while creating is refused", booting, messages.AttachSandbox{ID: "a"}, fault.Conflict, sandbox.Creating},
		{"forget while creating is refused", booting, messages.ForgetSandbox{ID: "a"}, fault.Conflict, sandbox.Creating},
		{"destroy while creating wins", booting, messages.DestroySandbox{ID: "a"}, ok, sandbox.Destroyed},
		{"create of a started one is answered", started, create("a"), ok, sandbox.Started},
		{"start of a started one is answered", started, messages.StartSandbox{ID: "a"}, ok, sandbox.Started},
		{"attach to a started one", started, messages.AttachSandbox{ID: "a"}, ok, sandbox.Started},
		{"forget of a live one is refused", started, messages.ForgetSandbox{ID: "a"}, fault.Conflict, sandbox.Started},
		{"create of a stopped one starts it", stopped, create("a"), ok, sandbox.Started},
		{"stop of a stopped one is answered", stopped, messages.StopSandbox{ID: "a"}, ok, sandbox.Stopped},
		{"attach to a stopped one is refused", stopped, messages.AttachSandbox{ID: "a"}, fault.Conflict, sandbox.Stopped},
		{"forget of a stopped one is refused", stopped, messages.ForgetSandbox{ID: "a"}, fault.Conflict, sandbox.Stopped},
		{"create after a failed create tries again", failed, create("a"), ok, sandbox.Started},
		{"start after a failed create tries again", failed, messages.StartSandbox{ID: "a"}, ok, sandbox.Started},
		{"forget of a failed create", failed, messages.ForgetSandbox{ID: "a"}, ok, sandbox.Destroyed},
		{"start of an unknown one", none, messages.StartSandbox{ID: "a"}, fault.NotFound, sandbox.Destroyed},
		{"stop of an unknown one", none, messages.StopSandbox{ID: "a"}, fault.NotFound, sandbox.Destroyed},
		{"attach to an unknown one", none, messages.AttachSandbox{ID: "a"}, fault.NotFound, sandbox.Destroyed},
		{"destroy of an unknown one", none, messages.DestroySandbox{ID: "a"}, ok, sandbox.Destroyed},
		{"forget of an unknown one", none, messages.ForgetSandbox{ID: "a"}, ok, sandbox.Destroyed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, nil, func(r *rig) {
				tc.given(r)
				_, err := r.ask(tc.msg)
				if tc.want == ok && err != nil {
					r.Errorf("got %v; want success", err)
				} else if tc.want != ok {
					wantKind(r.T, err, tc.want)
				}
				r.wantState("a", tc.then)
			})
		})
	}
}

func TestQueriesAreAnsweredWhileBooting(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		wait := r.later(create("a"))
		time.Sleep(30 * time.Second)
		began := time.Now()
		info := r.info("a")
		if info.State != sandbox.Creating || !strings.Contains(info.Reason, "phase 2 of 3") || time.Since(began) != 0 {
			r.Errorf("while booting: %+v after %s", info, time.Since(began))
		}
		tree := r.mustAsk(messages.Describe{}).(messages.Node)
		if child := tree.Children[1]; child.Operation == "" || child.Facts["adb_port"] != "6520" {
			r.Errorf("tree: %+v", child)
		}
		if _, err := wait(); err != nil {
			r.Error(err)
		}
	})
}

func TestDestroyDuringCreateAnswersBoth(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		creating := r.later(create("a"))
		time.Sleep(time.Second)
		r.mustAsk(messages.DestroySandbox{ID: "a"})
		_, err := creating()
		wantKind(r.T, err, fault.Conflict)
		if m := r.host.mappings(); len(m) != 0 {
			r.Errorf("number leaked: %v", m)
		}
	})
}

func TestACreateOfADestroyedNameWaitsForTheOldOne(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(create("a"))
		destroying := r.later(messages.DestroySandbox{ID: "a"})
		if _, err := r.ask(create("a")); err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Unavailable) {
			r.Errorf("create beside destroy: %v", err)
		}
		if _, err := destroying(); err != nil {
			r.Error(err)
		}
		r.mustAsk(create("a"))
		r.wantState("a", sandbox.Started)
	})
}

func TestAPanicInWorkIsAnErrorOfThatWork(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.host.device("a").set(func(d *fakeDevice) { d.panics = "create" })
		_, err := r.ask(create("a"))
		wantKind(r.T, err, fault.Internal)
		r.host.device("b")
		r.mustAsk(create("b"))
	})
}

func TestAPanicInReceiveComesBackWithTheTruth(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(create("a"))
		r.mustAsk(create("b"))
		r.host.device("a").set(func(d *fakeDevice) { d.factsPanic = true })
		if info := r.info("b"); info.State != sandbox.Started {
			r.Errorf("sibling: %s", info.State)
		}
		_, err := r.ask(messages.AttachSandbox{ID: "a"})
		wantKind(r.T, err, fault.Internal)
		r.host.device("a").set(func(d *fakeDevice) { d.factsPanic = false })
		time.Sleep(time.Second)
		r.wantState("a", sandbox.Started)
		if d := r.host.device("a"); d.starts+d.stops+d.destroys != 0 || d.creates != 1 {
			r.Errorf("the restart touched the device: %+v", d)
		}
	})
}

func TestARestartInTheMiddleOfABootCarriesItOn(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		creating := r.later(create("a"))
		time.Sleep(10 * time.Second)
		d := r.host.device("a")
		d.set(func(d *fakeDevice) { d.factsPanic = true })
		_, _ = r.ask(messages.GetSandbox{ID: "a"}) // kills this incarnation
		synctest.Wait()
		d.set(func(d *fakeDevice) { d.factsPanic = false })
		_, err := creating()
		wantKind(r.T, err, fault.Cancelled) // "continues; ask again"
		time.Sleep(5 * time.Second)
		r.wantState("a", sandbox.Creating)
		if _, err := r.ask(create("a")); err != nil {
			r.Errorf("asking again: %v", err)
		}
		r.wantState("a", sandbox.Started)
		if len(r.host.mappings()) != 1 {
			r.Errorf("mappings: %v", r.host.mappings())
		}
	})
}

func TestALeaseEndsWhenTheDeviceLeavesStarted(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(create("a"))
		lease := r.mustAsk(messages.AttachSandbox{ID: "a"}).(messages.Lease)
		select {
		case <-lease.Done:
			r.Fatal("the lease of a started device is over")
		default:
		}
		r.mustAsk(messages.StopSandbox{ID: "a"})
		<-lease.Done
	})
}

// Ensure a device of which nobody can say anything keeps its state.
func TestNotKnowingIsNotDeath(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(create("a"))
		d := r.host.device("a")
		d.set(func(d *fakeDevice) { d.blindLook = make(chan struct{}) })
		d.changed()
		time.Sleep(5 * time.Minute)
		r.wantState("a", sandbox.Started)
		close(d.blindLook)
		d.set(func(d *fakeDevice) { d.blindLook = nil })
		time.Sleep(time.Minute)
		r.wantState("a", sandbox.Started)
	})
}

func TestFailedOperations(t *testing.T) {
	for _, tc := range []struct {
		name string
		knob func(*fakeDevice)
		msg  any
		want sandbox.State
	}{
		{"a start that fails is an error, nothing deleted", func(d *fakeDevice) { d.startErr = errDisk },
			messages.StartSandbox{ID: "a"}, sandbox.Error},
		{"a stop that fails leaves a running device started", func(d *fakeDevice) {
			d.stopErr, d.life = errDisk, sandbox.LifeRunning
		}, messages.StopSandbox{ID: "a", Force: true}, sandbox.Started},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, nil, func(r *rig) {
				r.mustAsk(create("a"))
				if _, start := tc.msg.(messages.StartSandbox); start {
					r.mustAsk(messages.StopSandbox{ID: "a"})
				}
				r.host.device("a").set(tc.knob)
				_, err := r.ask(tc.msg)
				if err == nil || !strings.Contains(err.Error(), "no space") {
					r.Errorf("got %v", err)
				}
				r.wantState("a", tc.want)
			})
		})
	}
}

func TestWhatDestroyCouldNotRemoveIsTriedAgain(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.mustAsk(create("a"))
		d := r.host.device("a")
		d.set(func(d *fakeDevice) { d.destroyErr = fault.Unavailablef("left behind: process 42") })
		_, err := r.ask(messages.DestroySandbox{ID: "a"})
		wantKind(r.T, err, fault.Unavailable)
		r.wantState("a", sandbox.Error)
		if len(r.host.mappings()) != 1 {
			r.Errorf("a number with a device on it was given back: %v", r.host.mappings())
		}
		d.set(func(d *fakeDevice) { d.destroyErr = nil })
		time.Sleep(2 * time.Minute)
		r.wantState("a", sandbox.Destroyed)
		if d.destroys < 2 || len(r.host.mappings()) != 0 {
			r.Errorf("%d tries, mappings %v", d.destroys, r.host.mappings())
		}
	})
}

func TestAnUnknownSnapshotLeavesNoTrace(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.host.device("a").set(func(d *fakeDevice) { d.prepareErr = fault.NotFoundf("no such image") })
		_, err := r.ask(create("a"))
		wantKind(r.T, err, fault.NotFound)
		r.wantState("a", sandbox.Destroyed)
		if m := r.host.mappings(); len(m) != 0 {
			r.Errorf("a number was reserved: %v", m)
		}
	})
}

func TestSkipStartLeavesItStopped(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		msg := create("a")
		msg.Spec.SkipStart = true
		r.mustAsk(msg)
		r.wantState("a", sandbox.Stopped)
		r.mustAsk(messages.StartSandbox{ID: "a"})
		r.wantState("a", sandbox.Started)
		if d := r.host.device("a"); d.creates != 2 || d.starts != 0 {
			r.Errorf("%d creates, %d starts; want the first boot to be a create", d.creates, d.starts)
		}
	})
}

func TestACreateThatHangsEndsWithItsDeadline(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.host.device("a").set(func(d *fakeDevice) { d.bootTime = time.Hour })
		began := time.Now()
		_, err := r.ask(create("a"))
		wantKind(r.T, err, fault.Timeout)
		if took := time.Since(began); took > 15*time.Minute {
			r.Errorf("gave up after %s", took)
		}
	})
}

// Ensure a caller that goes away cancels nothing.
func TestALeavingCallerDoesNotCancel(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		_, err := r.sys.Ask(ctx, create("a"))
		wantKind(r.T, err, fault.Timeout)
		time.Sleep(2 * time.Minute)
		r.wantState("a", sandbox.Started)
	})
}

// Ensure a create is served right behind one of the same name that was refused, or destroyed.
func TestACreateRightBehindTheEnd(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		d := r.host.device("a")
		for range 20 {
			d.set(func(d *fakeDevice) { d.prepareErr = fault.NotFoundf("no such image") })
			_, err := r.ask(create("a"))
			wantKind(r.T, err, fault.NotFound)
			d.set(func(d *fakeDevice) { d.prepareErr = nil })
			if _, err := r.ask(create("a")); err != nil {
				r.Fatalf("behind a refused create: %v", err)
			}
			r.mustAsk(messages.DestroySandbox{ID: "a"})
			if _, err := r.ask(create("a")); err != nil {
				r.Fatalf("behind a destroy: %v", err)
			}
			r.mustAsk(messages.DestroySandbox{ID: "a"})
		}
	})
}

// Ensure a failed create is not tried again by itself, even if its failure could not be recorded.
func TestAFailedCreateIsNotRepeatedUnasked(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		d := r.host.device("a")
		d.set(func(d *fakeDevice) { d.createErr, d.unrecorded = errDisk, true })
		if _, err := r.ask(create("a")); err == nil {
			r.Error("created")
		}
		time.Sleep(10 * time.Minute)
		r.wantState("a", sandbox.Error)
		if d.creates != 1 {
			r.Errorf("%d creates; want the one that was asked for", d.creates)
		}
	})
}
