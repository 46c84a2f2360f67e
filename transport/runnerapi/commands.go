package runnerapi

import (
	"net/http"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
)

func (d *door) create(c *transport.Ctx) error {
	var dto wire.CreateSandboxDTO
	if err := c.Decode(&dto); err != nil {
		return err
	}
	id, spec, err := dto.Spec()
	if err != nil {
		return transport.InvalidBody(err)
	}
	ctx, cancel := c.Within(d.Waits.Create, "create sandbox "+string(id))
	defer cancel()
	info, err := transport.Ask[sandbox.Info](ctx, d.actors, messages.CreateSandbox{ID: id, Spec: spec})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, wire.BegunDTO{Recreated: info.Recreated})
}

// start takes metadata; an empty object has none to say and leaves what is stored.
func (d *door) start(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	var metadata wire.Texts
	if err := c.Decode(&metadata); err != nil {
		return err
	}
	ctx, cancel := c.Within(d.Waits.Start, "start sandbox "+string(id))
	defer cancel()
	info, err := transport.Ask[sandbox.Info](ctx, d.actors, messages.StartSandbox{ID: id, Metadata: metadata.OrNil()})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.BegunDTO{Recreated: info.Recreated})
}

// stop has an optional body; a bad one counts as none, as with Daytona's runner.
func (d *door) stop(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	var dto wire.StopSandboxDTO
	if transport.DecodeJSON(c.Body(), &dto) != nil {
		dto = wire.StopSandboxDTO{}
	}
	ctx, cancel := c.Within(d.Waits.Stop, "stop sandbox "+string(id))
	defer cancel()
	if _, err := transport.Ask[sandbox.Info](ctx, d.actors, messages.StopSandbox{ID: id, Force: dto.Force}); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.SandboxStopped)
}

func (d *door) destroy(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	ctx, cancel := c.Within(d.Waits.Destroy, "destroy sandbox "+string(id))
	defer cancel()
	if _, err := transport.Ask[messages.Done](ctx, d.actors, messages.DestroySandbox{ID: id}); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.SandboxDestroyed)
}

func (d *door) forget(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	if _, err := transport.Ask[messages.Done](c.Context(), d.actors, messages.ForgetSandbox{ID: id}); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.SandboxRemoved)
}
