package lease_test

import (
	"context"
	"errors"
	"testing"

	"github.com/daytonaio/runner-android/transport/lease"
)

// Ensure what is kept of a device is one for all who ask, is told the end of its lease, and is not the next
// lease's.
func TestKept(t *testing.T) {
	t.Parallel()
	type thing struct{ serial string }
	ended := make(chan error, 1)
	kept := lease.Keep(func(l lease.Lease) *thing { return &thing{l.Serial} }, func(_ *thing, cause error) { ended <- cause })
	ctx, end := context.WithCancelCause(t.Context())
	first := kept.Of(lease.Lease{Serial: "a", Context: ctx})
	if again := kept.Of(lease.Lease{Serial: "a", Context: ctx}); again != first || first.serial != "a" {
		t.Errorf("got %v, then %v", first, again)
	}
	other, endOther := context.WithCancelCause(t.Context())
	if next := kept.Of(lease.Lease{Serial: "a", Context: other}); next == first {
		t.Error("two leases share what is kept")
	}
	why := errors.New("the device left started")
	end(why)
	if got := <-ended; !errors.Is(got, why) {
		t.Errorf("ended with %v", got)
	}
	endOther(why)
	<-ended
}
