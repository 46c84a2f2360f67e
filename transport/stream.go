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
// that the client does not take it for complete. For HEAD, write is not called.
func (c *Ctx) StreamSized(status int, contentType string, size int, write func(ctx context.Context, w *bufio.Writer) error) {
	s := c.route.server
	c.rc.SetStatusCode(status)
	if c.rc.IsHead() {
		c.rc.Response.Header.SetContentType(contentType)
		c.rc.Response.Header.SetContentLength(size)
		c.rc.Response.SkipBody = true
		return
	}
	ctx, cancel := context.WithCancelCause(c.within(s.life))
	r, w := io.Pipe()
	id := c.RequestID()
	c.rc.Response.Header.SetContentType(contentType)
	c.rc.SetBodyStream(&streamBody{r, c.rc.Conn(), s.limits.WriteTimeout, cancel}, size)
	c.rc.Response.ImmediateHeaderFlush = true
	go func() {
		err := s.runWriter(ctx, w, id, write)
		_ = w.CloseWithError(err)
		cancel(nil)
	}()
}

func (s *Server) runWriter(ctx context.Context, w io.Writer, id string, write func(context.Context, *bufio.Writer) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.caught(p)
			s.log.Error("internal error", append(s.fieldsOf(err), zap.String(obs.RequestID, id))...)
		}
	}()
	out := bufio.NewWriter(w)
	if err := write(ctx, out); err != nil {
		return err
	}
	return out.Flush()
}

// streamBody hands pieces to the connection and gives the client WriteTimeout for each. The
// server closes it when the answer has ended, however that came.
type streamBody struct {
	io.ReadCloser
	conn   net.Conn
	limit  time.Duration
	cancel context.CancelCauseFunc
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		_ = b.conn.SetWriteDeadline(time.Now().Add(b.limit))
	}
	return n, err
}

// WriteTo hands on larger pieces than fasthttp's own 4 KiB: a download is four times as fast.
func (b *streamBody) WriteTo(w io.Writer) (sum int64, err error) {
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
func (b *streamBody) SupportsBodyWriteTo() bool { return true }

// pieceSize is how much of a stream is handed on at a time, at most.
const pieceSize = 64 << 10

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

func (b *streamBody) Close() error {
	b.cancel(context.Canceled)
	return b.ReadCloser.Close()
}
