package transport

import (
	"context"

	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/daytonaio/runner-android/internal/obs"
)

// traced runs the handler in a server span, whose context is what [Ctx.Context] gives.
func (r *boundRoute) traced(c *Ctx) (err error) {
	tracer := r.server.options.Tracer
	if tracer == nil {
		return r.Handler(c)
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), requestCarrier{&c.rc.Request.Header})
	_, c.span = tracer.Start(ctx, r.spanName(), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("request.id", c.RequestID())))
	if id, ok := c.rc.UserValue("id").(string); ok {
		c.span.SetAttributes(obs.AttrSandboxID.String(id))
	}
	defer func() {
		if p := recover(); p != nil {
			c.span.SetStatus(codes.Error, "panic")
			c.span.End()
			panic(p)
		}
		obs.EndSpan(c.span, err)
	}()
	return r.Handler(c)
}

// spanName is the route as it was mounted; what has no route has no method either.
func (r *boundRoute) spanName() string {
	if r.Method == "" {
		return r.Path
	}
	return r.Method + " " + r.Path
}

// within puts the request's span into a context, so that it crosses the mailboxes.
func (c *Ctx) within(ctx context.Context) context.Context {
	if c.span == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, c.span)
}

// requestCarrier reads W3C's headers from a request.
type requestCarrier struct{ header *fasthttp.RequestHeader }

func (c requestCarrier) Get(key string) string { return string(c.header.Peek(key)) }
func (c requestCarrier) Set(key, value string) { c.header.Set(key, value) }
func (c requestCarrier) Keys() []string        { return nil } // nobody asks: the propagator knows its headers
