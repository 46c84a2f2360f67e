package daytona_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/daytonaio/runner-android/internal/daytona"
	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

func TestBaseTakesBothSpellings(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"without a path", "http://host:3000", "http://host:3000/api"},
		{"with a slash", "http://host:3000/", "http://host:3000/api"},
		{"with the path", "http://host:3000/api", "http://host:3000/api"},
		{"with the path and slashes", "http://host:3000/api///", "http://host:3000/api"},
		{"with another path", "https://host/daytona/api", "https://host/daytona/api"},
		{"an address of IPv6", "http://[::1]:3000", "http://[::1]:3000/api"},
	}
	for _, tt := range tests {
		got, err := daytona.Base(tt.text)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	for _, bad := range []string{
		"", "host:3000", "ftp://host", "http://", "/api", "http://user:s3cret@host", "http://host?x=1", "http://host#x", "http://ho st", "http://host:port", "\x00",
	} {
		got, err := daytona.Base(bad)
		if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: got %q, %v, want it Invalid, without its secrets", bad, got, err)
		}
	}
}

func FuzzBase(f *testing.F) {
	f.Add("http://host:3000")
	f.Add("https://h/api//")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := daytona.Base(text)
		if err != nil {
			return
		}
		if second, err := daytona.Base(first); err != nil || second != first {
			t.Errorf("%q became %q and then %q, %v", text, first, second, err)
		}
	})
}

// everyCall makes each call of the client once.
var everyCall = []struct {
	name, answer, want, body string
	make                     func(context.Context, *daytona.Client) error
}{
	{"a poll", `{"jobs":[]}`, "GET /api/jobs/poll?timeout=30&limit=10", "", func(ctx context.Context, c *daytona.Client) error {
		_, err := c.Poll(ctx, 30*time.Second, 10)
		return err
	}},
	{"the list of claimed jobs", `{"items":[],"totalPages":1}`, "GET /api/jobs?status=IN_PROGRESS&page=1&limit=200", "",
		func(ctx context.Context, c *daytona.Client) error {
			_, err := c.InProgress(ctx)
			return err
		}},
	{"a job", `{"id":"j/1"}`, "GET /api/jobs/j%2F1", "", func(ctx context.Context, c *daytona.Client) error {
		_, err := c.Job(ctx, "j/1")
		return err
	}},
	{"progress", `{"id":"j-1","status":"IN_PROGRESS"}`, "POST /api/jobs/j-1/status", `{"status":"IN_PROGRESS","resultMetadata":"{\"progress\":7}"}`,
		func(ctx context.Context, c *daytona.Client) error { return c.Progress(ctx, "j-1", `{"progress":7}`) }},
	{"a job that is done", `{"id":"j-1","status":"COMPLETED"}`, "POST /api/jobs/j-1/status", `{"status":"COMPLETED","resultMetadata":"{\"daemonVersion\":\"\"}"}`,
		func(ctx context.Context, c *daytona.Client) error {
			return c.Report(ctx, "j-1", wire.JobStatusDTO{Status: wire.StatusCompleted, ResultMetadata: `{"daemonVersion":""}`})
		}},
	{"a job that failed", `{"id":"j-1","status":"FAILED"}`, "POST /api/jobs/j-1/status", `{"status":"FAILED","errorMessage":"no \"space\""}`,
		func(ctx context.Context, c *daytona.Client) error {
			return c.Report(ctx, "j-1", wire.JobStatusDTO{Status: wire.StatusFailed, ErrorMessage: `no "space"`})
		}},
	{"a healthcheck", ``, "POST /api/runners/healthcheck", `{"appVersion":"v1","domain":"h","serviceHealth":[{"serviceName":"cvd","healthy":false,"errorReason":"gone"}]}`,
		func(ctx context.Context, c *daytona.Client) error {
			return c.Healthcheck(ctx, wire.HealthcheckDTO{
				AppVersion: "v1", Domain: "h", ServiceHealth: []wire.ServiceHealthDTO{{ServiceName: "cvd", ErrorReason: "gone"}},
			})
		}},
	{"the own row", `{"id":"r","class":"container"}`, "GET /api/runners/me", "", func(ctx context.Context, c *daytona.Client) error {
		_, err := c.Me(ctx)
		return err
	}},
	{"the sandboxes", `[{"id":"a","state":"started"}]`, "GET /api/sandbox/for-runner?skipReconcilingSandboxes=true&states=started%2Cstopped", "",
		func(ctx context.Context, c *daytona.Client) error {
			_, err := c.Sandboxes(ctx, "started", "stopped")
			return err
		}},
	{"a state", ``, "PUT /api/sandbox/a/state", `{"state":"error","errorReason":"device crashed","recoverable":true}`,
		func(ctx context.Context, c *daytona.Client) error {
			yes := true
			return c.SetState(ctx, "a", wire.SandboxStateDTO{State: "error", ErrorReason: "device crashed", Recoverable: &yes})
		}},
	{"a state without a reason", ``, "PUT /api/sandbox/a/state", `{"state":"stopped"}`, func(ctx context.Context, c *daytona.Client) error {
		return c.SetState(ctx, "a", wire.SandboxStateDTO{State: "stopped"})
	}},
}

