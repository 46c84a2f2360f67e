package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
)

func TestKindOfWalksWraps(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"a plain error is a defect", errors.New("x"), fault.Internal},
		{"a kind", fault.NotFoundf("x"), fault.NotFound},
		{"a kind below a wrap", fmt.Errorf("boot: %w", fault.Exhaustedf("x")), fault.Exhausted},
		{"the outer of two kinds", fault.Wrap(fault.Unavailable, "dial", fault.NotFoundf("x")), fault.Unavailable},
		{"an operation keeps the kind", fault.Op("boot", fault.Conflictf("x")), fault.Conflict},
		{"a deadline", fmt.Errorf("wait: %w", context.DeadlineExceeded), fault.Timeout},
		{"a cancellation", fault.Op("wait", context.Canceled), fault.Cancelled},
		{"the first of several", errors.Join(fault.Exhaustedf("full"), fault.NotFoundf("x")), fault.Exhausted},
	} {
		if got := fault.KindOf(tc.err); got != tc.want {
			t.Errorf("%s: %s; want %s", tc.name, got, tc.want)
		}
	}
	if fault.Is(nil, fault.Internal) || fault.Op("x", nil) != nil || fault.Wrap(fault.Internal, "x", nil) != nil {
		t.Error("no error has become one")
	}
}

func TestMessagesReadAsAPath(t *testing.T) {
	err := fault.Op("boot cvd-3", fault.Wrap(fault.Unavailable, "wait for adb", io.EOF))
	if got, want := err.Error(), "boot cvd-3: wait for adb: EOF"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	if !errors.Is(err, io.EOF) {
		t.Error("the cause is lost")
	}
	if got := (&fault.Error{Kind: fault.Timeout}).Error(); got != "timeout" {
		t.Errorf("an empty error says %q", got)
	}
}

func TestEveryKindHasItsOwnName(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range fault.Kinds() {
		if name := k.String(); name == "" || seen[name] {
			t.Errorf("kind %d: name %q is empty or taken", k, name)
		} else {
			seen[name] = true
		}
	}
	if fault.Kind(99).String() != "kind(99)" {
		t.Error("an unknown kind hides")
	}
}
