package transport

import (
	"io"
	"sync"
)

// OnEnd lets f be called once when the answer has ended, however that came: after the handler, and where that
// leaves a stream, a WebSocket or a connection behind, after those.
func (c *Ctx) OnEnd(f func()) {
	before := c.ended
	c.ended = sync.OnceFunc(func() {
		f()
		if before != nil {
			before()
		}
	})
}

// outlast returns what an answer that goes on after the handler has to call at its end.
func (c *Ctx) outlast() (ended func()) {
	if c.ended == nil {
		return func() {}
	}
	c.later = true
	return c.ended
}

// endedBody is a body that says when it has been closed.
type endedBody struct {
	io.ReadCloser
	ended func()
}

func (b *endedBody) Close() error {
	defer b.ended()
	return b.ReadCloser.Close()
}
