package transporttest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/transport"
)

// Token is what the server wants.
const Token = "test-token-0123456789"

// limit bounds every wait of a test.
const limit = 20 * time.Second

// AskerFunc is actors made of one function.
type AskerFunc func(ctx context.Context, msg any) (any, error)

var _ transport.Asker = AskerFunc(nil)

// Ask implements transport.Asker.
func (f AskerFunc) Ask(ctx context.Context, msg any) (any, error) { return f(ctx, msg) }

// Client speaks to a server that ends with the test that started it.
type Client struct {
	t      testing.TB
	Addr   string
	server chan error
	stop   context.CancelFunc
	http   *http.Client
}

// Start serves on loopback. mount adds the routes.
func Start(t testing.TB, o transport.Options, mount func(*transport.Server)) *Client {
	t.Helper()
	o.Token = Token
	if o.Listener == nil && o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	server, err := transport.New(o)
	if err != nil {
		t.Fatal(err)
	}
	mount(server)
	if err := server.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Client{
		t: t, Addr: server.Addr().String(), server: make(chan error, 1), stop: stop,
		http: &http.Client{Transport: &http.Transport{}, Timeout: limit, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
	}
	go func() { c.server <- server.Serve(ctx) }()
	t.Cleanup(func() {
		c.http.CloseIdleConnections()
		if err := c.Stop(); err != nil {
			t.Errorf("stop the server: %v", err)
		}
	})
	return c
}

// For is the client for a subtest, whose failures are its own.
func (c *Client) For(t testing.TB) *Client {
	own := *c
	own.t = t
	return &own
}

// Stop ends the server and returns what Serve returned; only the first call does so.
func (c *Client) Stop() error {
	c.stop()
	select {
	case err := <-c.server:
		c.server <- nil
		return err
	case <-time.After(limit):
		c.t.Fatalf("the server did not end within %s", limit)
		return nil
	}
}

// BeginStop asks the server to end and does not wait.
func (c *Client) BeginStop() { c.stop() }

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Field returns one field of a JSON object as text; what is no string as JSON.
func (a Answer) Field(t testing.TB, name string) string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(a.Body), &all); err != nil {
		t.Fatalf("%q is no JSON object: %v", a.Body, err)
	}
	var text string
	if json.Unmarshal(all[name], &text) == nil {
		return text
	}
	return string(all[name])
}

// Do sends a request with the token. Headers are "Name: value"; one that is given replaces what
// would be sent otherwise, and one without a value is not sent.
func (c *Client) Do(method, path, body string, headers ...string) Answer {
	c.t.Helper()
	a, err := c.Try(method, path, strings.NewReader(body), headers...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// Try is Do for goroutines and for requests that may fail.
func (c *Client) Try(method, path string, body io.Reader, headers ...string) (Answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.Addr+path, body)
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+Token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		req.Header.Del(name)
		if value = strings.TrimPrefix(value, " "); name == "Host" {
			req.Host = value
		} else if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return Answer{resp.StatusCode, resp.Header, string(data)}, err
}

// Raw sends bytes as they are on a connection of their own and reads one answer.
func (c *Client) Raw(request string) Answer {
	c.t.Helper()
	conn := c.Dial()
	if _, err := io.WriteString(conn, request); err != nil {
		c.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	return c.ReadAnswer(conn, method)
}

// Dial opens a connection that ends with the test and after a while.
func (c *Client) Dial() net.Conn {
	c.t.Helper()
	conn, err := new(net.Dialer).DialContext(c.t.Context(), "tcp", c.Addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(limit))
	return conn
}

// ReadAnswer reads one answer to a request with this method.
func (c *Client) ReadAnswer(conn net.Conn, method string) Answer {
	c.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return Answer{resp.StatusCode, resp.Header, string(data)}
}
