package lease_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

func TestMain(m *testing.M) { transporttest.Main(m) }

// actors lease "dev-1" until left is closed; each start of it has another.
type actors struct {
	mu   sync.Mutex
	left chan struct{}
}

func (a *actors) Ask(_ context.Context, msg any) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch m := msg.(messages.AttachSandbox); m.ID {
	case "dev-1":
		return messages.Lease{Serial: "127.0.0.1:6520", Done: a.left}, nil
	case "stopped":
		return nil, fault.Conflictf("is the sandbox started?")
	default:
		return nil, fault.NotFoundf("sandbox %s does not exist", m.ID)
	}
}

// restart ends the leases there are.
func (a *actors) restart() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.left)
	a.left = make(chan struct{})
}

// server hands out leases at /sandboxes/{id}/take, and puts them into taken.
func server(t *testing.T, a *actors, registry prometheus.Registerer) (c *transporttest.Client, taken chan lease.Lease) {
	t.Helper()
	leases := lease.New(a, registry)
	taken = make(chan lease.Lease, 10)
	return transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		s.Mount("/sandboxes/{id}", []transport.Route{{Method: http.MethodGet, Path: "/take", Handler: func(c *transport.Ctx) error {
			held, err := leases.Take(c)
			if err == nil {
				taken <- held
				err = c.Empty(http.StatusNoContent)
			}
			return err
		}}})
	}), taken
}

// Ensure whoever may not use a device is told why, as the actor says it.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c, _ := server(t, &actors{}, nil)
	for path, want := range map[string]struct {
		status  int
		message string
	}{
		"/sandboxes/stopped/take": {409, "conflict: is the sandbox started?"},
		"/sandboxes/gone/take":    {404, "not found: sandbox gone does not exist"},
		"/sandboxes/-/take":       {400, ""},
	} {
		if got := c.Do("GET", path, ""); got.Status != want.status || want.message != "" && got.Field(t, "message") != want.message {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
}

// Ensure all uses of a started device share one context, which ends with the device's leaving, and not with others'.
func TestLeasesEndWithTheDevice(t *testing.T) {
	t.Parallel()
	a, registry := &actors{left: make(chan struct{})}, prometheus.NewPedanticRegistry()
	c, taken := server(t, a, registry)
	take := func() lease.Lease {
		t.Helper()
		if got := c.Do("GET", "/sandboxes/dev-1/take", ""); got.Status != 204 {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
		return <-taken
	}
	first, second := take(), take()
	if first.ID != "dev-1" || first.Serial != "127.0.0.1:6520" || first.Context != second.Context || first.Context.Err() != nil {
		t.Errorf("%+v, %+v", first, second)
	}
	a.restart()
	<-first.Context.Done()
	if cause := context.Cause(first.Context); !fault.Is(cause, fault.Conflict) || cause.Error() != "sandbox dev-1: the device left started while the command ran" {
		t.Errorf("ended with %v", cause)
	}
	third := take()
	if third.Context == first.Context || third.Context.Err() != nil {
		t.Errorf("after the next start: %v", third.Context.Err())
	}
	if granted := count(t, registry, "runner_android_leases_granted_total"); granted != 3 {
		t.Errorf("%v leases were counted", granted)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	<-third.Context.Done()
	if cause := context.Cause(third.Context); !fault.Is(cause, fault.Cancelled) {
		t.Errorf("at the runner's end: %v", cause)
	}
}

func count(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	if n, err := testutil.GatherAndCount(registry, name); err != nil || n != 1 {
		t.Fatalf("%s: %d, %v", name, n, err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return 0
}

// Ensure what is kept of a device is made once for each lease, and ended once, with the reason.
func TestKept(t *testing.T) {
	t.Parallel()
	type thing struct{ serial string }
	ended := make(chan error, 2)
	made := 0
	kept := lease.Keep(func(l lease.Lease) *thing { made++; return &thing{l.Serial} }, func(_ *thing, cause error) { ended <- cause })
	ctx, cancel := context.WithCancelCause(t.Context())
	one := lease.Lease{ID: "dev-1", Serial: "a", Context: ctx}
	other := lease.Lease{ID: "dev-2", Serial: "b", Context: t.Context()}
	if a := kept.Of(one); a.serial != "a" || kept.Of(one) != a || kept.Of(other).serial != "b" || made != 2 {
		t.Errorf("made %d, %+v", made, a)
	}
	why := fault.Conflictf("left")
	cancel(why)
	if cause := <-ended; cause != why { //nolint:errorlint // the very same
		t.Errorf("ended with %v", cause)
	}
	if len(ended) != 0 {
		t.Error("another was ended too")
	}
}
