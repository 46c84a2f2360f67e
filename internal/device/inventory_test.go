package device

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/device/verdict"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// listingHost is a host of which only "cvd fleet" is there.
type listingHost struct {
	host.Host
	asked atomic.Int64
	takes time.Duration
	out   atomic.Pointer[string] // nil: it fails
}

func (h *listingHost) Run(ctx context.Context, _ host.Command) (host.Result, error) {
	h.asked.Add(1)
	select {
	case <-time.After(h.takes):
	case <-ctx.Done():
		return host.Result{}, fault.Op("run", ctx.Err())
	}
	if out := h.out.Load(); out != nil {
		return host.Result{Stdout: []byte(*out)}, nil
	}
	return host.Result{}, fault.Unavailablef("no cvd")
}

func (h *listingHost) says(out string) { h.out.Store(&out) }

// Ensure cvd is asked at the start, every five minutes and on doubt, never twice within seconds, and what it
// said stands until it says something else.
func TestInventory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &listingHost{takes: 30 * time.Millisecond}
		h.says(`{"groups":[{"group_name":"s_61","instances":[{"instance_name":"1","status":"Cancelled"}]},
			{"group_name":"twice","instances":[{"status":"Running"}]},{"group_name":"twice","instances":[{"status":"Running"}]}]}`)
		d := &Devices{o: Options{CVD: cvd.New(h, cvd.Options{}), Log: zap.NewNop()}, inventory: newInventory()}
		want := func(asked int64, group, label, why string) {
			t.Helper()
			synctest.Wait()
			if got, _ := d.inventory.label(group, time.Time{}); got != label || h.asked.Load() != asked {
				t.Errorf("%s: asked %d times, %s is %q; want %d, %q", why, h.asked.Load(), group, got, asked, label)
			}
		}
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.RunInventory(ctx) }()
		want(1, "s_61", verdict.FleetNotKnown, "before the first answer")
		time.Sleep(100 * time.Millisecond)
		want(1, "s_61", cvd.StatusCancelled, "at the start")
		want(1, "s_62", verdict.FleetMissing, "of a group that it does not list")
		want(1, "twice", "listed 2 times", "of two groups of one name")
		if label, _ := d.inventory.label("s_61", time.Now()); label != verdict.FleetNotKnown {
			t.Errorf("an answer from before the last operation says %q", label)
		}
		for range 5 {
			d.inventory.doubt()
		}
		time.Sleep(800 * time.Millisecond)
		want(1, "s_61", cvd.StatusCancelled, "in doubt, too soon")
		h.says(`{"groups":[{"group_name":"s_61","instances":[{"status":"Stopped"}]}]}`)
		time.Sleep(3 * time.Second)
		want(2, "s_61", cvd.StatusStopped, "in doubt")
		h.out.Store(nil)
		time.Sleep(5 * time.Minute)
		want(3, "s_61", cvd.StatusStopped, "cvd failed")
		time.Sleep(5 * time.Minute)
		want(4, "s_61", cvd.StatusStopped, "every five minutes")
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Ensure a look never waits for cvd, asks for its list once where it is in doubt, and shows what it says.
func TestFleetIsEvidenceOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &scriptedHost{}
		d := devicesOn(t, h, 1)[0]
		fleet := func(status string) {
			d.inventory.learn(cvd.Fleet{Groups: []cvd.Group{{
				Name: d.record().Group, Instances: []cvd.Instance{{Status: status}},
			}}}, time.Now())
		}
		for _, status := range []string{cvd.StatusRunning, cvd.StatusUnreachable, cvd.StatusCancelled} {
			fleet(status)
			o := d.Observe(t.Context())
			if o.Life != sandbox.LifeAbsent || o.Death != sandbox.DeathCrashed || o.Evidence[0].Layer != "cvd" {
				t.Errorf("%s: %+v", status, o)
			}
		}
		if len(d.inventory.doubted) != 1 {
			t.Error("nobody asked for a new answer")
		}
		<-d.inventory.doubted
		if d.Observe(t.Context()); len(d.inventory.doubted) != 0 {
			t.Error("each look asks for a new answer")
		}
		time.Sleep(time.Second)
		fleet(cvd.StatusStopped)
		if o := d.Observe(t.Context()); o.Death != sandbox.DeathStopped {
			t.Errorf("cvd says that it was stopped: %+v", o)
		}
		time.Sleep(time.Second)
		d.touched()
		if o := d.Observe(t.Context()); o.Death != sandbox.DeathCrashed || o.Evidence[0].Layer == "cvd" {
			t.Errorf("after an operation the label of before it counts: %+v", o)
		}
		h.runVMs([]*Device{d})
		fleet(cvd.StatusStopped)
		if o := d.Observe(t.Context()); o.Life != sandbox.LifeBooting {
			t.Errorf("a crosvm that cvd calls stopped: %+v", o)
		}
	})
}
