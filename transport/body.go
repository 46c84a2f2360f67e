package transport

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net"
	"os"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/daytonaio/runner-android/internal/fault"
)

// prefetched is how much of a body fasthttp has read before the handler; what is shorter is there
// already.
const prefetched = 8 << 10

// load reads the whole body of a route that does not stream it, up to the route's limit.
func (c *Ctx) load() error {
	n := c.rc.Request.Header.ContentLength()
	if n == 0 || n == noBody {
		return nil
	}
	body := c.BodyReader()
	if n > 0 && n <= prefetched {
		return body.check() // the body is in memory: nothing is read from the connection
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	c.rc.Request.SetBodyRaw(data)
	return nil
}

// BodyReader reads the body of a route that streams it. Each piece has Limits.BodyTimeout to arrive;
// the whole may take as long as it likes. Its errors are answers: TooLarge over the route's limit,
// Timeout when the client stalls, Invalid when it went away half-way. A body of which the end is
// missing is never taken for a whole one.
func (c *Ctx) BodyReader() *Body {
	return &Body{
		c: c, stream: c.rc.RequestBodyStream(), limit: int64(max(c.route.BodyLimit, c.route.server.limits.Body)),
		declared: int64(c.rc.Request.Header.ContentLength()),
	}
}

// Body is a request's body on its way. It is for one goroutine, and for another that calls Interrupt.
type Body struct {
	mu      sync.Mutex // the connection's read deadline
	stopped bool

	c        *Ctx
	stream   io.Reader
	limit    int64
	declared int64 // Content-Length; negative: chunked, or none
	read     int64
}

// check refuses a body that says itself that it is too large.
func (b *Body) check() error {
	if b.declared > b.limit {
		return b.tooLarge()
	}
	return nil
}

func (b *Body) tooLarge() error {
	return fault.New(fault.TooLarge, "the body is over the limit of %d bytes", b.limit)
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if err := b.check(); err != nil {
		return 0, err
	}
	if b.stream == nil {
		return 0, io.EOF
	}
	if !b.await() {
		return 0, errInterrupted
	}
	n, err := b.stream.Read(p)
	b.read += int64(n)
	switch {
	case b.read > b.limit:
		return n, b.tooLarge()
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && (b.declared < 0 || b.read == b.declared):
		return n, io.EOF
	}
	b.c.rc.SetConnectionClose() // what follows on it is the rest of this body
	return n, b.broken(err)
}

// errInterrupted is what a reader hears that must read no more.
var errInterrupted = fault.New(fault.Cancelled, "the request has been answered")

// await gives the next piece its time, unless the body was interrupted.
func (b *Body) await() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		_ = b.c.rc.Conn().SetReadDeadline(time.Now().Add(b.c.route.server.limits.BodyTimeout))
	}
	return !b.stopped
}

// Interrupt ends a Read that waits, and fails those to come. Afterwards no other request is read from the
// connection, unless the body had come to its end.
func (b *Body) Interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	lingerOnClose(b.c.rc.Conn())
	_ = b.c.rc.Conn().SetReadDeadline(time.Now())
}

// broken says why a body ended before its end.
func (b *Body) broken(err error) error {
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
		return RequestTimeoutf("the request did not arrive in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Invalidf("malformed request: the body broke off after %d bytes", b.read)
	default:
		return fault.Invalidf("malformed request: %v", err)
	}
}

// giveUpBody lets a client that is refused go on sending for a moment, so that it hears the answer
// instead of a reset. What of the body is in memory already costs nothing.
func giveUpBody(rc *fasthttp.RequestCtx) {
	if n := rc.Request.Header.ContentLength(); n < 0 && n != noBody || n > prefetched {
		lingerOnClose(rc.Conn())
		rc.SetConnectionClose()
	}
}

// formPiece is how much of a form is read at once. By itself the form's reader takes 4 KiB, each with a
// deadline of its own (a profile of an upload had a third of the time there).
const formPiece = 64 << 10

// Multipart reads the body of a route that streams it, part by part. Invalid when it is no form.
func (c *Ctx) Multipart() (*Form, error) {
	boundary := c.rc.Request.Header.MultipartFormBoundary()
	if len(boundary) == 0 {
		return nil, fault.Invalidf("the body is no multipart form")
	}
	body := c.BodyReader()
	closing := &lookout{r: body, mark: "--" + string(boundary) + "--"}
	return &Form{multipart.NewReader(bufio.NewReaderSize(closing, formPiece), string(boundary)), body, closing}, nil
}

// Form is a multipart body on its way.
type Form struct {
	parts   *multipart.Reader
	body    *Body
	closing *lookout
}

// lookout is a reader that knows whether a mark has gone by.
type lookout struct {
	r    io.Reader
	mark string
	last []byte // what could be the beginning of a mark
	seen bool
}

// Read implements io.Reader.
func (l *lookout) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.seen {
		return n, err
	}
	keep := len(l.mark) - 1
	l.last = append(l.last, p[:min(n, keep)]...) // the place where two reads meet
	l.seen = bytes.Contains(l.last, []byte(l.mark)) || bytes.Contains(p[:n], []byte(l.mark))
	if n >= keep {
		l.last = append(l.last[:0], p[n-keep:n]...)
	} else {
		l.last = l.last[max(len(l.last)-keep, 0):]
	}
	return n, err
}

// Next returns the next part, and io.EOF behind the last one. A form without its closing boundary has
// no last part: the error is that of the body, or Invalid.
func (f *Form) Next() (*multipart.Part, error) {
	part, err := f.parts.NextRawPart()
	switch {
	case err == nil:
		return part, nil
	case err == io.EOF && f.closing.seen: // also where a part's headers break off
		return nil, io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fault.Invalidf("malformed request: the form broke off after %d bytes", f.body.read)
	case fault.KindOf(err) != fault.Internal:
		return nil, err // of the body
	default:
		return nil, fault.Invalidf("malformed request: %v", err)
	}
}
