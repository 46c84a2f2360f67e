package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/obs"
)

// Unsized is the size of a stream that is sent in chunks.
const Unsized = -1

// Stream answers 200 with a body that write makes after the handler has returned; see
// [Ctx.StreamSized].
func (c *Ctx) Stream(contentType string, write func(ctx context.Context, w *bufio.Writer) error) {
	c.StreamSized(http.StatusOK, contentType, Unsized, write)
}

// StreamSized answers with a body that write makes after the handler has returned, size bytes of it or
// Unsized. What write flushes reaches the client at once. It must end when ctx does, which happens when
// the client is gone (noticed when something is written to it) or the server stops; write then also
// sees its writer fail. It uses nothing of c. An error or a panic of write cuts the answer off, so
// that the client does not take it for complete. write is called once in any case, with a ctx that has ended
// if the client left before its answer began; for HEAD, never.
func (c *Ctx) StreamSized(status int, contentType string, size int, write func(ctx context.Context, w *bufio.Writer) error) {
	s := c.route.server
	c.rc.SetStatusCode(status)
	if c.rc.IsHead() {
		c.rc.Response.Header.SetContentType(contentType)
		c.rc.Response.Header.SetContentLength(size)
		c.rc.Response.SkipBody = true
		return
	}
	body := &writtenBody{server: s, conn: c.rc.Conn(), id: c.RequestID(), write: write, ended: c.outlast()}
	body.ctx, body.cancel = context.WithCancelCause(c.within(s.life))
	c.rc.Response.Header.SetContentType(contentType)
	c.rc.SetBodyStream(body, size)
	c.rc.Response.ImmediateHeaderFlush = true
}

// StreamFrom answers with what it reads from body after the handler has returned: size bytes, or Unsized,
// and then what one Read returns reaches the client at once. body is closed when the answer has ended,
// however that came, and may use c until then: the request's own body goes on being readable. An error
// of Read cuts the answer off, so that the client does not take it for complete. For HEAD, and for a
// status that has no body, it is only closed. Content-Type is the caller's to set.
func (c *Ctx) StreamFrom(status, size int, body io.ReadCloser) {
	s, r := c.route.server, &c.rc.Response
	c.rc.SetStatusCode(status)
	r.Header.SetNoDefaultContentType(true)
	if c.rc.IsHead() || r.Header.StatusCode() == http.StatusNotModified || status == http.StatusNoContent {
		r.Header.SetContentLength(size)
		r.SkipBody = true
		_ = body.Close()
		return
	}
	if c.ended != nil {
		body = &endedBody{body, c.outlast()}
	}
	c.rc.SetBodyStream(&readBody{&guardedBody{body, s, c.RequestID()}, c.rc.Conn(), s.limits.WriteTimeout}, size)
	r.ImmediateHeaderFlush = true
}

// guardedBody makes an error of a panic: no handler is there any more that could.
type guardedBody struct {
	io.ReadCloser
	server *Server
	id     string
}

func (b *guardedBody) Read(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, b.server.caught(v)
			b.server.log.Error("internal error", append(b.server.fieldsOf(err), zap.String(obs.RequestID, b.id))...)
		}
	}()
	return b.ReadCloser.Read(p)
}

// writtenBody is a body that a function writes, on the connection's own goroutine: nothing is copied between
// the two.
type writtenBody struct {
	server *Server
	conn   net.Conn
	id     string
	ctx    context.Context
	cancel context.CancelCauseFunc
	ended  func()
	write  func(context.Context, *bufio.Writer) error // nil once it has been called
}

// WriteTo lets the function write to w.
func (b *writtenBody) WriteTo(w io.Writer) (int64, error) {
	to := &timedWriter{w: w, conn: b.conn, limit: b.server.limits.WriteTimeout}
	err := b.run(to)
	return to.sum, err
}

// SupportsBodyWriteTo tells fasthttp to call WriteTo, and never Read.
func (b *writtenBody) SupportsBodyWriteTo() bool { return true }

// Read is there because fasthttp wants a body to have it.
func (b *writtenBody) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

func (b *writtenBody) run(w io.Writer) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = b.server.caught(p)
			b.server.log.Error("internal error", append(b.server.fieldsOf(err), zap.String(obs.RequestID, b.id))...)
		}
	}()
	write := b.write
	b.write = nil
	out := bufio.NewWriter(w)
	if err := write(b.ctx, out); err != nil {
		return err
	}
	return out.Flush()
}

// Close ends the answer. The server calls it however that came.
func (b *writtenBody) Close() error {
	defer b.ended()
	b.cancel(context.Canceled)
	if b.write != nil { // the client left before its answer began; what the function holds has to be given back
		_ = b.run(&timedWriter{err: net.ErrClosed})
	}
	return nil
}

// timedWriter hands pieces to the connection and gives the client its time for each.
type timedWriter struct {
	w     io.Writer
	conn  net.Conn
	limit time.Duration
	sum   int64
	err   error
}

func (t *timedWriter) Write(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	_ = t.conn.SetWriteDeadline(time.Now().Add(t.limit))
	n, err := t.w.Write(p)
	t.sum += int64(n)
	t.err = err
	return n, err
}

// readBody hands pieces to the connection and gives the client WriteTimeout for each. The
// server closes it when the answer has ended, however that came.
type readBody struct {
	io.ReadCloser
	conn  net.Conn
	limit time.Duration
}

func (b *readBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		_ = b.conn.SetWriteDeadline(time.Now().Add(b.limit))
	}
	return n, err
}

// WriteTo hands on larger pieces than fasthttp's own 4 KiB: a download is four times as fast.
func (b *readBody) WriteTo(w io.Writer) (sum int64, err error) {
	buf := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(buf)
	for {
		n, err := b.Read(buf[:])
		if n > 0 {
			m, err := w.Write(buf[:n])
			sum += int64(m)
			if err != nil {
				return sum, err
			}
		}
		if errors.Is(err, io.EOF) {
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
	}
}

// SupportsBodyWriteTo tells fasthttp that WriteTo does all that Read does.
func (b *readBody) SupportsBodyWriteTo() bool { return true }

// pieceSize is how much of a stream is handed on at a time, at most.
const pieceSize = 128 << 10

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}
