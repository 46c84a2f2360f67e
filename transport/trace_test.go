package transport_test

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

const parentID, parentSpan = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

// traced serves routes that end in each way, and keeps the spans and what handlers saw of them.
func traced(t *testing.T, sampler sdktrace.Sampler) (c *transporttest.Client, recorder *tracetest.SpanRecorder, seen chan trace.SpanContext, logs *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.ErrorLevel)
	recorder, seen = tracetest.NewSpanRecorder(), make(chan trace.SpanContext, 10)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSampler(sampler))
	c = transporttest.Start(t, transport.Options{Tracer: provider.Tracer("transport"), Log: zap.New(core)}, func(s *transport.Server) {
		see := func(ctx context.Context) { seen <- trace.SpanContextFromContext(ctx) }
		s.Mount("", []transport.Route{
			{Method: "GET", Path: "/sandboxes/{id}", Handler: func(c *transport.Ctx) error {
				see(c.Context())
				return c.JSON(200, "ok")
			}},
			{Method: "POST", Path: "/slow", Slow: true, Handler: func(c *transport.Ctx) error {
				see(c.Context())
				see(c.Query())
				within, cancel := c.Within(1, "x")
				defer cancel()
				see(within)
				return c.JSON(200, "ok")
			}},
			{Method: "GET", Path: "/missing", Handler: func(*transport.Ctx) error { return fault.NotFoundf("x") }},
			{Method: "GET", Path: "/busy", Handler: func(*transport.Ctx) error { return fault.Conflictf("a text") }},
			{Method: "GET", Path: "/panic", Handler: panicking},
		})
	})
	return c, recorder, seen, logs
}

func panicking(*transport.Ctx) error { panic("boom") }

func TestRequestsContinueTheClientsTrace(t *testing.T) {
	t.Parallel()
	c, recorder, seen, _ := traced(t, sdktrace.AlwaysSample())
	got := c.Do("GET", "/sandboxes/dev-1", "", "traceparent: 00-"+parentID+"-"+parentSpan+"-01", "tracestate: a=b")
	if got.Status != 200 {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	spans := recorder.Ended()
	if len(spans) != 1 {
		t.Fatalf("%d spans ended, want 1", len(spans))
	}
	s := spans[0]
	if s.Name() != "GET /sandboxes/{id}" || s.SpanKind() != trace.SpanKindServer || s.Status().Code != codes.Unset ||
		s.SpanContext().TraceID().String() != parentID || s.Parent().SpanID().String() != parentSpan || s.SpanContext().TraceState().String() != "a=b" {
		t.Errorf("got %s, %v below %v", s.Name(), s.SpanContext(), s.Parent())
	}
	attributes := map[string]string{}
	for _, a := range s.Attributes() {
		attributes[string(a.Key)] = a.Value.AsString()
	}
	if attributes["sandbox.id"] != "dev-1" || attributes["request.id"] != got.Header.Get("X-Request-Id") || attributes["request.id"] == "" {
		t.Errorf("attributes %v, want the sandbox and request %s", attributes, got.Header.Get("X-Request-Id"))
	}
	if sc := <-seen; !sc.Equal(s.SpanContext()) {
		t.Errorf("the handler was in span %v, want %v", sc, s.SpanContext())
	}
}

func TestEveryContextOfAHandlerIsInItsSpan(t *testing.T) {
	t.Parallel()
	c, recorder, seen, _ := traced(t, sdktrace.AlwaysSample())
	c.Do("POST", "/slow", "")
	want := recorder.Ended()[0]
	if want.Parent().IsValid() || !want.SpanContext().IsValid() {
		t.Errorf("got %v below %v, want a trace of its own", want.SpanContext(), want.Parent())
	}
	for range 3 {
		if sc := <-seen; !sc.Equal(want.SpanContext()) {
			t.Errorf("a context is in span %v, want %v", sc, want.SpanContext())
		}
	}
}

// Ensure each request's span ends, once, however the handler does.
func TestHowSpansOfRequestsEnd(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, span string
		status           int
		want             string // of the span's error; empty: none
	}{
		{"what does not exist is an answer", "/missing", "GET /missing", 404, ""},
		{"a conflict, without its text", "/busy", "GET /busy", 409, "conflict"},
		{"a panic", "/panic", "GET /panic", 500, "panic"},
		{"no route", "/nowhere", "unmatched", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, recorder, _, _ := traced(t, sdktrace.AlwaysSample())
			got := c.Do("GET", tt.path, "", "traceparent: garbage")
			spans := recorder.Ended()
			if got.Status != tt.status || len(spans) != 1 || len(recorder.Started()) != 1 {
				t.Fatalf("got %d and %d spans, want %d and 1", got.Status, len(spans), tt.status)
			}
			if s := spans[0]; s.Name() != tt.span || s.Status().Description != tt.want || (s.Status().Code == codes.Error) != (tt.want != "") || len(s.Events()) != 0 {
				t.Errorf("got %q, %v, want %q, %q", s.Name(), s.Status(), tt.span, tt.want)
			}
		})
	}
}

// Ensure the span does not hide where a handler panicked.
func TestATracedPanicKeepsItsStack(t *testing.T) {
	t.Parallel()
	c, _, _, logs := traced(t, sdktrace.AlwaysSample())
	c.Do("GET", "/panic", "")
	lines := logs.FilterMessage("internal error").All()
	if len(lines) != 1 {
		t.Fatalf("logged %v", logs.All())
	}
	fields := lines[0].ContextMap()
	if stack, _ := fields["stack"].(string); fields["reason"] != "boom" || !strings.Contains(stack, "transport_test.panicking") {
		t.Errorf("logged %v, want the handler in the stack", fields)
	}
}

// Ensure who has no token leaves no span of a route that wants one.
func TestRefusedRequestsMakeNoSpan(t *testing.T) {
	t.Parallel()
	c, recorder, _, _ := traced(t, sdktrace.AlwaysSample())
	if got := c.Do("GET", "/sandboxes/dev-1", "", "Authorization: Bearer wrong"); got.Status != 401 || len(recorder.Started()) != 0 {
		t.Errorf("got %d and %d spans", got.Status, len(recorder.Started()))
	}
}

// Ensure a trace passes through a runner whose own tracing is off.
func TestTracesPassThroughARunnerThatRecordsNothing(t *testing.T) {
	t.Parallel()
	c, recorder, seen, _ := traced(t, sdktrace.ParentBased(sdktrace.NeverSample()))
	c.Do("GET", "/sandboxes/dev-1", "", "traceparent: 00-"+parentID+"-"+parentSpan+"-00")
	if sc := <-seen; sc.TraceID().String() != parentID || sc.IsSampled() || len(recorder.Started()) != 0 {
		t.Errorf("the handler was in span %v, %d recorded", sc, len(recorder.Started()))
	}
}

func TestWithoutATracerThereIsNoSpan(t *testing.T) {
	t.Parallel()
	seen := make(chan trace.SpanContext, 1)
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		s.Mount("", []transport.Route{{Method: "GET", Path: "/x", Handler: func(c *transport.Ctx) error {
			seen <- trace.SpanContextFromContext(c.Context())
			return c.JSON(200, "ok")
		}}})
	})
	c.Do("GET", "/x", "", "traceparent: 00-"+parentID+"-"+parentSpan+"-01")
	if sc := <-seen; sc.IsValid() {
		t.Errorf("the handler was in span %v", sc)
	}
}
