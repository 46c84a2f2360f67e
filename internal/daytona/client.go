package daytona

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Options are what a Client is made of.
type Options struct {
	URL    string       // of the API; "/api" is appended when it has no path
	Token  string       // of the runner
	Agent  string       // User-Agent; may be empty
	Tracer trace.Tracer // nil: no spans. Whatever span a context carries is passed on
	// Limit is how long one call may take, the poll's waiting aside; 0: 10 s.
	Limit time.Duration
}

// Client talks to one API with one token. It is safe for concurrent use.
type Client struct {
	base   string
	token  string
	agent  string
	tracer trace.Tracer
	limit  time.Duration
	http   *http.Client
	fresh  *http.Client // never uses a connection twice
}

// idleConnections is how many are kept: a poll, a healthcheck, and a few reports.
const idleConnections = 8

// New makes a client and calls nobody. A URL that is none is Invalid.
func New(o Options) (*Client, error) {
	base, err := Base(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Limit == 0 {
		o.Limit = 10 * time.Second
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	carrier := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: 50 * time.Second,
		TLSHandshakeTimeout: o.Limit, ForceAttemptHTTP2: true,
	}
	fresh := carrier.Clone()
	fresh.DisableKeepAlives = true
	return &Client{
		base: base, token: o.Token, agent: o.Agent, tracer: o.Tracer, limit: o.Limit,
		http:  &http.Client{Transport: carrier, CheckRedirect: refuseRedirects},
		fresh: &http.Client{Transport: fresh, CheckRedirect: refuseRedirects},
	}, nil
}

// refuseRedirects keeps the token from going where it was not sent.
func refuseRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Base is the API's URL as calls begin with it: "http://host:3000" and "http://host:3000/api" are
// both spelled by operators, and mean the same.
func Base(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", fault.Wrap(fault.Invalid, "API URL", errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", fault.Invalidf("API URL: want http://host[:port] or https://host[:port], with or without /api")
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return "", fault.Invalidf("API URL: it must have no user, query or fragment")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if u.Path == "" {
		u.Path = "/api"
	}
	return u.String(), nil
}

// URL is the API's URL, with its path.
func (c *Client) URL() string { return c.base }

// Close lets go of idle connections. Calls in flight go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }
