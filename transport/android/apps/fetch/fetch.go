package fetch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// Bounds of a download. The whole is bounded by the caller's context.
const (
	maxURL       = 8 << 10
	maxRedirects = 5
	maxHeader    = 64 << 10
)

// Options say how patient the client is, and whom it may reach. Zero fields mean the default.
type Options struct {
	Allow  []netip.Prefix // networks that may be reached although they are not public
	Answer time.Duration  // for an address to be found and connected to, and again for an answer to begin; 30 s
	Stall  time.Duration  // between two pieces of a file; 60 s
}

// Client fetches. It is safe for concurrent use and keeps no connection.
type Client struct {
	http  *http.Client
	allow []netip.Prefix
	stall time.Duration
}

// New makes a client.
func New(o Options) *Client {
	if o.Answer == 0 {
		o.Answer = 30 * time.Second
	}
	if o.Stall == 0 {
		o.Stall = time.Minute
	}
	c := &Client{allow: o.Allow, stall: o.Stall}
	dialer := &net.Dialer{Timeout: o.Answer, Control: c.judge}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true,
			TLSHandshakeTimeout: o.Answer, ResponseHeaderTimeout: o.Answer, MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fault.Invalidf("the URL leads on more than %d times", maxRedirects)
			}
			return checkURL(req.URL)
		},
	}
	return c
}

// judge refuses an address that is about to be dialled.
func (c *Client) judge(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fault.Invalidf("%s is no address", address)
	}
	addr := to.Addr().Unmap().WithZone("")
	if !Public(addr) && !within(addr, c.allow) {
		return fault.Invalidf("%s is not a public address: the runner fetches from such only where its operator allows it (INSTALL_URL_NETWORKS)", addr)
	}
	return nil
}

// Check refuses a URL that would not be fetched, as far as it tells.
func Check(text string) error {
	_, err := parse(text)
	return err
}

func parse(text string) (*url.URL, error) {
	if len(text) > maxURL {
		return nil, fault.Invalidf("the URL is longer than %d bytes", maxURL)
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fault.Invalidf("the URL cannot be read") // its text may hold a password
	}
	return u, checkURL(u)
}

func checkURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fault.Invalidf("the URL must be of a host, with http or https: it has %q", u.Scheme)
	}
	return nil
}

// File is what is being fetched.
type File struct {
	Body io.ReadCloser // its errors have a kind
	Size int64         // -1: the server does not say
}

// Get begins to fetch. It ends with ctx. Errors: Invalid for a URL or an address that is refused; 422 when the server
// gives no file; Timeout; the cause of ctx.
func (c *Client) Get(ctx context.Context, text string) (File, error) {
	u, err := parse(text)
	if err != nil {
		return File{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return File{}, fault.Invalidf("the URL cannot be read")
	}
	req.Header.Set("User-Agent", "runner-android")
	resp, err := c.http.Do(req)
	if err != nil {
		err = failed(ctx, u.Hostname(), err)
		cancel(nil)
		return File{}, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		cancel(nil)
		return File{}, transport.Unprocessablef("%s answered %s instead of a file", resp.Request.URL.Hostname(), resp.Status)
	}
	return File{&body{resp.Body, ctx, cancel, c.stall, u.Hostname()}, resp.ContentLength}, nil
}

// failed says why there is no answer, without the URL, which may hold secrets.
func failed(ctx context.Context, host string, err error) error {
	var refused *fault.Error
	var network net.Error
	var wrapped *url.Error
	switch {
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &network) && network.Timeout():
		return fault.Timeoutf("%s did not answer in time", host)
	case errors.As(err, &wrapped):
		err = wrapped.Err
	}
	return transport.Unprocessablef("the file cannot be fetched from %s: %s", host, strings.TrimPrefix(err.Error(), "net/http: "))
}

// body is a file on its way, each piece of which has its time to come.
type body struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	stall  time.Duration
	host   string
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	late := time.AfterFunc(b.stall, func() {
		b.cancel(fault.Timeoutf("%s sent nothing for %s", b.host, b.stall))
	})
	n, err := b.ReadCloser.Read(p)
	late.Stop()
	if err == nil || err == io.EOF {
		return n, err
	}
	if cause := context.Cause(b.ctx); cause != nil {
		return n, cause
	}
	return n, transport.Unprocessablef("the file from %s broke off: %v", b.host, err)
}

// Close ends the download.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
