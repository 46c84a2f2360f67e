package apps

import (
	"context"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Ensure a panic of an installation that is followed is an error, and tells its client nothing of the code.
func TestPanicOfAJob(t *testing.T) {
	t.Parallel()
	end := (&job{}).guarded(context.Background(), nobody{}) // it has no payload
	if !fault.Is(end.err, fault.Internal) || strings.Contains(end.err.Error(), "nil pointer") {
		t.Errorf("%v", end.err)
	}
}
