package debug_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/debug"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func start(t *testing.T, answer transporttest.AskerFunc, now time.Time) *transporttest.Client {
	t.Helper()
	registry := prometheus.NewRegistry()
	return transporttest.Start(t, transport.Options{Registry: registry}, func(s *transport.Server) {
		s.Mount("", debug.Routes(answer, debug.Options{Registry: registry, Now: func() time.Time { return now }}))
	})
}

func TestTree(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tree := messages.Node{
		Path: "root", Kind: "root", State: "running", Since: now.Add(-time.Hour), Facts: map[string]string{"sandboxes": "2"},
		Children: []messages.Node{
			{Path: "root/allocator", Kind: "allocator", State: "running", Since: now.Add(-time.Hour)},
			{
				Path: "root/sb-dev1", Kind: "sandbox", State: "starting", Since: now.Add(-90 * time.Second), Operation: "start: adb answers",
				OpSince: now.Add(-90*time.Second - 1234567), Mailbox: 2, Restarts: 1, LastError: "panic <in> Receive",
				Facts:    map[string]string{"adb_serial": "127.0.0.1:6520", "cvd_pid": "77"},
				Evidence: []sandbox.Evidence{{Layer: "cvd", Fact: "its list says Starting", At: now.Add(-2500 * time.Millisecond)}},
				Transitions: []sandbox.Transition{
					{From: sandbox.Started, To: sandbox.Error, Reason: "the device died: it is gone", At: now.Add(-2 * time.Minute)},
					{From: sandbox.Error, To: sandbox.Starting, At: now.Add(-90 * time.Second)},
				},
			},
			{Path: "root/sb-dev2", Kind: "sandbox", State: "busy"},
		},
	}
	c := start(t, func(_ context.Context, msg any) (any, error) {
		if msg != any(messages.Describe{}) {
			return nil, fault.Internalf("asked %T", msg)
		}
		return tree, nil
	}, now)
	got := c.Do("GET", "/debug/actors", "")
	var pretty bytes.Buffer
	if strings.Contains(got.Body, `\u003c`) {
		t.Error("escaped for HTML, which nobody reads here")
	}
	if err := json.Indent(&pretty, []byte(got.Body), "", "  "); err != nil {
		t.Fatalf("%d %s: %v", got.Status, got.Body, err)
	}
	pretty.WriteByte('\n')
	const golden = "testdata/tree.golden"
	if *update {
		if err := os.WriteFile(golden, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("got %s\nwant %s (%v); -update rewrites it", pretty.Bytes(), want, err)
	}
}

func TestDoor(t *testing.T) {
	t.Parallel()
	c := start(t, func(context.Context, any) (any, error) { return nil, fault.Unavailablef("root has ended") }, time.Now())
	tests := []struct {
		name, path string
		status     int
		want       string // part of the body
	}{
		{"actors that do not answer", "/debug/actors", 503, "unavailable: root has ended"},
		{"metrics", "/metrics", 200, "# TYPE runner_android_http_requests_total counter"},
		{"index of the profiles", "/debug/pprof/", 200, "goroutine"},
		{"index without the slash", "/debug/pprof", 200, "goroutine"},
		{"a profile", "/debug/pprof/goroutine?debug=1", 200, "goroutine profile: total"},
		{"a profile without end", "/debug/pprof/profile?seconds=999999", 400, "it must be a number from 0 to 300"},
		{"a profile of no length", "/debug/pprof/trace?seconds=x", 400, "seconds is"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := c.For(t).Do("GET", tt.path, "")
			if got.Status != tt.status || !strings.Contains(got.Body, tt.want) {
				t.Errorf("got %d %.300s", got.Status, got.Body)
			}
			if denied := c.For(t).Do("GET", tt.path, "", "Authorization:"); denied.Status != 401 {
				t.Errorf("without the token: %d", denied.Status)
			}
		})
	}
}
