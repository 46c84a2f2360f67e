package runnerapi

import (
	"context"
	"net/http"
	"time"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/transport"
)

// Options are what the door needs beside the actors.
type Options struct {
	// Version is the program's own.
	Version string
	// HostInfo measures the host for /info; nil leaves the figures out.
	HostInfo HostInfo
	// Waits are how long requests wait for the device.
	Waits Waits
}

// Waits are how long requests wait for the device before they answer Timeout. What was begun
// goes on; asking again waits for the same. Zero fields mean the default.
type Waits struct {
	Create  time.Duration // 14 min 30 s: Daytona gives up after 15 min
	Start   time.Duration // 4 min 30 s: Daytona gives up after 5 min
	Stop    time.Duration // 2 min
	Destroy time.Duration // 2 min
	Inspect time.Duration // 5 min: the first time, the whole image is read
	Info    time.Duration // 30 s

	Snapshot time.Duration // 110 min
}

func (w Waits) orDefault() Waits {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&w.Create, 14*time.Minute+30*time.Second)
	set(&w.Start, 4*time.Minute+30*time.Second)
	set(&w.Stop, 2*time.Minute)
	set(&w.Destroy, 2*time.Minute)
	set(&w.Inspect, 5*time.Minute)
	set(&w.Info, 30*time.Second)
	set(&w.Snapshot, 110*time.Minute)
	return w
}

// HostInfo says how the runner is. It is asked by several requests at a time.
type HostInfo interface {
	Info(ctx context.Context) (wire.RunnerInfoDTO, error)
}

// door has the handlers. It is never modified.
type door struct {
	actors transport.Asker
	Options
}

// Routes is the door's table, to be mounted at the root.
func Routes(actors transport.Asker, o Options) []transport.Route {
	o.Waits = o.Waits.orDefault()
	d := &door{actors: actors, Options: o}
	return []transport.Route{
		{Method: http.MethodGet, Path: "/", Handler: d.health, Open: true},
		{Method: http.MethodGet, Path: "/info", Handler: d.info, Slow: true},
		{Method: http.MethodGet, Path: "/sandboxes", Handler: d.list},
		{Method: http.MethodPost, Path: "/sandboxes", Handler: d.create, Slow: true},
		{Method: http.MethodGet, Path: "/sandboxes/{id}", Handler: d.get},
		{Method: http.MethodGet, Path: "/sandboxes/{id}/transitions", Handler: d.transitions},
		{Method: http.MethodDelete, Path: "/sandboxes/{id}", Handler: d.forget},
		{Method: http.MethodPost, Path: "/sandboxes/{id}/start", Handler: d.start, Slow: true},
		{Method: http.MethodPost, Path: "/sandboxes/{id}/stop", Handler: d.stop, Slow: true},
		{Method: http.MethodPost, Path: "/sandboxes/{id}/destroy", Handler: d.destroy, Slow: true},
		{Method: http.MethodPost, Path: "/sandboxes/{id}/recover", Handler: d.restore, Slow: true},
		{Method: http.MethodPost, Path: "/sandboxes/{id}/is-recoverable", Handler: d.isRecoverable},
		{Method: http.MethodPost, Path: "/sandboxes/{id}/resize", Handler: d.resize},
		{Method: http.MethodPost, Path: "/sandboxes/{id}/network-settings", Handler: d.network},
		{Method: http.MethodPost, Path: "/sandboxes/{id}/backup", Handler: d.backup},
		{Method: http.MethodPost, Path: "/sandboxes/{id}/snapshot-from-sandbox", Handler: d.snapshotFromSandbox},
		{Method: http.MethodPost, Path: "/snapshots/pull", Handler: d.pull},
		{Method: http.MethodPost, Path: "/snapshots/build", Handler: d.build},
		{Method: http.MethodPost, Path: "/snapshots/tag", Handler: d.tag, Slow: true},
		{Method: http.MethodPost, Path: "/snapshots/inspect", Handler: d.inspect, Slow: true},
		{Method: http.MethodPost, Path: "/snapshots/remove", Handler: d.remove},
		{Method: http.MethodGet, Path: "/snapshots/exists", Handler: d.exists},
		{Method: http.MethodGet, Path: "/snapshots/info", Handler: d.snapshotInfo, Slow: true},
		{Method: http.MethodGet, Path: "/snapshots/progress", Handler: d.progressByQuery},
		{Method: http.MethodGet, Path: "/snapshots/{org}/{name}/progress", Handler: d.progress},
		{Method: http.MethodGet, Path: "/snapshots/logs", Handler: d.buildLogs},
	}
}
