package tunnel

import (
	"context"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
)

// Devices is what the door needs of devices. It is safe for concurrent use.
type Devices interface {
	// DialADB opens a connection of its own to the adbd of the device with this serial, on which nothing has
	// been said yet.
	DialADB(ctx context.Context, serial string) (net.Conn, error)
	// Dial opens a service of the device: "tcp:8080" is a port of the guest. A service that refuses is an
	// error that wraps adb.ErrRefused.
	Dial(ctx context.Context, serial, service string) (net.Conn, error)
}

// Options are what the door needs beside devices. Zero fields mean the default.
type Options struct {
	// Host is the name or address that others reach this runner by, for adb/info. Empty: the address that the
	// client of the request reached.
	Host    string
	Dial    time.Duration // for the device to take a connection; 10 s
	Tunnels int           // open at a time for one sandbox; 256
	Log     *zap.Logger   // nil: silent
}

// Door has the handlers. It is safe for concurrent use.
type Door struct {
	actors  transport.Asker
	leases  *lease.Leases
	devices Devices
	Options

	open lease.Places
}

// New makes the door.
func New(actors transport.Asker, leases *lease.Leases, devices Devices, o Options) *Door {
	if o.Dial == 0 {
		o.Dial = 10 * time.Second
	}
	if o.Tunnels == 0 {
		o.Tunnels = 256
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("transport.tunnel")
	return &Door{actors: actors, leases: leases, devices: devices, Options: o}
}

// Routes is the door's table, to be mounted with [android.Mount].
func (d *Door) Routes() []transport.Route {
	return []transport.Route{
		{Method: http.MethodGet, Path: "/adb/info", Handler: d.info},
		{Method: http.MethodGet, Path: "/adb/tunnel", Handler: d.adb, Slow: true},
		{Method: http.MethodGet, Path: "/tcp/{port}", Handler: d.tcp, Slow: true},
	}
}
