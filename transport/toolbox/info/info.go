// Package info is the part of the toolbox that tells about itself: its version and its directories.
//
// Its routes use nothing of the device, but they want one that is started, as the daemon in an ordinary sandbox
// would not answer either.
//
//	toolbox.Mount(srv, info.Routes(leases, info.Options{Version: version}))
package info

import (
	"encoding/json"
	"net/http"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
)

// Options are what is told.
type Options struct {
	Version string // of the runner
	Dir     string // where relative paths begin; /sdcard when empty
}

// Routes is the door's table, to be mounted wherever the toolbox is served.
func Routes(leases *lease.Leases, o Options) []transport.Route {
	if o.Dir == "" {
		o.Dir = "/sdcard"
	}
	routes := []transport.Route{
		{Method: http.MethodGet, Path: "/version", Handler: tell(leases, map[string]string{"version": o.Version})},
		{Method: http.MethodPost, Path: "/init", Handler: initialize(leases)},
	}
	// Android has no home directories. "workspace" is of clients older than Daytona's present daemon.
	for _, path := range []string{"/work-dir", "/user-home-dir", "/project-dir", "/workspace"} {
		routes = append(routes, transport.Route{
			Method: http.MethodGet, Path: path, Handler: tell(leases, map[string]string{"dir": o.Dir}),
		})
	}
	return routes
}

func tell(leases *lease.Leases, what map[string]string) transport.Handler {
	return func(c *transport.Ctx) error {
		if _, err := leases.Take(c); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, what)
	}
}

// initialize takes the token that Daytona's runner gives a daemon for its telemetry. Here is no daemon: it is
// not kept.
func initialize(leases *lease.Leases) transport.Handler {
	return func(c *transport.Ctx) error {
		if _, err := leases.Take(c); err != nil {
			return err
		}
		var request struct {
			Token json.RawMessage `json:"token"`
		}
		if err := c.Decode(&request); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, map[string]string{"message": "Auth token set and telemetry initialized successfully"})
	}
}
