package forward

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	handshakeLimit = 30 * time.Second
	// piece is how much is written as one frame: as much as is read at once (internal/relay), and as ADB sends as one packet.
	piece = 1 << 20
	// ahead is how much is read ahead of a frame; what is larger is read past it.
	ahead = 16 << 10
	// writeLimit is how long the other side may take for one piece, and pingEvery how often it is asked for a
	// sign of life, for which it has silence.
	writeLimit = time.Minute
	pingEvery  = 25 * time.Second
	silence    = 75 * time.Second
)

// pieces are the buffers of frames that are being written, which all connections share.
var pieces sync.Pool

// Target is where connections lead.
type Target struct {
	URL   string // http, https, ws or wss
	Token string // sent as Authorization: Bearer
}

// Check tells an unusable target: Invalid.
func (t Target) Check() error {
	_, err := t.socketURL()
	return err
}

func (t Target) socketURL() (string, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, "the tunnel's URL", err)
	}
	scheme, ok := map[string]string{"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}[u.Scheme]
	if !ok || u.Host == "" {
		return "", fault.Invalidf("%q is no URL that begins with http:// or https://", t.URL)
	}
	u.Scheme = scheme
	return u.String(), nil
}

// Dial opens one connection. A refusal has the kind of its status and the runner's words.
func (t Target) Dial(ctx context.Context) (*Conn, error) {
	address, err := t.socketURL()
	if err != nil {
		return nil, err
	}
	dialer := websocket.Dialer{
		Proxy: http.ProxyFromEnvironment, HandshakeTimeout: handshakeLimit, ReadBufferSize: ahead, WriteBufferSize: piece,
		WriteBufferPool: &pieces,
	}
	socket, resp, err := dialer.DialContext(ctx, address, http.Header{"Authorization": {"Bearer " + t.Token}})
	if err == nil {
		return newConn(socket), nil
	}
	if resp == nil {
		return nil, fault.Wrap(fault.Unavailable, "reach the runner", err)
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, refusal(resp)
}

// kinds are those of the statuses that people can do something about.
var kinds = map[int]fault.Kind{
	http.StatusBadRequest: fault.Invalid, http.StatusUnauthorized: fault.Unauthorized, http.StatusForbidden: fault.Forbidden,
	http.StatusNotFound: fault.NotFound, http.StatusConflict: fault.Conflict, http.StatusNotImplemented: fault.Unsupported,
}

// refusal is an answer that is no WebSocket.
func refusal(resp *http.Response) error {
	kind, ok := kinds[resp.StatusCode]
	if !ok {
		kind = fault.Unavailable
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
	var problem struct {
		Message string `json:"message"`
	}
	said := strings.TrimSpace(string(body))
	if json.Unmarshal(body, &problem) == nil && problem.Message != "" {
		said = problem.Message
	}
	if said == "" {
		said = "no more is said"
	}
	return fault.New(kind, "%s", fmt.Sprintf("%s: %s", resp.Status, said))
}
