package cvd_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

func TestFleetReadsWhatCvdPrints(t *testing.T) {
	t.Parallel()
	doc := readTestdata(t, "fleet-1.40.json")
	for name, out := range map[string]string{
		"alone":                     doc,
		"after warnings":            "WARNING: {something} odd\nW0101 {\"a\":1} x\n" + doc,
		"before warnings":           doc + "\nleaked {\n",
		"after an object of others": "{\"groups\":3}\n{\"warning\":\"x\"}\n" + doc,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &fakeHost{run: prints(out)}
			fleet, err := client(h).Fleet(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := h.commands()[0]; got != "/usr/bin/cvd fleet" {
				t.Errorf("ran %q: fleet takes no argument", got)
			}
			checkFleet(t, fleet)
		})
	}
}

func checkFleet(t *testing.T, fleet cvd.Fleet) {
	t.Helper()
	if len(fleet.Groups) != 2 || len(fleet.ByGroup("sbx_1")) != 1 || fleet.ByGroup("sbx_9") != nil {
		t.Fatalf("groups %+v, want sbx_1 and sbx_2", fleet.Groups)
	}
	g, i, ok := fleet.ByNumber(1)
	if !ok || g.Name != "sbx_1" || !i.Active() || i.ADBPort != 6520 || i.ADBSerial != "0.0.0.0:6520" ||
		i.WebRTCDeviceID != "sbx_1-1-1" || len(i.Displays) != 1 || g.StartTime != "2026-02-08 10:00:00" {
		t.Errorf("number 1: %v %+v", ok, i)
	}
	_, i, ok = fleet.ByNumber(12)
	if !ok || i.Active() || i.Status != cvd.StatusCancelled || i.Warning != "cvd status failed" {
		t.Errorf("number 12: %v %+v", ok, i)
	}
	if _, _, ok := fleet.ByNumber(2); ok {
		t.Error("number 2 found, want none")
	}
}

func TestFleetThatIsNoFleetIsUnavailable(t *testing.T) {
	t.Parallel()
	doc := readTestdata(t, "fleet-1.40.json")
	for _, tt := range []struct{ name, out, reason string }{
		{"nothing", "", "nothing was printed"},
		{"text", "Segmentation fault\n", "Segmentation fault"},
		{"cut short", doc[:len(doc)/2], "cut short"},
		{"cut before the last bracket", strings.TrimRight(doc, "}\n"), "cut short"},
		{"another object", `{"fleet":[]}`, "no JSON object"},
		{"null", `{"groups":null}`, "no JSON object"},
		{"a group without a name", `{"groups":[{"instances":[]}]}`, "no name"},
		{"groups that are numbers", `{"groups":[1]}`, "groups"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := client(&fakeHost{run: prints(tt.out)}).Fleet(t.Context())
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("got %v, want Unavailable naming %q", err, tt.reason)
			}
		})
	}
}

func TestAnEmptyFleetIsEmpty(t *testing.T) {
	t.Parallel()
	fleet, err := client(&fakeHost{run: prints("{\n\t\"groups\" : []\n}\n")}).Fleet(t.Context())
	if err != nil || len(fleet.Groups) != 0 {
		t.Errorf("got %+v, %v", fleet, err)
	}
}

func TestAFailedFleetCommandIsUnavailable(t *testing.T) {
	t.Parallel()
	_, err := client(&fakeHost{run: fails(255, "status tool is missing")}).Fleet(t.Context())
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want Unavailable", err)
	}
}

func TestByNumberPrefersTheActiveOfTwo(t *testing.T) {
	t.Parallel()
	dead := cvd.Instance{InstanceDir: "/a/home/cuttlefish/instances/cvd-3", Status: cvd.StatusStopped}
	live := cvd.Instance{InstanceDir: "/b/home/cuttlefish/instances/cvd-3", Status: cvd.StatusRunning}
	for _, order := range [][]cvd.Instance{{dead, live}, {live, dead}} {
		f := cvd.Fleet{Groups: []cvd.Group{
			{Name: "g", Instances: order[:1]}, {Name: "g", Instances: order[1:]},
		}}
		if _, i, ok := f.ByNumber(3); !ok || i.InstanceDir != live.InstanceDir {
			t.Errorf("got %+v", i)
		}
		if got := len(f.ByGroup("g")); got != 2 {
			t.Errorf("%d groups named g, want 2", got)
		}
	}
}

