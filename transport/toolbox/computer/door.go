package computer

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/turn"
)

// Guest is what the door needs of devices. It is safe for concurrent use.
type Guest interface {
	guestshell.Shell
	// Output runs a command as "sh -c" would and gives what it prints, as bytes, until it ends or ctx
	// does. The caller closes it.
	Output(ctx context.Context, serial, command string) (io.ReadCloser, error)
}

// Options bound what callers can ask for. Zero fields mean the default.
type Options struct {
	Screens int           // pictures made at a time; each may hold twice screen.MaxPixels words; 4
	Settle  time.Duration // between an act and its answer, for the device to show it; 0: none
	// Turns are shared with whatever else uses the screens of the same devices; nil: of its own.
	Turns *turn.Turns
	// Display says whether a leased sandbox's screen can be watched from a browser; nil: never.
	Display func(held lease.Lease) bool
}

// Door has the handlers. It is safe for concurrent use.
type Door struct {
	leases *lease.Leases
	guest  Guest
	Options
	commands guestcommand.Commander
	slots    chan struct{} // one for each picture in the making

	mu      sync.Mutex
	devices map[context.Context]*device // by the context of their lease
}

// New makes the door.
func New(leases *lease.Leases, guest Guest, o Options) *Door {
	if o.Screens == 0 {
		o.Screens = 4
	}
	if o.Turns == nil {
		o.Turns = turn.New()
	}
	return &Door{
		leases: leases, guest: guest, Options: o, commands: guestcommand.Commander{Shell: guest}, slots: make(chan struct{}, o.Screens),
		devices: map[context.Context]*device{},
	}
}

// Routes is the door's table, to be mounted wherever the toolbox is served.
func (d *Door) Routes() []transport.Route {
	get := func(path string, h transport.Handler) transport.Route {
		return transport.Route{Method: http.MethodGet, Path: "/computeruse" + path, Handler: h, Slow: true}
	}
	post := func(path string, h transport.Handler) transport.Route {
		return transport.Route{Method: http.MethodPost, Path: "/computeruse" + path, Handler: h, Slow: true}
	}
	return []transport.Route{
		get("/status", d.status), get("/process-status", d.status), post("/start", d.start), post("/stop", d.stop),
		get("/process/{name}/status", d.processStatus), post("/process/{name}/restart", d.noProcess("restarted")),
		get("/process/{name}/logs", d.noProcess("asked for logs")), get("/process/{name}/errors", d.noProcess("asked for errors")),

		get("/screenshot", d.shot(kind{})), post("/screenshot", d.shot(kind{})),
		get("/screenshot/region", d.shot(kind{region: true})),
		get("/screenshot/compressed", d.shot(kind{compressed: true})),
		get("/screenshot/region/compressed", d.shot(kind{region: true, compressed: true})),

		get("/mouse/position", d.position), post("/mouse/move", d.move), post("/mouse/click", d.click),
		post("/mouse/drag", d.drag), post("/mouse/scroll", d.scroll),
		post("/keyboard/type", d.typeText), post("/keyboard/key", d.press), post("/keyboard/hotkey", d.hotkey),
		get("/display/info", d.displays), get("/display/windows", d.windows),
	}
}

// decode reads a body; what cannot be read is refused with complaint, as by the daemon.
func decode(c *transport.Ctx, into any, complaint string) error {
	if transport.DecodeJSON(c.Body(), into) != nil {
		return transport.Plainf("%s", complaint)
	}
	return nil
}

// take leases the device.
func (d *Door) take(c *transport.Ctx) (lease.Lease, *device, error) {
	held, err := d.leases.Take(c)
	if err != nil {
		return lease.Lease{}, nil, err
	}
	return held, d.device(held.Context), nil
}
