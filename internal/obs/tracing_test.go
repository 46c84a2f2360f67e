package obs_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/daytonaio/runner-android/configs"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
)

// collected is a collector of spans and what it heard.
type collected struct {
	server *httptest.Server

	mu      sync.Mutex
	spans   []*otlp.Span
	about   map[string]string // attributes of the resource
	paths   []string
	headers http.Header
	wrong   error
}

func collect(t *testing.T, status int) *collected {
	t.Helper()
	c := &collected{about: map[string]string{}}
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var all collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &all)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.paths, c.headers, c.wrong = append(c.paths, r.Method+" "+r.URL.Path), r.Header, err
		for _, rs := range all.GetResourceSpans() {
			for _, a := range rs.GetResource().GetAttributes() {
				c.about[a.GetKey()] = a.GetValue().GetStringValue()
			}
			for _, ss := range rs.GetScopeSpans() {
				c.spans = append(c.spans, ss.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.WriteHeader(status)
	}))
	t.Cleanup(c.server.Close)
	return c
}

func tracing(t *testing.T, cfg configs.Tracing, log *zap.Logger) *obs.Tracing {
	t.Helper()
	tr, err := obs.NewTracing(t.Context(), cfg, "runner-7", log)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestSpansReachTheCollector(t *testing.T) {
	c := collect(t, http.StatusOK)
	tr := tracing(t, configs.Tracing{
		Enabled: true, Endpoint: c.server.URL, Headers: configs.NewSecret("x-key=s3cret-key, Authorization=Basic%20YTpi ,x-odd=100%"),
	}, zap.NewNop())
	if !tr.Enabled() {
		t.Error("tracing is not enabled")
	}
	ctx, parent := tr.Tracer("jobs").Start(t.Context(), "execute_START_SANDBOX", trace.WithAttributes(obs.AttrJobID.String("j-1")))
	_, child := tr.Tracer("actors").Start(ctx, "start")
	obs.EndSpan(child, fault.Unavailablef("a text that may hold anything"))
	obs.EndSpan(parent, nil)
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrong != nil || len(c.spans) != 2 || len(c.paths) != 1 || c.paths[0] != "POST /v1/traces" {
		t.Fatalf("heard %q with %d spans, %v", c.paths, len(c.spans), c.wrong)
	}
	start, job := c.spans[0], c.spans[1]
	if start.GetName() != "start" || job.GetName() != "execute_START_SANDBOX" || !bytes.Equal(start.GetParentSpanId(), job.GetSpanId()) || !bytes.Equal(start.GetTraceId(), job.GetTraceId()) {
		t.Errorf("got %v and %v", start, job)
	}
	if start.GetStatus().GetCode() != otlp.Status_STATUS_CODE_ERROR || start.GetStatus().GetMessage() != "unavailable" || job.GetStatus().GetMessage() != "" {
		t.Errorf("ended as %v and %v, want the kind alone", start.GetStatus(), job.GetStatus())
	}
	if a := job.GetAttributes(); len(a) != 1 || a[0].GetKey() != "job.id" || a[0].GetValue().GetStringValue() != "j-1" {
		t.Errorf("attributes are %v", a)
	}
	if c.about["service.name"] != "runner-android" || c.about["service.instance.id"] != "runner-7" || c.about["service.version"] != obs.ThisBuild().Version {
		t.Errorf("the resource is %v", c.about)
	}
	for name, want := range map[string]string{"X-Key": "s3cret-key", "Authorization": "Basic YTpi", "X-Odd": "100%"} {
		if got := c.headers.Get(name); got != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
}

// Ensure what others began goes on through a runner that sends nothing.
func TestTracingThatIsOffSendsNothing(t *testing.T) {
	t.Parallel()
	c := collect(t, http.StatusOK)
	tr := tracing(t, configs.Tracing{Endpoint: c.server.URL, Headers: configs.NewSecret("x-key=s3cret")}, zap.NewNop())
	if tr.Enabled() {
		t.Error("tracing is enabled")
	}
	_, own := tr.Tracer("x").Start(t.Context(), "own")
	if sc := own.SpanContext(); !sc.IsValid() || sc.IsSampled() || own.IsRecording() {
		t.Errorf("a span of our own is %+v", sc)
	}
	for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
		remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags, Remote: true})
		_, span := tr.Tracer("x").Start(trace.ContextWithRemoteSpanContext(t.Context(), remote), "continued")
		if sc := span.SpanContext(); sc.TraceID() != remote.TraceID() || sc.SpanID() == remote.SpanID() || sc.TraceFlags() != flags {
			t.Errorf("a span of others is %+v, want trace %s with flags %s", sc, remote.TraceID(), flags)
		}
		obs.EndSpan(span, nil)
	}
	own.End()
	if err := tr.Close(t.Context()); err != nil {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.paths) != 0 {
		t.Errorf("the collector heard %q", c.paths)
	}
}

// Ensure a collector that refuses is a line in the log without its keys.
func TestHeadersAreNeverLogged(t *testing.T) {
	c := collect(t, http.StatusUnauthorized)
	var out lockedBuffer
	cfg := configs.Tracing{Enabled: true, Endpoint: c.server.URL, Headers: configs.NewSecret("x-key=s3cret-key")}
	tr := tracing(t, cfg, obs.NewLogger(slog.LevelDebug, &out))
	_, span := tr.Tracer("x").Start(t.Context(), "x")
	obs.EndSpan(span, nil)
	err := tr.Close(t.Context())
	said := out.String()
	if err != nil {
		said += err.Error()
	}
	if !strings.Contains(said, "401") || strings.Contains(said, "s3cret") {
		t.Errorf("said %q, want the status and no key", said)
	}
}

// Ensure a collector that is down holds up neither the start nor the end.
func TestACollectorThatIsDown(t *testing.T) {
	c := collect(t, http.StatusServiceUnavailable)
	tr := tracing(t, configs.Tracing{Enabled: true, Endpoint: c.server.URL}, zap.NewNop())
	_, span := tr.Tracer("x").Start(t.Context(), "x")
	obs.EndSpan(span, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if err := tr.Close(ctx); err == nil {
		t.Error("the spans were lost without a word")
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

func TestHowSpansEnd(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want string // description of an error; empty: none
	}{
		{"well", nil, ""},
		{"something that does not exist is an answer", fault.NotFoundf("x"), ""},
		{"a conflict", fault.Op("stop", fault.Conflictf("secret")), "conflict"},
		{"a deadline", context.DeadlineExceeded, "timeout"},
		{"anything else", io.EOF, "internal"},
	}
	for _, tt := range tests {
		recorder := tracetest.NewSpanRecorder()
		_, span := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("x").Start(t.Context(), "x")
		obs.EndSpan(span, tt.err)
		ended := recorder.Ended()
		if len(ended) != 1 || ended[0].Status().Description != tt.want || len(ended[0].Events()) != 0 {
			t.Errorf("%s: got %v, want %q", tt.name, ended, tt.want)
		}
	}
}

func TestTraceFieldLeadsToTheTrace(t *testing.T) {
	t.Parallel()
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{0xab}, SpanID: trace.SpanID{1}})
	if got := obs.TraceField(sc); got.Key != obs.TraceID || got.String != "ab000000000000000000000000000000" {
		t.Errorf("got %+v", got)
	}
	if got := obs.TraceField(trace.SpanContext{}); !got.Equals(zap.Skip()) {
		t.Errorf("got %+v, want nothing", got)
	}
	if obs.AttrJobType != attribute.Key("job.type") {
		t.Errorf("got %s, want Daytona's word", obs.AttrJobType)
	}
}
