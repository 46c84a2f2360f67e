package freeze_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/daytonaio/runner-android/internal/sim/freeze"
)

func TestAClosedGateHoldsUntilItOpens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := &freeze.Gate{}
		var passed atomic.Int32
		gate.Close()
		gate.Close() // once more changes nothing
		for range 3 {
			go func() {
				if gate.Wait(t.Context()) == nil {
					passed.Add(1)
				}
			}()
			synctest.Wait()
		}
		if passed.Load() != 0 || !gate.Closed() {
			t.Errorf("closed %t, and %d passed; want a closed gate and nobody", gate.Closed(), passed.Load())
		}
		for range 2 {
			gate.Open()
		}
		synctest.Wait()
		if passed.Load() != 3 || gate.Closed() {
			t.Errorf("closed %t, and %d passed; want an open gate and 3", gate.Closed(), passed.Load())
		}
	})
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	closed := &freeze.Gate{}
	closed.Close()
	for name, gate := range map[string]*freeze.Gate{"closed": closed, "open": {}, "none": nil} {
		if err := gate.Wait(ctx); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := (*freeze.Gate)(nil).Wait(t.Context()); err != nil {
		t.Errorf("without a gate: %v", err)
	}
}
