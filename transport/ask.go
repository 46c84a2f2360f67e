package transport

import (
	"context"
	"reflect"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Asker brings a message of package messages to whom it is for, and its answer back. It waits
// until ctx ends, and is safe for concurrent use. What a command began goes on when ctx ends.
type Asker interface {
	Ask(ctx context.Context, msg any) (any, error)
}

// Ask puts msg to a and returns the answer, which must be an R; another type is a bug of whoever
// answered, reported by name. The deadline is that of ctx.
func Ask[R any](ctx context.Context, a Asker, msg any) (R, error) {
	var none R
	answer, err := a.Ask(ctx, msg)
	if err != nil {
		return none, err
	}
	r, ok := answer.(R)
	if !ok {
		return none, fault.Internalf("%T was answered with %T, want %s", msg, answer, reflect.TypeFor[R]())
	}
	return r, nil
}
