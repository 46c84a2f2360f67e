package openapi_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/proxy"
	"github.com/daytonaio/runner-android/proxy/links"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/apps"
	"github.com/daytonaio/runner-android/transport/android/logs"
	"github.com/daytonaio/runner-android/transport/android/record"
	"github.com/daytonaio/runner-android/transport/android/state"
	"github.com/daytonaio/runner-android/transport/android/tunnel"
	"github.com/daytonaio/runner-android/transport/android/ui"
	"github.com/daytonaio/runner-android/transport/debug"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/openapi"
	"github.com/daytonaio/runner-android/transport/runnerapi"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/computer"
	"github.com/daytonaio/runner-android/transport/toolbox/files"
	"github.com/daytonaio/runner-android/transport/toolbox/info"
	"github.com/daytonaio/runner-android/transport/toolbox/ports"
	"github.com/daytonaio/runner-android/transport/toolbox/process"
	"github.com/daytonaio/runner-android/transport/toolbox/pty"
	"github.com/daytonaio/runner-android/transport/toolbox/session"
	"github.com/daytonaio/runner-android/transport/toolbox/unsupported"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// noLinks keeps no links to displays.
type noLinks struct{}

func (noLinks) Links(context.Context, sandbox.ID) ([]links.Link, error)   { return nil, nil }
func (noLinks) SaveLinks(context.Context, sandbox.ID, []links.Link) error { return nil }
func (noLinks) Sandboxes(context.Context) ([]sandbox.ID, error)           { return nil, nil }

// serveAll serves every door, with actors that are always busy.
func serveAll(t *testing.T) (c *transporttest.Client, all []transport.Route) {
	t.Helper()
	registry := prometheus.NewRegistry()
	actors := transporttest.AskerFunc(func(context.Context, any) (any, error) { return nil, fault.Conflictf("asked") })
	c = transporttest.Start(t, transport.Options{Registry: registry}, func(s *transport.Server) {
		s.Mount("", runnerapi.Routes(actors, runnerapi.Options{}))
		s.Mount("", debug.Routes(actors, debug.Options{Registry: registry}))
		s.Mount("", openapi.Routes("v1.2.3"))
		leases := lease.New(actors, nil)
		display := proxy.New(leases, actors, nil, proxy.Options{})
		sharing := display.Share(links.New("secret", noLinks{}), func() string { return "http://runner.example" })
		toolbox.Mount(s, info.Routes(leases, info.Options{}), files.New(leases, nil, nil, files.Options{}).Routes(),
			process.New(leases, nil, process.Options{}).Routes(), session.New(leases, nil, nil, session.Options{}).Routes(),
			pty.New(leases, nil, pty.Options{}).Routes(), unsupported.Routes(),
			display.Routes(), computer.New(leases, nil, computer.Options{}).Routes(), ports.New(leases, nil, ports.Options{}).Routes())
		kit := android.NewKit(leases, nil)
		elements, recorder := ui.New(kit, ui.Options{}), record.New(kit, nil, nil, record.Options{})
		android.Mount(s, apps.New(kit, nil, nil, apps.Options{}).Routes(), elements.Routes(), state.New(kit).Routes(), recorder.Routes(), sharing.Routes(), tunnel.New(actors, leases, nil, tunnel.Options{}).Routes(),
			logs.New(kit, nil, logs.Options{}).Routes())
		toolbox.Mount(s, elements.ToolboxRoutes(), recorder.ComputerRoutes())
		s.Mount("", sharing.OpenRoutes())
		all = s.Routes()
	})
	if len(all) < 30 {
		t.Fatalf("only %d routes", len(all))
	}
	return c, all
}

// Ensure each route of each door is handled, wants the token unless it is open, and is described.
func TestEveryRoute(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	c, all := serveAll(t)
	for _, r := range all {
		name := r.Method + " " + r.Path
		path := strings.NewReplacer("{id}", "dev-1", "{profile:*}", "cmdline", "{port}", "8080", "{name}", "adb", "{path:*}", "x", "{rest:*}", "x", "{report}", "x", "{package}", "com.example.app").Replace(r.Path)
		body := `{"id":"dev-1","snapshot":"s","command":"x","direction":"up","key":"a","keys":"a","selector":{"text":"x"},` +
			`"package":"com.example.app","permissions":["CAMERA"],"url":"https://example.com/a"}`
		if r.Method == "*" {
			r.Method = "POST"
		}
		if strings.Contains(path, "/proxy/6080") { // all but its signalling is GET
			r.Method = "GET"
		}
		for _, spelling := range []string{path, strings.TrimSuffix(path, "/") + "/"} {
			if strings.Contains(r.Path, "pprof") && spelling != path {
				continue // its names end in no slash
			}
			got := c.Do(r.Method, spelling, body)
			if unsupported := got.Status == 501 && strings.Contains(got.Body, "not implemented: "); !unsupported &&
				(got.Status == 404 && strings.Contains(got.Body, "page not found") || got.Status >= 500 || got.Status >= 300 && got.Status < 400) {
				t.Errorf("%s: %d %s", name, got.Status, got.Body)
			}
			got = c.Do(r.Method, spelling, body, "Authorization:")
			if open := got.Status != 401; open != r.Open {
				t.Errorf("%s without the token: %d %s", name, got.Status, got.Body)
			}
		}
		if r.Open != (r.Path == "/" || strings.HasPrefix(r.Path, "/display/")) {
			t.Errorf("%s: open is %t", name, r.Open)
		}
		// The other places where a route is served are described once, for all of them.
		if documented := strings.NewReplacer("{profile:*}", "*", "{path:*}", "*", "{rest:*}", "*", "* /", "ANY /").Replace(once(name)); !strings.Contains(string(docs), "`"+documented+"`") {
			t.Errorf("docs/api.md does not describe `%s`", documented)
		}
	}
}
