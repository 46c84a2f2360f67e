package openapi_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
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
		toolbox.Mount(s, info.Routes(leases, info.Options{}), files.New(leases, nil, nil, files.Options{}).Routes(),
			process.New(leases, nil, process.Options{}).Routes(), session.New(leases, nil, nil, session.Options{}).Routes(),
			pty.New(leases, nil, pty.Options{}).Routes(), unsupported.Routes(),
			computer.New(leases, nil, computer.Options{}).Routes(), ports.New(leases, nil, ports.Options{}).Routes())
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
		path := strings.NewReplacer("{id}", "dev-1", "{profile:*}", "cmdline", "{port}", "8080", "{name}", "adb", "{path:*}", "x", "{rest:*}", "x").Replace(r.Path)
		body := `{"id":"dev-1","snapshot":"s","command":"x","direction":"up","key":"a","keys":"a"}`
		if r.Method == "*" {
			r.Method = "POST"
		}
		for _, spelling := range []string{path, strings.TrimSuffix(path, "/") + "/"} {
			if strings.Contains(r.Path, "pprof") && spelling != path {
				continue // its names end in no slash
			}
			got := c.Do(r.Method, spelling, body)
			if unsupported := got.Status == 501 && strings.Contains(got.Body, "not implemented: "); !unsupported &&
				(got.Status == 404 || got.Status >= 500 || got.Status >= 300 && got.Status < 400) {
				t.Errorf("%s: %d %s", name, got.Status, got.Body)
			}
			got = c.Do(r.Method, spelling, body, "Authorization:")
			if open := got.Status == 200; open != r.Open || !open && got.Status != 401 {
				t.Errorf("%s without the token: %d %s", name, got.Status, got.Body)
			}
		}
		if r.Open != (r.Path == "/") {
			t.Errorf("%s: open is %t", name, r.Open)
		}
		// The second place where the toolbox is served is described once, for all its routes.
		if documented := strings.NewReplacer("{profile:*}", "*", "{path:*}", "*", "{rest:*}", "*", "* /", "ANY /", "/toolbox/proxy/2280/", "/toolbox/").Replace(name); !strings.Contains(string(docs), "`"+documented+"`") {
			t.Errorf("docs/api.md does not describe `%s`", documented)
		}
	}
}
