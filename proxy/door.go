package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/operator"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
)

// Options bound what viewers can ask for. Zero fields mean the default.
type Options struct {
	// ICEServers is the JSON list of ICE servers for browser and device; empty: those of the operator.
	ICEServers json.RawMessage
	// Wrap serves the operator's own connector with two names replaced, instead of ours, which reconnects.
	Wrap bool
	// Frames serves the screen to browsers that have no way to the device; nil: nobody does.
	Frames Frames
	File   time.Duration // for one file of the page, from first to last byte; 30 s
	// Sockets are the signalling sockets of one sandbox that may be open at a time: each viewer is an encoder on the
	// device; 64.
	Sockets int
	Look    time.Duration // for one look at how a display is; 5 s
	Log     *zap.Logger   // nil: silent
}

// Door has the handlers. It is safe for concurrent use.
type Door struct {
	leases   *lease.Leases
	actors   transport.Asker
	operator *operator.Client
	displays *lease.Kept[*display]
	sockets  lease.Places
	Options
}

// New makes the door.
func New(leases *lease.Leases, actors transport.Asker, o *operator.Client, options Options) *Door {
	if options.File == 0 {
		options.File = 30 * time.Second
	}
	if options.Sockets == 0 {
		options.Sockets = 64
	}
	if options.Look == 0 {
		options.Look = 5 * time.Second
	}
	if options.Log == nil {
		options.Log = zap.NewNop()
	}
	options.Log = options.Log.Named("proxy")
	d := &Door{leases: leases, actors: actors, operator: o, Options: options}
	d.displays = lease.Keep(newDisplay, func(*display, error) {})
	return d
}

// Routes is the door's table, to be mounted wherever the toolbox is served.
func (d *Door) Routes() []transport.Route {
	serve := func(c *transport.Ctx) error {
		id, err := c.SandboxID()
		if err != nil {
			return err
		}
		return d.Serve(context.Background(), c, id)
	}
	route := transport.Route{Method: "*", Handler: serve, Slow: true}
	root, rest := route, route
	root.Path, rest.Path = "/proxy/6080", "/proxy/6080/{path:*}"
	return []transport.Route{root, rest}
}

// use is one request's use of a display: on a lease, and for as long as the right to it holds.
type use struct {
	lease.Lease
	until context.Context
}

// isGuest reports whether the right is one that ends: that of a link.
func isGuest(until context.Context) bool { return until.Done() != nil }

// allowed are the methods of what is served.
var allowed = map[kind]string{
	page: "GET", file: "GET", connector: "GET", original: "GET", infra: "GET", signalling: "GET", polledOpen: "POST",
	polledSend: "POST", polledRead: "GET", status: "GET", frames: "GET", asset: "GET",
}

// Serve answers a request about the display of a sandbox, whose sockets end with until; the rest of its path is the
// route's "{path:*}".
func (d *Door) Serve(until context.Context, c *transport.Ctx, id sandbox.ID) error {
	rc := c.Fasthttp()
	raw, _ := rc.UserValue("path").(string)
	t := targetOf(raw)
	if method := string(rc.Method()); t.kind == closed || method != allowed[t.kind] && (method != http.MethodHead || allowed[t.kind] != http.MethodGet) {
		return transport.NotFound(c)
	}
	switch t.kind {
	case asset:
		return d.asset(c, t.name)
	case status:
		return d.tellStatus(c, id, isGuest(until))
	case signalling, frames, polledOpen, polledSend, polledRead:
		if err := checkOrigin(c); err != nil {
			return err
		}
	default:
	}
	held, err := d.leases.For(c, id)
	if err != nil {
		if t.kind == page {
			return d.waiting(c, id, isGuest(until), err)
		}
		return err
	}
	return d.serve(c, use{held, until}, t)
}

// serve answers what needs the device.
func (d *Door) serve(c *transport.Ctx, held use, t target) error {
	shown := d.displays.Of(held.Lease)
	switch t.kind {
	case page:
		return d.page(c, held, shown)
	case connector:
		return d.connector(c, held, shown)
	case original:
		return d.file(c, held, shown, "js/server_connector.js")
	case file:
		return d.file(c, held, shown, t.name)
	case infra:
		return d.infra(c, held)
	case signalling:
		return d.signalling(c, held, shown, t.name)
	case polledOpen:
		return d.openPolled(c, held, shown)
	case polledSend:
		return d.sendPolled(c, held, shown, t.conn)
	case polledRead:
		return d.readPolled(c, held, shown, t.conn)
	case frames:
		return d.frames(c, held)
	default:
		return transport.NotFound(c)
	}
}
