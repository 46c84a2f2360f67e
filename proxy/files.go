package proxy

import (
	"context"
	"io"
	"net/http"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/operator"
	"github.com/daytonaio/runner-android/transport"
)

// fetch asks the device for a file, and under another id when it is not known under the one it should have. The
// caller ends the answer, whose body lives as long.
func (d *Door) fetch(held use, shown *display, name, query string, header http.Header) (*answer, error) {
	ctx, cancel := context.WithTimeoutCause(held.Context, d.File,
		fault.Timeoutf("the device took longer than %s for %s", d.File, name))
	resp, err := d.operator.File(ctx, shown.device(), name, query, header)
	if err == nil && resp.StatusCode == http.StatusNotFound {
		moved, lost := d.find(ctx, shown)
		if moved || lost != nil {
			_ = resp.Body.Close()
		}
		if err = lost; moved {
			resp, err = d.operator.File(ctx, shown.device(), name, query, header) //nolint:bodyclose // the answer's to close
		}
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &answer{resp, cancel}, nil
}

// answer is a file on its way.
type answer struct {
	*http.Response
	cancel context.CancelFunc
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) { return a.Body.Read(p) }

// Close lets go of the operator.
func (a *answer) Close() error {
	err := a.Body.Close()
	a.cancel()
	return err
}

// size is how long the body is, for the transport.
func (a *answer) size() int {
	if a.ContentLength < 0 {
		return transport.Unsized
	}
	return int(a.ContentLength)
}

// deviceGone is the fault of an answer that says so; nil for others.
func deviceGone(resp *http.Response) error {
	if operator.PageGone(resp) {
		return transport.BadGateway(operator.ErrPageGone)
	}
	return nil
}

// file brings one file of the page, as it is.
func (d *Door) file(c *transport.Ctx, held use, shown *display, name string) error {
	got, err := d.fetch(held, shown, name, queryOf(c), askedOf(c))
	if err != nil {
		return err
	}
	if err := deviceGone(got.Response); err != nil {
		_ = got.Close()
		return err
	}
	if got.StatusCode == http.StatusNotFound {
		_ = got.Close()
		return transport.NotFound(c)
	}
	tell(c, got.Header)
	c.StreamFrom(got.StatusCode, got.size(), got)
	return nil
}

// maxInfra bounds the list of ICE servers.
const maxInfra = 64 << 10

// infra answers with the ICE servers: those of the settings, or the operator's. The browser gives the same list to
// the device, so that this one answer configures both ends.
func (d *Door) infra(c *transport.Ctx, held use) error {
	c.SetHeader("Cache-Control", "no-store")
	if len(d.ICEServers) > 0 {
		return c.JSON(http.StatusOK, map[string]any{"message_type": "config", "ice_servers": d.ICEServers})
	}
	ctx, cancel := context.WithTimeout(held.Context, d.Look)
	defer cancel()
	resp, err := d.operator.InfraConfig(ctx)
	return relay(c, resp, err, maxInfra)
}

// relay answers with a small JSON answer of the operator.
func relay(c *transport.Ctx, resp *http.Response, err error, limit int64) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return fault.Unavailablef("the operator broke off its answer: %v", err)
	}
	if int64(len(body)) > limit {
		return fault.Unavailablef("the operator's answer is over the limit of %d bytes", limit)
	}
	if resp.StatusCode == http.StatusNotFound {
		return transport.NotFound(c)
	}
	return c.Bytes(resp.StatusCode, "application/json", body)
}

// asset answers with one of our own scripts.
func (d *Door) asset(c *transport.Ctx, name string) error {
	c.SetHeader("Cache-Control", "no-store")
	c.SetHeader("X-Content-Type-Options", "nosniff")
	c.Text("text/javascript; charset=utf-8", assets[name])
	return nil
}

// lookAt finds out how a display is: registered, and able to serve its page.
func (d *Door) lookAt(ctx context.Context, shown *display) error {
	ctx, cancel := context.WithTimeout(ctx, d.Look)
	defer cancel()
	err := d.operator.Probe(ctx, shown.device())
	if fault.Is(err, fault.NotFound) {
		if moved, _ := d.find(ctx, shown); moved { // else what the operator said stands
			err = d.operator.Probe(ctx, shown.device())
		}
	}
	return err
}
