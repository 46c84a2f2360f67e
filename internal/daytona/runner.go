package daytona

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
)

// Healthcheck says how the runner is. A runner that says nothing for a minute gets no new work. It
// is tried once: the next one comes soon.
func (c *Client) Healthcheck(ctx context.Context, h wire.HealthcheckDTO) error {
	return c.once(ctx, call{method: http.MethodPost, path: "/runners/healthcheck", body: h})
}

// Me reads the runner's own row.
func (c *Client) Me(ctx context.Context) (wire.RunnerDTO, error) {
	var row wire.RunnerDTO
	err := c.again(ctx, call{method: http.MethodGet, path: "/runners/me", answer: &row})
	return row, err
}

// Sandboxes lists the sandboxes of this runner that the API thinks to be in one of the states
// (started, stopped, archived, destroyed, paused) and leaves alone meanwhile.
func (c *Client) Sandboxes(ctx context.Context, states ...string) ([]wire.SandboxDTO, error) {
	query := url.Values{"states": {strings.Join(states, ",")}, "skipReconcilingSandboxes": {"true"}}
	var sandboxes []wire.SandboxDTO
	err := c.again(ctx, call{method: http.MethodGet, path: "/sandbox/for-runner?" + query.Encode(), answer: &sandboxes})
	return sandboxes, err
}

// SetState says that a sandbox is not what the API thinks. Invalid when the API's state allows no
// change: it must be started or stopped there. A state that the API takes is not always believed: it
// ignores a report about a sandbox that it is changing itself. The list shows whether it was.
func (c *Client) SetState(ctx context.Context, id string, s wire.SandboxStateDTO) error {
	return c.again(ctx, call{method: http.MethodPut, path: "/sandbox/" + url.PathEscape(id) + "/state", body: s, mute: true})
}
