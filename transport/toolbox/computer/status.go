package computer

import (
	"context"
	"net/http"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
)

// processDTO is one of the helpers in the answers to start and stop, with Daytona's capital letters.
type processDTO struct {
	Running     bool
	Priority    int
	AutoRestart bool
	Pid         *int
}

// health is which of the two ways to the screen are open.
func (d *Door) health(held lease.Lease) (adb, display bool, err error) {
	_, err = d.query(held, "true")
	display = d.Display != nil && d.Display(held)
	return err == nil, display, err
}

func (d *Door) status(c *transport.Ctx) error {
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	adb, display, err := d.health(held)
	status := "inactive"
	switch {
	case adb && display:
		status = "active"
	case adb || display:
		status = "partial"
	case context.Cause(held.Context) != nil:
		return err
	case !fault.Is(err, fault.Unavailable):
		status = "error"
	}
	return c.JSON(http.StatusOK, map[string]string{"status": status})
}

func (d *Door) start(c *transport.Ctx) error {
	return d.processes(c, "Computer use processes started successfully")
}

// stop has nothing to stop: the ways to the screen are the device's own.
func (d *Door) stop(c *transport.Ctx) error {
	return d.processes(c, "Computer use processes stopped successfully")
}

func (d *Door) processes(c *transport.Ctx, message string) error {
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	adb, display, err := d.health(held)
	if err != nil && context.Cause(held.Context) != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"message": message, "status": map[string]processDTO{
		"adb":    {Running: adb, Priority: 100, AutoRestart: true},
		"webrtc": {Running: display, Priority: 200, AutoRestart: true},
	}})
}

func (d *Door) processStatus(c *transport.Ctx) error {
	name, err := c.Param("name")
	if err != nil {
		return err
	}
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	running := false
	if name == "adb" || name == "webrtc" {
		adb, display, err := d.health(held)
		if err != nil && context.Cause(held.Context) != nil {
			return err
		}
		running = name == "adb" && adb || name == "webrtc" && display
	}
	return c.JSON(http.StatusOK, map[string]any{"processName": name, "running": running})
}

// noProcess refuses what needs a process of ours.
func (d *Door) noProcess(what string) transport.Handler {
	return func(c *transport.Ctx) error {
		name, err := c.Param("name")
		if err != nil {
			return err
		}
		if _, err := d.leases.Take(c); err != nil {
			return err
		}
		return transport.Plainf("process %q cannot be %s: an Android device has no such process of its own", name, what)
	}
}
