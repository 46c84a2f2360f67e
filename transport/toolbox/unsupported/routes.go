// Package unsupported is the part of the toolbox that says no: routes of Daytona's daemon that Android has
// nothing for. They answer 501 with the reason, so that an SDK's user reads why.
//
// What it can say truly it says: there are no interpreter contexts, and languages that the daemon does not know
// are a mistake of the caller.
//
//	toolbox.Mount(srv, unsupported.Routes())
package unsupported

import (
	"net/http"
	"slices"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// The reasons.
const (
	noGit         = "git: Android has no git; clone outside and upload the files"
	noLSP         = "language servers: Android has none"
	noInterpreter = "interpreters: Android has no Python, JavaScript or TypeScript; run shell commands with process/execute"
	noCommands    = "process/commands: commands are known by their session; use process/session/{id}/command/{id}"
	noEnv         = "env: adbd makes the environment of each shell; send envs with each command"
	noMetrics     = "system/metrics: the runner's GET /metrics has the figures of the host"
)

// Routes is the table, to be mounted wherever the toolbox is served.
func Routes() []transport.Route {
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	routes := []transport.Route{
		{Method: http.MethodPost, Path: "/process/code-run", Handler: codeRun},
		{Method: http.MethodGet, Path: "/process/interpreter/context", Handler: contexts},
	}
	for _, r := range []struct {
		methods      []string
		path, reason string
	}{
		{[]string{get}, "/process/commands/{command}", noCommands},
		{[]string{post}, "/process/interpreter/context", noInterpreter},
		{[]string{del}, "/process/interpreter/context/{context}", noInterpreter},
		{[]string{get}, "/process/interpreter/execute", noInterpreter},
		{[]string{get, post, put, del}, "/git/{rest:*}", noGit},
		{[]string{get, post}, "/lsp/{rest:*}", noLSP},
		{[]string{get, post, put, del}, "/env", noEnv},
		{[]string{get}, "/system/metrics", noMetrics},
	} {
		for _, method := range r.methods {
			routes = append(routes, transport.Route{Method: method, Path: r.path, Handler: refuse(r.reason)})
		}
	}
	return routes
}

func refuse(reason string) transport.Handler {
	return func(*transport.Ctx) error { return fault.Unsupportedf("%s", reason) }
}

// codeRun tells a caller's mistake from what Android lacks.
func codeRun(c *transport.Ctx) error {
	var r struct{ Language string }
	if err := c.Decode(&r); err != nil {
		return err
	}
	if r.Language != "" && !slices.Contains([]string{"python", "javascript", "typescript"}, r.Language) {
		return fault.Invalidf("unsupported language: %s", r.Language)
	}
	return fault.Unsupportedf("%s", noInterpreter)
}

func contexts(c *transport.Ctx) error {
	return c.JSON(http.StatusOK, map[string]any{"contexts": []any{}})
}
