package actors_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// rig is a system on a fake host, inside a synctest bubble.
type rig struct {
	*testing.T
	host    *fakeHost
	sys     *actors.System
	metrics *prometheus.Registry // of the system that runs now
}

// counter returns the value of a counter with that label.
func (r *rig) counter(name, label string) (value float64) {
	r.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				value += m.GetCounter().GetValue()
			}
		}
	}
	return value
}

func inBubble(t *testing.T, prepare func(*fakeHost), test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, host: newFakeHost()}
		if prepare != nil {
			prepare(r.host)
		}
		r.start()
		test(r)
		r.stop()
		time.Sleep(2 * time.Second) // virtual: the library's dead-letter throttle lives one second
	})
}

func (r *rig) start() {
	r.Helper()
	r.metrics = prometheus.NewRegistry()
	o := actors.Options{
		Registry: r.metrics, Journal: &r.host.journal, Limits: r.host.limits,
		Devices: r.host, Mappings: r.host, Admission: r.host, Images: r.host.images, Saved: r.host.bucket, Collect: r.host.collect,
		Log:      r.host.log,
		Defaults: sandbox.Resources{CPUs: 4, MemoryMB: 4096, DiskGB: 20},
	}
	if q := r.host.queue; q != nil {
		o.Daytona = actors.Daytona{Queue: q, Outbox: q}
	}
	if s := r.host.states; s != nil {
		o.Daytona.States, o.Daytona.Reports = s, s
	}
	r.sys = actors.New(o)
	if err := r.sys.Start(r.Context()); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) stop() {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.sys.Stop(ctx); err != nil {
		r.Errorf("stop: %v", err)
	}
}

// ask asks with half an hour of virtual time.
func (r *rig) ask(msg any) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	return r.sys.Ask(ctx, msg)
}

// later asks in a goroutine; the returned function waits for the answer.
func (r *rig) later(msg any) func() (any, error) {
	type answer struct {
		v   any
		err error
	}
	ch := make(chan answer, 1)
	go func() {
		v, err := r.ask(msg)
		ch <- answer{v, err}
	}()
	synctest.Wait()
	return func() (any, error) {
		a := <-ch
		return a.v, a.err
	}
}

func (r *rig) info(id sandbox.ID) sandbox.Info {
	r.Helper()
	v, err := r.ask(messages.GetSandbox{ID: id})
	if err != nil {
		r.Fatalf("get %s: %v", id, err)
	}
	return v.(sandbox.Info)
}

func (r *rig) mustAsk(msg any) any {
	r.Helper()
	v, err := r.ask(msg)
	if err != nil {
		r.Fatalf("%T: %v", msg, err)
	}
	return v
}

func (r *rig) wantState(id sandbox.ID, want sandbox.State) {
	r.Helper()
	synctest.Wait()
	if info := r.info(id); info.State != want {
		r.Fatalf("state of %s is %s (%s); want %s", id, info.State, info.Reason, want)
	}
}

func create(id sandbox.ID) messages.CreateSandbox {
	return messages.CreateSandbox{ID: id, Spec: sandbox.Spec{Snapshot: "android-LATEST"}}
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("got %v (%s); want %s", err, fault.KindOf(err), want)
	}
}

var errDisk = errors.New("no space left on device")
