package transport

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Ctx is one request and its answer. It, and every byte slice got from it, is valid until the
// handler returns; strings are copies. It is not safe for concurrent use.
type Ctx struct {
	rc    *fasthttp.RequestCtx
	route *boundRoute
	id    requestID
	span  trace.Span // of the request; nil: it is not traced
	ended func()     // called when the answer has ended; nil: nothing is to be
	later bool       // the answer goes on after the handler, and whoever makes it calls ended
}

// Context ends when the route's time is up (see [Route.Slow]) and when the server has waited
// long enough to stop. It does not end when the client goes away.
func (c *Ctx) Context() context.Context {
	if c.route.Slow {
		return c.within(c.route.server.life)
	}
	return c.Query()
}

// Life ends when the server has waited long enough to stop. It is the same for all requests.
func (c *Ctx) Life() context.Context { return c.route.server.life }

// Query is the context of routes that are not slow: for what a slow one asks that is answered at
// once. It costs no timer of its own.
func (c *Ctx) Query() context.Context { return c.within(c.route.server.deadlines.at(c.rc.Time())) }

// Within is a context for slow routes that ends after limit, with a Timeout that says what was
// waited for and that it may still happen. The caller calls cancel.
func (c *Ctx) Within(limit time.Duration, what string) (context.Context, context.CancelFunc) {
	cause := fault.Timeoutf("%s: no end within %s; it may still happen: ask for the state", what, limit)
	return context.WithTimeoutCause(c.within(c.route.server.life), limit, cause)
}

// Param returns a part of the path by its name in the pattern, percent-decoded once.
func (c *Ctx) Param(name string) (string, error) {
	raw, ok := c.rc.UserValue(name).(string)
	if !ok {
		return "", fault.Internalf("route %s has no part %q", c.route.Path, name)
	}
	value, err := url.PathUnescape(raw)
	if err != nil {
		return "", fault.Invalidf("%s in the path: %v", name, err)
	}
	return value, nil
}

// SandboxID returns the path's "{id}", which must be a sandbox id: Invalid otherwise.
func (c *Ctx) SandboxID() (sandbox.ID, error) {
	value, err := c.Param("id")
	if err != nil {
		return "", err
	}
	id, err := sandbox.ParseID(value)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, "id in the path", err)
	}
	return id, nil
}

// Required returns a parameter of the query, decoded; Invalid when it is missing or empty.
func (c *Ctx) Required(name string) (string, error) {
	value := string(c.rc.QueryArgs().Peek(name))
	if value == "" {
		return "", fault.Invalidf("the parameter %s is required in the query", name)
	}
	return value, nil
}

// Body returns the whole body.
func (c *Ctx) Body() []byte { return c.rc.PostBody() }

// Decode reads the body as one JSON value into v. Unknown fields are ignored, nulls leave the
// field as it is, wrong types are refused.
func (c *Ctx) Decode(v any) error {
	if err := DecodeJSON(c.Body(), v); err != nil {
		return InvalidBodyf("%v", err)
	}
	return nil
}

// DecodeJSON is the reading behind [Ctx.Decode]; the error has no kind.
func DecodeJSON(body []byte, v any) error {
	if len(body) == 0 {
		return io.EOF // the word of Daytona's runner for an empty body
	}
	return json.Unmarshal(body, v)
}

// JSON answers with v, which must be encodable.
func (c *Ctx) JSON(status int, v any) error {
	body, err := encode(v)
	if err != nil {
		return fault.Wrap(fault.Internal, "encode the answer", err)
	}
	c.reply(status, body)
	return nil
}

// Appender is a value that writes itself as JSON, for answers that are asked for often or are
// large.
type Appender interface{ AppendJSON(dst []byte) []byte }

// Append answers with v, in memory that is used again for other answers.
func (c *Ctx) Append(status int, v Appender) error {
	c.reply(status, v.AppendJSON(c.rc.Response.SwapBody(nil)[:0]))
	return nil
}

func (c *Ctx) reply(status int, body []byte) {
	c.rc.SetStatusCode(status)
	c.rc.Response.Header.SetContentTypeBytes(contentTypeJSON)
	c.rc.Response.SwapBody(body)
}

// Text answers 200 with a text, which must not change any more.
func (c *Ctx) Text(contentType string, text []byte) {
	c.rc.Response.Header.SetContentType(contentType)
	c.rc.Response.SetBodyRaw(text)
}

var contentTypeJSON = []byte("application/json; charset=utf-8")

// Header returns a header of the request; empty when there is none.
func (c *Ctx) Header(name string) string { return string(c.rc.Request.Header.Peek(name)) }

// Optional returns a parameter of the query, decoded; empty when there is none.
func (c *Ctx) Optional(name string) string { return string(c.rc.QueryArgs().Peek(name)) }

// Empty answers without a body.
func (c *Ctx) Empty(status int) error {
	c.rc.SetStatusCode(status)
	return nil
}

// Bytes answers with a body as it is.
func (c *Ctx) Bytes(status int, contentType string, body []byte) error {
	c.rc.SetStatusCode(status)
	c.rc.Response.Header.SetContentType(contentType)
	c.rc.Response.SwapBody(body)
	return nil
}

// SetHeader sets a header of the answer.
func (c *Ctx) SetHeader(name, value string) { c.rc.Response.Header.Set(name, value) }

// LocalIP is the runner's address that the client reached.
func (c *Ctx) LocalIP() net.IP { return c.rc.LocalIP() }

// RequestID is what this request is called in answer and log.
func (c *Ctx) RequestID() string { return string(c.id.bytes()) }

// Fasthttp is the request underneath, for handlers that others wrote (pprof, Prometheus).
func (c *Ctx) Fasthttp() *fasthttp.RequestCtx { return c.rc }
