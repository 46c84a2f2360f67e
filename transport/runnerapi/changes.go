package runnerapi

import (
	"net/http"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
)

// restore is POST …/recover: the device is restarted, unless it is as it should be.
func (d *door) restore(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	var dto wire.RecoverSandboxDTO
	if err := c.Decode(&dto); err != nil {
		return err
	}
	ctx, cancel := c.Within(d.Waits.Stop+d.Waits.Start, "recover sandbox "+string(id))
	defer cancel()
	if _, err := transport.Ask[sandbox.Info](ctx, d.actors, messages.RecoverSandbox{ID: id, SkipStart: dto.SkipStart}); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.SandboxRecovered)
}

// isRecoverable judges a text; the sandbox is not looked at.
func (d *door) isRecoverable(c *transport.Ctx) error {
	if _, err := c.SandboxID(); err != nil {
		return err
	}
	var dto wire.IsRecoverableDTO
	if err := c.Decode(&dto); err != nil {
		return err
	}
	if dto.ErrorReason == nil {
		return transport.InvalidBodyf("errorReason is required")
	}
	return c.JSON(http.StatusOK, wire.RecoverableDTO{Recoverable: wire.Recoverable(*dto.ErrorReason)})
}

func (d *door) resize(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	var dto wire.ResizeSandboxDTO
	if err := c.Decode(&dto); err != nil {
		return err
	}
	want, err := dto.Resources()
	if err != nil {
		return transport.InvalidBody(err)
	}
	if _, err := transport.Ask[sandbox.Info](c.Context(), d.actors, messages.ResizeSandbox{ID: id, Resources: want}); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.SandboxResized)
}

func (d *door) network(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	var dto wire.UpdateNetworkSettingsDTO
	if err := c.Decode(&dto); err != nil {
		return err
	}
	_, err = transport.Ask[sandbox.Info](c.Context(), d.actors, messages.UpdateNetworkSettings{ID: id, Change: dto.Change()})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.NetworkUpdated)
}

// backup begins and does not wait; GET /sandboxes/{id} tells how it ends.
func (d *door) backup(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	var dto wire.CreateBackupDTO
	if err := c.Decode(&dto); err != nil {
		return err
	}
	if err := dto.Check(); err != nil {
		return transport.InvalidBody(err)
	}
	if _, err := transport.Ask[messages.Done](c.Context(), d.actors, messages.BeginBackUp{ID: id, Ref: dto.Snapshot}); err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, wire.BackupStarted)
}

// snapshotFromSandbox answers when the sandbox is saved, which may take minutes.
func (d *door) snapshotFromSandbox(c *transport.Ctx) error {
	id, err := c.SandboxID()
	if err != nil {
		return err
	}
	var dto wire.SnapshotFromSandboxDTO
	if err := c.Decode(&dto); err != nil {
		return err
	}
	name, err := dto.SnapshotName()
	if err != nil {
		return transport.InvalidBody(err)
	}
	ctx, cancel := c.Within(d.Waits.Snapshot, "take snapshot "+name)
	defer cancel()
	image, err := transport.Ask[sandbox.Image](ctx, d.actors, messages.TakeSnapshot{ID: id, Name: name, Halt: dto.Stop})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.SnapshotInfo(image))
}
