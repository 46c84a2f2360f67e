package operator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/internal/fault"
)

// socketBuffer is the buffer of one direction of a signalling socket: its messages are small, and most are idle.
const socketBuffer = 1 << 10

var socketBuffers sync.Pool

var jsonBody = http.Header{"Content-Type": {"application/json"}}

func bytesReader(body []byte) io.Reader { return bytes.NewReader(body) }

func polled(connection, rest string) *url.URL {
	return &url.URL{
		Path:    "/polled_connections/" + connection + "/" + rest,
		RawPath: "/polled_connections/" + url.PathEscape(connection) + "/" + rest,
	}
}

// Connect opens the signalling with a device. NotFound when the operator knows no such device, or is too old to
// have WebSockets: it answers both alike.
func (c *Client) Connect(ctx context.Context, id string) (*websocket.Conn, error) {
	at := *c.base
	at.Scheme = map[string]string{"http": "ws", "https": "wss"}[at.Scheme]
	at.Path, at.RawPath = "/devices/"+id+"/connect", "/devices/"+url.PathEscape(id)+"/connect"
	conn, resp, err := c.ws.DialContext(ctx, at.String(), nil) //nolint:bodyclose // the dialer has read the body
	switch {
	case err == nil:
		return conn, nil
	case resp != nil && resp.StatusCode == http.StatusNotFound:
		return nil, fault.NotFoundf("the operator at %s has no signalling by WebSocket for device %q", c.URL(), id)
	case resp != nil && errors.Is(err, websocket.ErrBadHandshake):
		return nil, fault.Unavailablef("the operator at %s answered %s to the signalling for device %q", c.URL(), resp.Status, id)
	}
	return nil, c.failed(ctx, err)
}
