package record

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

const (
	// useTime bounds one use of the device, but for downloads.
	useTime = 45 * time.Second
	// transferTime bounds a download.
	transferTime = 30 * time.Minute
)

// Devices finds devices by serial. It is safe for concurrent use.
type Devices interface {
	Get(serial string) (guestfiles.Device, error)
}

// Options bound what devices keep. Zero fields mean the default.
type Options struct {
	Keep int // recordings in each device; the oldest go; 10
}

// Door has the handlers. It is safe for concurrent use.
type Door struct {
	kit     *android.Kit
	devices Devices
	shell   guestshell.Shell
	keep    int

	mu    sync.Mutex
	turns map[string]chan struct{} // by serial, of which a host has few: who begins, ends or removes
}

// New makes the door. devices and shell reach the same devices as the kit.
func New(kit *android.Kit, devices Devices, shell guestshell.Shell, o Options) *Door {
	if o.Keep == 0 {
		o.Keep = 10
	}
	return &Door{kit: kit, devices: devices, shell: shell, keep: o.Keep, turns: map[string]chan struct{}{}}
}

// Routes is the table of Android's routes, for [android.Mount].
func (d *Door) Routes() []transport.Route {
	route := func(method, path string, h transport.Handler) transport.Route {
		return transport.Route{Method: method, Path: "/android/record" + path, Handler: h, Slow: true}
	}
	return []transport.Route{
		route(http.MethodPost, "/start", d.start), route(http.MethodPost, "/stop", d.stop),
		route(http.MethodGet, "", d.list), route(http.MethodGet, "/{recording}", d.get),
		route(http.MethodGet, "/{recording}/download", d.download), route(http.MethodDelete, "/{recording}", d.remove),
	}
}

// ComputerRoutes is the table in Daytona's words, for toolbox.Mount.
func (d *Door) ComputerRoutes() []transport.Route {
	route := func(method, path string, h transport.Handler) transport.Route {
		return transport.Route{Method: method, Path: "/computeruse/recordings" + path, Handler: asDaemon(h), Slow: true}
	}
	return []transport.Route{
		route(http.MethodPost, "/start", d.computerStart), route(http.MethodPost, "/stop", d.computerStop),
		route(http.MethodGet, "", d.computerList), route(http.MethodGet, "/{recording}", d.computerGet),
		route(http.MethodGet, "/{recording}/download", d.download), route(http.MethodDelete, "/{recording}", d.remove),
	}
}

// with lends the device of a request to use.
func (d *Door) with(c *transport.Ctx, use func(u *android.Use) error) error {
	u, err := d.kit.Take(c, useTime)
	if err != nil {
		return err
	}
	defer u.End()
	return use(u)
}

// alone is with for those who change something: one at a time for each device.
func (d *Door) alone(c *transport.Ctx, use func(u *android.Use) error) error {
	return d.with(c, func(u *android.Use) error {
		turn := d.turn(u.Serial)
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
			return use(u)
		case <-u.Context.Done():
			return context.Cause(u.Context)
		}
	})
}

func (d *Door) turn(serial string) chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	turn := d.turns[serial]
	if turn == nil {
		turn = make(chan struct{}, 1)
		d.turns[serial] = turn
	}
	return turn
}
