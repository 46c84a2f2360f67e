package actors_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// saving runs a test on a host with one running device whose capture takes a minute.
func saving(t *testing.T, test func(*rig, *fakeDevice)) {
	t.Helper()
	inBubble(t, func(h *fakeHost) {
		running(h, "a", 1)
		h.device("a").captureTime = time.Minute
		h.images.names["acme/golden"] = sandbox.Image{Name: "acme/golden", Hash: "def", Bytes: 2 << 30}
	}, func(r *rig) {
		r.wantState("a", sandbox.Started)
		test(r, r.host.device("a"))
	})
}

var take = messages.TakeSnapshot{ID: "a", Name: "acme/golden"}

// Ensure a sandbox is used on while it is saved, which is shown, and that who asks for the same waits for it.
func TestASnapshotIsTakenOnce(t *testing.T) {
	saving(t, func(r *rig, d *fakeDevice) {
		one, two := r.later(take), r.later(take)
		synctest.Wait()
		r.wantState("a", sandbox.Started)
		if fact := r.node("root/sb-a").Facts["snapshot"]; !strings.Contains(fact, "acme/golden since") || !strings.HasSuffix(fact, ": copy") {
			r.Errorf("the tree shows %q", fact)
		}
		if _, err := r.ask(messages.AttachSandbox{ID: "a"}); err != nil {
			r.Errorf("attach: %v", err)
		}
		_, err := r.ask(messages.TakeSnapshot{ID: "a", Name: "acme/other"})
		wantKind(r.T, err, fault.Conflict)
		for _, answer := range []func() (any, error){one, two} {
			if image, err := answer(); err != nil || image != (sandbox.Image{Name: "acme/golden", Hash: "def", Bytes: 2 << 30}) {
				r.Errorf("answered %v, %v", image, err)
			}
		}
		if d.captures != 1 {
			r.Errorf("%d captures", d.captures)
		}
		r.wantState("a", sandbox.Started)
		if fact := r.node("root/sb-a").Facts["snapshot"]; fact != "" {
			r.Errorf("the tree still shows %q", fact)
		}
	})
}

// Ensure a destroy ends a capture, and a panic is its failure alone.
func TestASnapshotThatIsCutShort(t *testing.T) {
	saving(t, func(r *rig, _ *fakeDevice) {
		answer := r.later(take)
		synctest.Wait()
		began := time.Now()
		r.mustAsk(messages.DestroySandbox{ID: "a"})
		if took := time.Since(began); took > 30*time.Second {
			r.Errorf("the destroy took %s", took)
		}
		_, err := answer()
		wantKind(r.T, err, fault.Conflict)
	})
	saving(t, func(r *rig, d *fakeDevice) {
		d.set(func(d *fakeDevice) { d.panics = "capture" })
		_, err := r.ask(take)
		wantKind(r.T, err, fault.Internal)
		r.wantState("a", sandbox.Started)
		d.set(func(d *fakeDevice) { d.panics = "" })
		r.mustAsk(take)
	})
}

// Ensure what is no sandbox, or has no data at rest, is not saved.
func TestWhatIsNotSaved(t *testing.T) {
	saving(t, func(r *rig, d *fakeDevice) {
		_, err := r.ask(messages.TakeSnapshot{ID: "nobody", Name: "acme/golden"})
		wantKind(r.T, err, fault.NotFound)
		d.set(func(d *fakeDevice) { d.bootTime = time.Hour })
		r.mustAsk(messages.StopSandbox{ID: "a"})
		starting := r.later(messages.StartSandbox{ID: "a"})
		synctest.Wait()
		_, err = r.ask(take)
		wantKind(r.T, err, fault.Conflict)
		r.mustAsk(messages.DestroySandbox{ID: "a"})
		_, _ = starting()
	})
}
