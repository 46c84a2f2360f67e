package runnerapi

import (
	"fmt"
	"net/http"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
)

func (d *door) health(c *transport.Ctx) error {
	return c.JSON(http.StatusOK, struct {
		Status  string `json:"status"`
		Version string `json:"version"`
	}{"ok", d.Version})
}

func (d *door) list(c *transport.Ctx) error {
	all, err := transport.Ask[messages.SandboxList](c.Context(), d.actors, messages.ListSandboxes{})
	if err != nil {
		return err
	}
	return c.Append(http.StatusOK, items(all.Sandboxes))
}

func (d *door) get(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	info, err := transport.Ask[sandbox.Info](c.Context(), d.actors, messages.GetSandbox{ID: id})
	if err != nil {
		return err
	}
	return c.Append(http.StatusOK, (*details)(&info))
}

// adbInfo answers {host, port, serial, tunnelCommand}.
func (d *door) adbInfo(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	info, err := transport.Ask[sandbox.Info](c.Context(), d.actors, messages.GetSandbox{ID: id})
	switch {
	case err != nil:
		return err
	case info.State == sandbox.Destroyed:
		return fault.NotFoundf("sandbox %s does not exist on this runner", id)
	case info.ADBPort == 0:
		return fault.Conflictf("sandbox %s is %s and holds no ADB port: is the sandbox started?", id, info.State)
	}
	host := d.Host
	if host == "" {
		host = c.LocalIP().String()
	}
	return c.JSON(http.StatusOK, struct {
		Host          string `json:"host"`
		Port          int    `json:"port"`
		Serial        string `json:"serial"`
		TunnelCommand string `json:"tunnelCommand"`
	}{host, info.ADBPort, info.ADBSerial, d.tunnel(host, info.ADBPort)})
}

// tunnel is a command line for people: the device's port on their own machine, then adb.
func (d *door) tunnel(host string, port int) string {
	target := d.SSHTarget
	if target == "" {
		target = "user@" + host
	}
	return fmt.Sprintf("ssh -f -N -o ExitOnForwardFailure=yes -L %[1]d:127.0.0.1:%[1]d %[2]s && adb connect 127.0.0.1:%[1]d",
		port, target)
}

// info answers with the host's figures and the runner's standing with Daytona.
func (d *door) info(c *transport.Ctx) error {
	if d.HostInfo == nil {
		return c.JSON(http.StatusOK, wire.RunnerInfoDTO{AppVersion: d.Version})
	}
	ctx, cancel := c.Within(d.Waits.Info, "measure the host")
	defer cancel()
	info, err := d.HostInfo.Info(ctx)
	if err != nil {
		// Daytona's runner answers 500 here, whatever the cause.
		return fault.Wrap(fault.Internal, "measure the host", err)
	}
	return c.JSON(http.StatusOK, info)
}
