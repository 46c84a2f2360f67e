package states

import (
	"context"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/daytona"
	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
)

// API is Daytona's API as the door uses it; *daytona.Client is one.
type API interface {
	Sandboxes(ctx context.Context, states ...string) ([]wire.SandboxDTO, error)
	SetState(ctx context.Context, id string, s wire.SandboxStateDTO) error
}

var _ API = (*daytona.Client)(nil)

// Options are what the door needs beside the API.
type Options struct {
	Token string      // of the runner, to be kept out of reports
	Log   *zap.Logger // nil: silent
}

// Door translates between the API and the actors. It is safe for concurrent use.
type Door struct {
	api      API
	redactor transport.Redactor
	log      *zap.Logger
}

// New makes a door.
func New(api API, o Options) *Door {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return &Door{api: api, redactor: transport.NewRedactor(o.Token), log: o.Log}
}

// Beliefs returns the sandboxes of this runner that the API takes for started or stopped, and does not
// change at the moment: of others it takes no reports. What it says beside that is left out.
func (d *Door) Beliefs(ctx context.Context) (map[sandbox.ID]sandbox.State, error) {
	listed, err := d.api.Sandboxes(ctx, string(sandbox.Started), string(sandbox.Stopped))
	if err != nil {
		return nil, err
	}
	beliefs := make(map[sandbox.ID]sandbox.State, len(listed))
	for _, dto := range listed {
		id, err := sandbox.ParseID(dto.ID)
		state := sandbox.State(dto.State)
		if err != nil || state != sandbox.Started && state != sandbox.Stopped {
			continue
		}
		beliefs[id] = state
	}
	return beliefs, nil
}

// Report tells the API what a sandbox is. taken is false when the API will not have it: it does not
// know the sandbox, or is changing it itself. An error may pass, unless it is Internal.
func (d *Door) Report(ctx context.Context, r messages.StateReport) (taken bool, err error) {
	dto := wire.SandboxStateDTO{State: string(r.State), ErrorReason: d.redactor.Clean(r.Reason)}
	switch r.State {
	case sandbox.Started, sandbox.Stopped:
	case sandbox.Error:
		dto.Recoverable = &r.Recoverable
	case sandbox.Unknown, sandbox.Creating, sandbox.Restoring, sandbox.PullingSnapshot, sandbox.Starting, sandbox.Stopping,
		sandbox.Resizing, sandbox.Destroying, sandbox.Destroyed:
		return false, fault.Internalf("%s is not reported: it passes, or says nothing", r.State)
	}
	err = d.api.SetState(ctx, string(r.ID), dto)
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		d.log.Info("state not taken: Daytona's own view stands",
			zap.String(obs.SandboxID, string(r.ID)), zap.String(obs.State, dto.State), zap.Error(err))
		return false, nil
	}
	return err == nil, err
}
