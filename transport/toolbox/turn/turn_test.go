package turn_test

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/transport/toolbox/turn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Ensure a device has one turn while it lives, that one takes it at a time, and that waiting ends with its context.
func TestTurn(t *testing.T) {
	t.Parallel()
	turns := turn.New()
	life, end := context.WithCancel(t.Context())
	defer end()
	first := turns.Of(life)
	if turns.Of(life) != first || turns.Of(t.Context()) == first {
		t.Error("a device has another turn than it had, or that of another")
	}
	if err := first.Take(life); err != nil {
		t.Fatal(err)
	}
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(life)
	cancel(gone)
	if err := first.Take(ctx); !errors.Is(err, gone) {
		t.Errorf("a second one got %v", err)
	}
	first.Acted()
	if first.Acts() != 1 {
		t.Errorf("%d acts", first.Acts())
	}
	first.Give()
	if err := first.Take(life); err != nil {
		t.Error(err)
	}
	first.Give()
}