// Ensure each call is written as Daytona's runner writes it, and continues the trace of its
// context, whether the runner's own spans are recorded or not.
func TestCallsAreAsRecorded(t *testing.T) {
	t.Parallel()
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled, Remote: true})
	disabled := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	tracers := []struct {
		name   string
		tracer trace.Tracer
		ctx    func(context.Context) context.Context
		want   func(trace.SpanContext) bool
	}{
		{"no tracer passes the span itself on", nil, func(ctx context.Context) context.Context { return trace.ContextWithRemoteSpanContext(ctx, parent) },
			func(sc trace.SpanContext) bool {
				return sc.TraceID() == parent.TraceID() && sc.SpanID() == parent.SpanID() && sc.IsSampled()
			}},
		{"tracing that is off continues a trace", disabled.Tracer("t"), func(ctx context.Context) context.Context { return trace.ContextWithRemoteSpanContext(ctx, parent) },
			func(sc trace.SpanContext) bool {
				return sc.TraceID() == parent.TraceID() && sc.SpanID() != parent.SpanID() && sc.IsSampled()
			}},
		{"tracing that is off begins one that nobody records", disabled.Tracer("t"), func(ctx context.Context) context.Context { return ctx },
			func(sc trace.SpanContext) bool { return sc.IsValid() && !sc.IsSampled() }},
		{"no tracer and no trace", nil, func(ctx context.Context) context.Context { return ctx }, func(sc trace.SpanContext) bool { return !sc.IsValid() }},
	}
	for _, tt := range everyCall {
		for _, tr := range tracers {
			t.Run(tt.name+", "+tr.name, func(t *testing.T) {
				t.Parallel()
				api := serve(t, saying(201, tt.answer))
				c := api.client(t, daytona.Options{Tracer: tr.tracer, Agent: "runner-android/v1"})
				if err := tt.make(tr.ctx(t.Context()), c); err != nil {
					t.Fatal(err)
				}
				all := api.requests()
				if len(all) != 1 || all[0].line != tt.want || all[0].body != tt.body {
					t.Fatalf("got %q, want once %s %s", all, tt.want, tt.body)
				}
				h := all[0].header
				want := map[string]string{"Authorization": "Bearer " + token, "Accept": "application/json", "X-Daytona-Source": "runner", "User-Agent": "runner-android/v1"}
				if tt.body != "" {
					want["Content-Type"] = "application/json"
				}
				for name, value := range want {
					if got := h.Get(name); got != value {
						t.Errorf("%s is %q, want %q", name, got, value)
					}
				}
				ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(h))
				if sc := trace.SpanContextFromContext(ctx); !tr.want(sc) {
					t.Errorf("traceparent is %q", h.Get("Traceparent"))
				}
			})
		}
	}
}

func TestBothSpellingsReachTheSameRoutes(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/", "/api", "/api/", "/api//", "/deep/api/"} {
		api := serve(t, saying(200, `{}`))
		c := api.client(t, daytona.Options{URL: path})
		if _, err := c.Me(t.Context()); err != nil {
			t.Error(err)
		}
		want := "GET /api/runners/me"
		if path == "/deep/api/" {
			want = "GET /deep/api/runners/me"
		}
		if got := api.lines(); len(got) != 1 || got[0] != want {
			t.Errorf("%q: got %q, want %s", path, got, want)
		}
		if got := c.URL() + "/runners/me"; !strings.HasSuffix(got, strings.TrimPrefix(want, "GET ")) {
			t.Errorf("%q: the URL is %s", path, c.URL())
		}
	}
}

// Ensure spans are named after the route and never after an id, and fail with the kind alone.
func TestSpansOfCalls(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/status") {
			saying(400, `{"message":"a text that may hold anything"}`)(w, r)
			return
		}
		saying(200, `{}`)(w, r)
	})
	c := api.client(t, daytona.Options{Tracer: provider.Tracer("daytona")})
	ctx := t.Context()
	_, _ = c.Poll(ctx, time.Second, 1)
	_, _ = c.InProgress(ctx)
	_, _ = c.Job(ctx, "60235ab9")
	_ = c.Report(ctx, "60235ab9", wire.JobStatusDTO{Status: wire.StatusCompleted})
	_, _ = c.Sandboxes(ctx, "started")
	_ = c.SetState(ctx, "dev-1", wire.SandboxStateDTO{State: "stopped"})
	want := []string{"GET /jobs/poll", "GET /jobs", "GET /jobs/{id}", "POST /jobs/{id}/status", "GET /sandbox/for-runner", "GET /sandbox/for-runner", "GET /sandbox/for-runner", "PUT /sandbox/{id}/state"}
	var got []string
	for _, s := range recorder.Ended() {
		got = append(got, s.Name())
		if s.SpanKind() != trace.SpanKindClient {
			t.Errorf("%s is a %s span", s.Name(), s.SpanKind())
		}
		if strings.HasSuffix(s.Name(), "/{id}/status") && s.Status().Description != "invalid" {
			t.Errorf("%s ended as %v, want the kind", s.Name(), s.Status())
		}
	}
	// The list of sandboxes is no object: it is asked for three times.
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
