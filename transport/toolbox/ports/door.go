package ports

import (
	"context"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Guest is what the door needs of devices. It is safe for concurrent use.
type Guest interface {
	guestshell.Shell
	// Dial opens a service of the device with this serial: "tcp:8080" is a port of the guest. A
	// service that refuses is an error that wraps adb.ErrRefused.
	Dial(ctx context.Context, serial, service string) (net.Conn, error)
}

// Options bound what callers can ask for. Zero fields mean the default.
type Options struct {
	Dial    time.Duration // for a port to take a connection; 10 s
	Answer  time.Duration // from a request's end to the beginning of its answer; 10 min
	Tunnels int           // open at a time for one sandbox; 2,048
	Log     *zap.Logger   // nil: silent
}

// Door has the handlers. It is safe for concurrent use.
type Door struct {
	leases *lease.Leases
	guest  Guest
	Options

	plain, uploads *http.Transport
	tunnels        lease.Places
}

// New makes the door.
func New(leases *lease.Leases, guest Guest, o Options) *Door {
	if o.Dial == 0 {
		o.Dial = 10 * time.Second
	}
	if o.Answer == 0 {
		o.Answer = 10 * time.Minute
	}
	if o.Tunnels == 0 {
		o.Tunnels = 2048
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("transport.ports")
	d := &Door{leases: leases, guest: guest, Options: o}
	d.plain, d.uploads = d.newTransport(4<<10), d.newTransport(64<<10)
	return d
}

// Routes is the door's table, to be mounted wherever the toolbox is served.
func (d *Door) Routes() []transport.Route {
	proxy := transport.Route{Method: anyMethod, Handler: d.proxy, Streams: true, BodyLimit: unlimited, Slow: true}
	root, rest := proxy, proxy
	root.Path, rest.Path = "/proxy/{port}", "/proxy/{port}/{path:*}"
	return []transport.Route{
		{Method: http.MethodGet, Path: "/port", Handler: d.list, Slow: true},
		{Method: http.MethodGet, Path: "/port/{port}/in-use", Handler: d.inUse, Slow: true},
		root, rest,
	}
}
