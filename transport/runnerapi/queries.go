package runnerapi

import (
	"net/http"
	"slices"

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

// transitions answers with what the sandbox went through, newest first.
func (d *door) transitions(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	all, err := transport.Ask[messages.Transitions](c.Context(), d.actors, messages.GetTransitions{ID: id})
	if err != nil {
		return err
	}
	newestFirst := make([]sandbox.Transition, 0, len(all.Transitions))
	for _, t := range slices.Backward(all.Transitions) {
		t.At = t.At.UTC()
		newestFirst = append(newestFirst, t)
	}
	return c.JSON(http.StatusOK, newestFirst)
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
