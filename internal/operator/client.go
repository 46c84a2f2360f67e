package operator

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// dialLimit bounds reaching the operator.
	dialLimit = 5 * time.Second
	// headerLimit is how long an answer may take to begin: a frozen device's never does.
	headerLimit = 10 * time.Second
	// maxJSON bounds what is read of a list or a description of devices.
	maxJSON = 4 << 20
	// maxHeader bounds the headers of an answer.
	maxHeader = 64 << 10
	// idle is how many connections are kept.
	idle = 64
)

// Options say where the operator is and how it is reached.
type Options struct {
	URL string // http://HOST:PORT or https://HOST:PORT, without a path
	// CertSHA256 is the fingerprint of its certificate in hex, with or without colons; for https alone.
	// Empty: the certificate that Pins remembers, or the first one met.
	CertSHA256 string
	Pins       Pins // nil: nothing is remembered beyond this process
	// Dial reaches the operator's host; nil: net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client asks one operator. It is safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
	ws   *websocket.Dialer
}

// New makes a client and asks nothing. Invalid when the URL or the fingerprint cannot be used.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.Path != "" && base.Path != "/" || base.User != nil {
		return nil, fault.Invalidf("the operator's address %q: want http://HOST:PORT or https://HOST:PORT", o.URL)
	}
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialLimit}).DialContext
	}
	var secure *tls.Config
	if base.Scheme == "https" {
		if secure, err = pinned(o.CertSHA256, o.Pins); err != nil {
			return nil, err
		}
	}
	c := &Client{base: &url.URL{Scheme: base.Scheme, Host: base.Host}}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: secure, TLSHandshakeTimeout: dialLimit,
			TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1: it upgrades nothing over 2
			ResponseHeaderTimeout: headerLimit, MaxResponseHeaderBytes: maxHeader,
			DisableCompression: true, MaxIdleConnsPerHost: idle, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.ws = &websocket.Dialer{
		NetDialContext: dial, TLSClientConfig: secure, HandshakeTimeout: headerLimit,
		ReadBufferSize: socketBuffer, WriteBufferSize: socketBuffer, WriteBufferPool: &socketBuffers,
	}
	return c, nil
}

// URL is where the operator is.
func (c *Client) URL() string { return c.base.String() }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// do sends one request. The caller closes the answer's body, which ctx bounds. Unavailable when the operator
// cannot be reached, Timeout when it does not answer.
func (c *Client) do(ctx context.Context, method string, at *url.URL, header http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base.ResolveReference(at).String(), body)
	if err != nil {
		return nil, fault.Invalidf("ask the operator: %v", err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header["User-Agent"] = []string{""}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	return resp, nil
}

// failed says what kept an answer from coming.
func (c *Client) failed(ctx context.Context, err error) error {
	var mismatch *certificateError
	var slow net.Error
	switch {
	case errors.As(err, &mismatch):
		return mismatch.fault()
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return context.Cause(ctx)
	case ctx.Err() != nil, errors.As(err, &slow) && slow.Timeout():
		return fault.Timeoutf("the display operator at %s, or the device behind it, did not answer in time", c.URL())
	}
	return fault.Unavailablef("the display operator at %s cannot be reached: %v", c.URL(), err)
}

// Device is what the operator says of one device.
type Device struct {
	ID      string
	ADBPort int // 0: it does not say
}

// registered is a device in an answer; old operators list bare ids.
type registered struct {
	ID           string `json:"device_id"`
	ADBPort      int    `json:"adb_port"`
	Registration struct {
		ADBPort int `json:"adb_port"`
	} `json:"registration_info"`
}

// UnmarshalJSON takes an object, or the id alone.
func (r *registered) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &r.ID)
	}
	type plain registered
	return json.Unmarshal(text, (*plain)(r))
}

func (r registered) device() Device {
	port := r.ADBPort
	if port == 0 { // after a restart of the operator only the device itself says so
		port = r.Registration.ADBPort
	}
	return Device{ID: r.ID, ADBPort: port}
}

// Device describes one device; NotFound when none is registered under the id.
func (c *Client) Device(ctx context.Context, id string) (Device, error) {
	var r registered
	found, err := c.read(ctx, &url.URL{Path: "/devices/" + id, RawPath: "/devices/" + url.PathEscape(id)}, &r)
	if err != nil {
		return Device{}, err
	}
	if !found {
		return Device{}, fault.NotFoundf("the operator at %s knows no device %q", c.URL(), id)
	}
	return r.device(), nil
}

// Devices lists the devices of the host, in no order. Of most of them the ADB port is only in the answer of Device.
func (c *Client) Devices(ctx context.Context) ([]Device, error) {
	var all []registered
	found, err := c.read(ctx, &url.URL{Path: "/devices"}, &all)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fault.Unavailablef("what answers at %s is no operator: it has no /devices", c.URL())
	}
	devices := make([]Device, len(all))
	for i, r := range all {
		devices[i] = r.device()
	}
	return devices, nil
}

// read decodes an answer. It reports whether there was one: false is 404.
func (c *Client) read(ctx context.Context, at *url.URL, into any) (found bool, err error) {
	resp, err := c.do(ctx, http.MethodGet, at, nil, nil)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return false, nil
	default:
		return false, fault.Unavailablef("the operator at %s answered %s to %s", c.URL(), resp.Status, at.Path)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxJSON)).Decode(into); err != nil {
		return false, fault.Unavailablef("the operator at %s answered something else than JSON to %s: %v", c.URL(), at.Path, err)
	}
	return true, nil
}

// File asks for a file of a device's page; name has no slash in front. Of the answer's status and headers nothing
// is interpreted: 404 is an unknown device or file, 502 a device whose page server is gone.
func (c *Client) File(ctx context.Context, id, name, query string, header http.Header) (*http.Response, error) {
	at := &url.URL{Path: "/devices/" + id + "/files/" + name, RawQuery: query}
	at.RawPath = "/devices/" + url.PathEscape(id) + "/files/" + (&url.URL{Path: name}).EscapedPath()
	return c.do(ctx, http.MethodGet, at, header, nil)
}

// InfraConfig asks for the ICE servers that are compiled into the operator.
func (c *Client) InfraConfig(ctx context.Context) (*http.Response, error) {
	return c.do(ctx, http.MethodGet, &url.URL{Path: "/infra_config"}, nil, nil)
}

// Open opens a polled connection to a device.
func (c *Client) Open(ctx context.Context, id string) (*http.Response, error) {
	body, err := json.Marshal(map[string]string{"device_id": id})
	if err != nil {
		return nil, fault.Invalidf("device id %q: %v", id, err)
	}
	return c.do(ctx, http.MethodPost, &url.URL{Path: "/polled_connections"}, jsonBody, bytesReader(body))
}

// Forward hands a message of a polled connection to its device.
func (c *Client) Forward(ctx context.Context, connection string, body []byte) (*http.Response, error) {
	return c.do(ctx, http.MethodPost, polled(connection, ":forward"), jsonBody, bytesReader(body))
}

// Messages asks for the messages of a polled connection's device; it does not wait for any.
func (c *Client) Messages(ctx context.Context, connection string, start, count int) (*http.Response, error) {
	at := polled(connection, "messages")
	at.RawQuery = fmt.Sprintf("start=%d&count=%d", start, count)
	return c.do(ctx, http.MethodGet, at, nil, nil)
}
