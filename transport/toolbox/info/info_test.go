package info_test

import (
	"context"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/info"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

func TestMain(m *testing.M) { transporttest.Main(m) }

// Ensure each route answers as the daemon does, in every spelling that clients have had for it, and only of a device that
// is started.
func TestInfo(t *testing.T) {
	t.Parallel()
	actors := transporttest.AskerFunc(func(_ context.Context, msg any) (any, error) {
		switch m, ok := msg.(messages.AttachSandbox); {
		case ok && m.ID == "dev-1":
			return messages.Lease{Serial: "x"}, nil
		case ok && m.ID == "gone":
			return nil, fault.NotFoundf("sandbox gone does not exist on this runner")
		}
		return nil, fault.Conflictf("is the sandbox started?")
	})
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		toolbox.Mount(s, info.Routes(lease.New(actors, nil), info.Options{Version: "v1.2.3"}))
	})
	const dir, done = `{"dir":"/sdcard"}`, `{"message":"Auth token set and telemetry initialized successfully"}`
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "dev-1/toolbox/version", "", 200, `{"version":"v1.2.3"}`},
		{"GET", "dev-1/toolbox/work-dir", "", 200, dir},
		{"GET", "dev-1/toolbox/user-home-dir", "", 200, dir},
		{"GET", "dev-1/toolbox/project-dir", "", 200, dir},
		{"GET", "dev-1/toolbox/workspace/", "", 200, dir},
		{"GET", "dev-1/toolbox/proxy/2280/workspace", "", 200, dir},
		{"POST", "dev-1/toolbox/init", `{"token":"t"}`, 200, done},
		{"POST", "dev-1/toolbox/init", `{}`, 200, done},
		{"POST", "dev-1/toolbox/init", `x`, 400, ""},
		{"POST", "dev-1/toolbox/init", `{"token":null,"extra":1}`, 200, done},
		{"POST", "dev-1/toolbox/init", ``, 400, ""},
		{"GET", "dev-1/toolbox/proxy/2280/version/", "", 200, `{"version":"v1.2.3"}`},
		{"GET", "dev-1/toolbox/proxy/2280/project-dir", "", 200, dir},
		{"POST", "dev-1/toolbox/version", "", 404, "404 page not found"},
		{"GET", "dev-1/toolbox/init", "", 404, "404 page not found"},
		{"GET", "dev-1/toolbox/toolbox/work-dir", "", 404, "404 page not found"},
		{"GET", "stopped/toolbox/version", "", 409, ""},
		{"GET", "stopped/toolbox/workspace", "", 409, ""},
		{"GET", "gone/toolbox/work-dir", "", 404, ""},
		{"POST", "stopped/toolbox/init", "{}", 409, ""},
	} {
		got := c.Do(tt.method, "/sandboxes/"+tt.path, tt.body)
		if got.Status != tt.status || tt.want != "" && got.Body != tt.want {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, got.Status, got.Body)
		}
		if code := map[int]string{400: "INVALID_REQUEST_BODY", 404: "NOT_FOUND", 409: "CONFLICT"}[tt.status]; tt.want == "" &&
			(got.Field(t, "code") != code || strings.Contains(got.Field(t, "path"), "toolbox")) {
			t.Errorf("%s %s: %s", tt.method, tt.path, got.Body)
		}
	}
}
