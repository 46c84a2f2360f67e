package debug

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
	"github.com/valyala/fasthttp/pprofhandler"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
)

// Options are what the door needs beside the actors.
type Options struct {
	// Registry is what GET /metrics shows. Required.
	Registry *prometheus.Registry
	// Now is the clock that ages are taken with; nil means time.Now.
	Now func() time.Time
}

// maxProfile bounds a profile or trace: as long as it is taken, it costs.
const maxProfile = 5 * time.Minute

// door has the handlers. It is never modified.
type door struct {
	actors  transport.Asker
	now     func() time.Time
	metrics fasthttp.RequestHandler
}

// Routes is the door's table, to be mounted at the root.
func Routes(actors transport.Asker, o Options) []transport.Route {
	d := &door{
		actors: actors, now: o.Now,
		metrics: fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{})),
	}
	if d.now == nil {
		d.now = time.Now
	}
	return []transport.Route{
		{Method: http.MethodGet, Path: "/metrics", Handler: d.showMetrics},
		{Method: http.MethodGet, Path: "/debug/actors", Handler: d.showActors},
		{Method: http.MethodGet, Path: "/debug/pprof/{profile:*}", Handler: showProfile, Slow: true},
	}
}

func (d *door) showMetrics(c *transport.Ctx) error {
	d.metrics(c.Fasthttp())
	return nil
}

func (d *door) showActors(c *transport.Ctx) error {
	root, err := transport.Ask[messages.Node](c.Context(), d.actors, messages.Describe{})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, nodeOf(root, d.now()))
}

func showProfile(c *transport.Ctx) error {
	rc := c.Fasthttp()
	if seconds := string(rc.QueryArgs().Peek("seconds")); seconds != "" {
		if n, err := strconv.ParseFloat(seconds, 64); err != nil || n < 0 || n > maxProfile.Seconds() {
			return fault.Invalidf("seconds is %q: it must be a number from 0 to %.0f", seconds, maxProfile.Seconds())
		}
	}
	if string(rc.Path()) == "/debug/pprof" { // the handler knows its index by the slash
		rc.URI().SetPath("/debug/pprof/")
	}
	pprofhandler.PprofHandler(rc)
	return nil
}
