package kernel

import (
	"runtime/debug"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Token tells apart the pieces of work that one actor ever starts, in all its incarnations: a
// result that arrives after a restart carries a token that nobody waits for.
type Token uint64

// Tokens hands out tokens. One value serves a whole process. Safe for concurrent use.
type Tokens struct{ last atomic.Uint64 }

// Next returns a token that was never returned before and is not zero.
func (t *Tokens) Next() Token { return Token(t.last.Add(1)) }

// Guarded runs work and turns a panic into an error of kind Internal; the stack goes to the
// log. A panic in a plain goroutine would end the process.
func Guarded(log *zap.Logger, work func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("work panicked", zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
			err = fault.Internalf("panic: %v", r)
		}
	}()
	return work()
}
