package operator

import (
	"context"
	"io"
	"net/http"

	"github.com/daytonaio/runner-android/internal/fault"
)

// proxied is the header by which an operator says that it was the device's own page server that did not answer.
const proxied = "X-Cutf-Proxy"

// ErrPageGone is a device that is registered while the process that serves its page is not there.
var ErrPageGone = fault.New(fault.Unavailable, "the device's page server is gone; the operator still lists the device")

// PageGone reports whether an answer to File says so.
func PageGone(resp *http.Response) bool {
	return resp.StatusCode == http.StatusBadGateway && resp.Header.Get(proxied) != ""
}

// Probe asks whether a device's display works: it is registered, and a file of its page can be fetched; that it has
// booted is not said. NotFound when it is not registered; ErrPageGone; Timeout when it is frozen, after what ctx allows;
// Unavailable when the operator cannot be reached.
func (c *Client) Probe(ctx context.Context, id string) error {
	resp, err := c.File(ctx, id, "client.html", "", http.Header{"Range": {"bytes=0-0"}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case PageGone(resp):
		return ErrPageGone
	case resp.StatusCode == http.StatusNotFound:
		return fault.NotFoundf("the device is not registered with the operator")
	case resp.StatusCode >= http.StatusBadRequest:
		return fault.Unavailablef("the device's page server answers %s", resp.Status)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 1); err != nil {
		return fault.Timeoutf("the device's page server began an answer and sent nothing of it")
	}
	return nil
}