func TestNumberAndHomeOfAnInstance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   cvd.Instance
		n    sandbox.Instance
		ok   bool
		home string
	}{
		{"from its directory", cvd.Instance{InstanceDir: "/g/home/cuttlefish/instances/cvd-10"}, 10, true, "/g/home"},
		{"from the old directory", cvd.Instance{InstanceDir: "/g/home/cuttlefish_runtime.7"}, 7, true, "/g/home"},
		{"from its port", cvd.Instance{ADBPort: 6523, AssemblyDir: "/g/home/cuttlefish/assembly"}, 4, true, "/g/home"},
		{"the directory wins", cvd.Instance{InstanceDir: "/g/home/cuttlefish/instances/cvd-2", ADBPort: 6520}, 2, true, "/g/home"},
		{"not from a strange directory", cvd.Instance{InstanceDir: "/g/cvd-x"}, 0, false, ""},
		{"not from zero", cvd.Instance{InstanceDir: "/g/cvd-0"}, 0, false, ""},
		{"not from a huge one", cvd.Instance{InstanceDir: "/g/cvd-99999999999999999999"}, 0, false, ""},
	} {
		if n, ok := tt.in.Number(); ok != tt.ok || n != tt.n {
			t.Errorf("%s: number %d, %v; want %d, %v", tt.name, n, ok, tt.n, tt.ok)
		}
		if home := tt.in.GroupHome(); home != tt.home {
			t.Errorf("%s: home %q, want %q", tt.name, home, tt.home)
		}
	}
}

// slowFleet takes a second for each command.
func slowFleet(t *testing.T) *fakeHost {
	doc := readTestdata(t, "fleet-1.40.json")
	return &fakeHost{run: func(ctx context.Context, cmd host.Command) (host.Result, error) {
		if cmd.Args[len(cmd.Args)-1] == "rm" {
			return host.Result{}, nil
		}
		select {
		case <-time.After(time.Second):
			return host.Result{Stdout: []byte(doc)}, nil
		case <-ctx.Done():
			return host.Result{}, fault.Op("run", ctx.Err())
		}
	}}
}

func TestCallersShareOneFleetCommand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := slowFleet(t)
		c := client(h)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if fleet, err := c.Fleet(t.Context()); err != nil || len(fleet.Groups) != 2 {
					t.Errorf("got %+v, %v", fleet, err)
				}
			})
		}
		wg.Wait()
		if got := len(h.commands()); got != 1 {
			t.Errorf("%d commands for ten callers, want 1", got)
		}
	})
}

func TestAnImpatientCallerEndsOnlyItsOwnWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client(slowFleet(t))
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := c.Fleet(ctx); !fault.Is(err, fault.Timeout) {
				t.Errorf("impatient: got %v, want Timeout", err)
			}
		})
		wg.Go(func() {
			time.Sleep(10 * time.Millisecond) // virtual: joins the command of the other
			if _, err := c.Fleet(t.Context()); err != nil {
				t.Errorf("patient: %v", err)
			}
		})
		wg.Wait()
	})
}

func TestTheLastCallerEndsTheCommandAndTheNextOneAsksAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := slowFleet(t)
		c := client(h)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := c.Fleet(ctx); !fault.Is(err, fault.Timeout) {
			t.Errorf("got %v, want Timeout", err)
		}
		if _, err := c.Fleet(t.Context()); err != nil {
			t.Errorf("the next caller got %v", err)
		}
		if took := time.Since(began); took != 1100*time.Millisecond || len(h.commands()) != 2 {
			t.Errorf("took %v with %d commands, want 1.1s with 2", took, len(h.commands()))
		}
	})
}

func TestAFleetIsNeverOlderThanTheLastRemove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := slowFleet(t)
		c := client(h)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.Fleet(t.Context()) })
		synctest.Wait()
		if err := c.Remove(t.Context(), "sbx_1"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Fleet(t.Context()); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if got := len(h.commands()); got != 3 {
			t.Errorf("%d commands, want fleet, rm and a second fleet", got)
		}
	})
}

func TestAHungFleetEndsAfterThirtySeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{run: func(ctx context.Context, _ host.Command) (host.Result, error) {
			<-ctx.Done()
			return host.Result{}, fault.Op("run", ctx.Err())
		}}
		began := time.Now()
		if _, err := client(h).Fleet(t.Context()); !fault.Is(err, fault.Timeout) || time.Since(began) != 30*time.Second {
			t.Errorf("got %v after %v, want Timeout after 30s", err, time.Since(began))
		}
	})
}
