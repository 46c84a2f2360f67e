package transport

import (
	"errors"
	"fmt"
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/obs"
)

// panicked is the error of a handler or stream writer that panicked. Clients are not told the
// panic's text: a programmer wrote it for programmers.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string {
	return "the code that answers this request panicked, which is a defect of the runner"
}

// caught counts a recovered panic and makes an error of it. It is called in the deferred
// function that recovered, where the stack still shows the panic.
func (s *Server) caught(value any) error {
	s.metrics.panics.Inc()
	return &panicked{value, debug.Stack()}
}

// Panicked makes an error of a panic that a goroutine of a handler's own has recovered, for the handler to
// return. It is called in the deferred function, as caught is.
func Panicked(value any) error { return &panicked{value, debug.Stack()} }

// fieldsOf is an internal error for the log: the whole chain, and the stack of a panic.
func (s *Server) fieldsOf(err error) []zap.Field {
	fields := []zap.Field{zap.String("error", s.redactor.Clean(err.Error()))}
	var p *panicked
	if errors.As(err, &p) {
		fields = append(fields, zap.String(obs.Reason, s.redactor.Clean(fmt.Sprint(p.value))), zap.ByteString("stack", p.stack))
	}
	return fields
}
