package main_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spanCollector receives spans over OTLP/HTTP.
type spanCollector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracev1.Span
	key   string // header of the last request
}

func newSpanCollector(t *testing.T) *spanCollector {
	t.Helper()
	c := &spanCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			http.Error(w, fmt.Sprint(r.URL.Path, err), http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.key = r.Header.Get("X-Key")
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// of returns the spans of one trace.
func (c *spanCollector) of(traceID string) []*tracev1.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.spans), func(s *tracev1.Span) bool { return hex.EncodeToString(s.TraceId) != traceID })
}

// tree draws a trace, children indented below their parents, from the span outwards.
func tree(spans []*tracev1.Span, parent, indent string) (lines []string) {
	slices.SortFunc(spans, func(a, b *tracev1.Span) int { return int(a.StartTimeUnixNano) - int(b.StartTimeUnixNano) })
	for _, s := range spans {
		if hex.EncodeToString(s.ParentSpanId) == parent {
			lines = append(lines, indent+s.Name)
			lines = append(lines, tree(spans, hex.EncodeToString(s.SpanId), indent+"  ")...)
		}
	}
	return lines
}

// Ensure a CREATE job is one trace from Daytona's span to the last phase of the boot, and that a
// request over REST begins one of its own.
func TestTraceOfAJob(t *testing.T) {
	t.Parallel()
	spans := newSpanCollector(t)
	h := startHost(t)
	r := startRunner(h, append(quick, "OTEL_TRACING_ENABLED=true", "OTEL_EXPORTER_OTLP_ENDPOINT="+spans.URL, "OTEL_EXPORTER_OTLP_HEADERS=X-Key=s3cret-key")...)
	d := h.desk()
	const traceID, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	d.mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "a", "traceContext": order{"traceparent": "00-" + traceID + "-" + parent + "-01"}})
	const restID = "0af7651916cd43dd8448eb211c80319c"
	req, err := http.NewRequest("POST", r.url+"/sandboxes/a/stop", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Traceparent", "00-"+restID+"-b7ad6b7169203331-01")
	resp, err := client.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("stop: %v, %v", resp, err)
	}
	resp.Body.Close()
	d.mustDo(order{"type": "DESTROY_SANDBOX", "sandboxId": "a"})
	if code := r.terminate(); code != 0 { // the last spans leave with it
		t.Errorf("exit code %d", code)
	}
	want := []string{
		"execute_CREATE_SANDBOX", "  sandbox create", "    boot: processes up", "    boot: adb answers", "    boot: boot completed",
		"  update_job_status", "    POST /jobs/{id}/status",
	}
	eventually(t, 10*time.Second, "the trace of the job has arrived", func() error {
		if got := tree(spans.of(traceID), parent, ""); !slices.Equal(got, want) {
			return fmt.Errorf("the tree is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		return nil
	})
	if all := spans.of(traceID); len(all) != len(want) {
		t.Errorf("%d spans of the trace, %d of them in the tree", len(all), len(want))
	}
	wantREST := []string{"POST /sandboxes/{id}/stop", "  sandbox stop"}
	if got := tree(spans.of(restID), "b7ad6b7169203331", ""); !slices.Equal(got, wantREST) {
		t.Errorf("the trace of the request is %q; want %q", got, wantREST)
	}
	attributes := map[string]string{}
	for _, s := range spans.of(traceID) {
		for _, a := range s.Attributes {
			attributes[s.Name+" "+a.Key] = a.Value.GetStringValue()
		}
	}
	for key, want := range map[string]string{
		"execute_CREATE_SANDBOX job.type": "CREATE_SANDBOX", "execute_CREATE_SANDBOX resource.id": "a",
		"sandbox create sandbox.id": "a", "update_job_status job.status": "COMPLETED",
	} {
		if attributes[key] != want {
			t.Errorf("%s is %q; want %q", key, attributes[key], want)
		}
	}
	if spans.key != "s3cret-key" || strings.Contains(r.log.String(), "s3cret-key") {
		t.Errorf("the collector's key: sent %q, in the log %t", spans.key, strings.Contains(r.log.String(), "s3cret-key"))
	}
	d.wantNoViolations()
}
