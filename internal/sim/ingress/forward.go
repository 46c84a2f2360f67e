package ingress

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// flushPause is how long a runner's output may wait on its way back.
const flushPause = 100 * time.Millisecond

// maxRepeated is the largest body of a request that may be sent twice.
const maxRepeated = 256 << 10

// forward sends the request on, and its answer back. WebSockets pass as they are.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, t target, to runner) {
	faults := p.faults.meet(r, t)
	address, err := url.Parse(strings.TrimRight(to.ProxyURL, "/") + t.onRunner(faults[oldToolbox], faults[filesSlash]))
	if err != nil {
		refuse(w, r, http.StatusBadRequest, "bad request: "+err.Error())
		return
	}
	reverse := httputil.ReverseProxy{
		FlushInterval: flushPause,
		Transport:     sender{p.toRunners, faults[doublePost]},
		Rewrite: func(pr *httputil.ProxyRequest) {
			query := pr.In.URL.RawQuery // as it came; Out has a cleaned one
			pr.Out.URL, pr.Out.Host = address, address.Host
			pr.Out.URL.RawQuery = query
			forwarded(pr)
			if faults[plainAuthorization] {
				pr.Out.Header.Set("Authorization", "Bearer "+to.APIKey)
			} else {
				pr.Out.Header.Set("X-Daytona-Authorization", "Bearer "+to.APIKey)
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			prefix := "/toolbox/" + t.label
			if location := resp.Header.Get("Location"); t.toolboxForm && resp.StatusCode >= 300 && resp.StatusCode < 400 &&
				location != "" && !strings.HasPrefix(location, prefix) {
				resp.Header.Set("Location", prefix+location)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		ErrorLog:     log.New(io.Discard, "", 0), // it repeats what the client sees
	}
	reverse.ServeHTTP(w, r)
}

// forwarded adds what Daytona adds, behind what the client claims; there is no X-Forwarded-Proto of its own.
func forwarded(pr *httputil.ProxyRequest) {
	for _, name := range []string{"Forwarded", "X-Forwarded-Proto"} {
		if values := pr.In.Header.Values(name); len(values) > 0 {
			pr.Out.Header[name] = values
		}
	}
	pr.Out.Header["X-Forwarded-Host"] = append(pr.In.Header.Values("X-Forwarded-Host"), pr.In.Host)
	chain := pr.In.Header.Values("X-Forwarded-For")
	if ip, _, err := net.SplitHostPort(pr.In.RemoteAddr); err == nil {
		chain = append(chain, ip)
	}
	pr.Out.Header.Set("X-Forwarded-For", strings.Join(chain, ", "))
}

// sender sends a request once more when a connection that was kept turns out to be dead, unless its body is
// larger than 256 KiB or of unknown size: a POST may so arrive twice. With twice set every POST does.
type sender struct {
	transport http.RoundTripper
	twice     bool
}

func (s sender) RoundTrip(r *http.Request) (*http.Response, error) {
	body, whole, err := repeatable(r, s.twice)
	if err != nil {
		return nil, err
	}
	if !whole {
		return s.transport.RoundTrip(r)
	}
	if s.twice && r.Method == http.MethodPost {
		if first, err := s.transport.RoundTrip(withBody(r, body)); err == nil {
			_, _ = io.Copy(io.Discard, first.Body)
			_ = first.Body.Close()
		}
	}
	var kept atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { kept.Store(info.Reused) }}
	resp, err := s.transport.RoundTrip(withBody(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)), body))
	if err != nil && kept.Load() && r.Context().Err() == nil {
		resp, err = s.transport.RoundTrip(withBody(r, body))
	}
	return resp, err
}

// repeatable takes a body that may be sent twice off the request. Where the body is to be sent twice in any
// case, it waits for one of unknown size too.
func repeatable(r *http.Request, wait bool) (body []byte, whole bool, err error) {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return nil, true, nil
	case r.ContentLength > maxRepeated, r.ContentLength < 0 && !wait:
		return nil, false, nil
	}
	body, err = io.ReadAll(io.LimitReader(r.Body, maxRepeated+1))
	if err != nil {
		return nil, false, errors.Join(err, r.Body.Close())
	}
	if len(body) > maxRepeated {
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
		return nil, false, nil
	}
	return body, true, r.Body.Close()
}

// withBody is the request once more. A body of unknown size stays one, so that it is sent in chunks.
func withBody(r *http.Request, body []byte) *http.Request {
	again := r.Clone(r.Context())
	if body != nil {
		again.Body = io.NopCloser(bytes.NewReader(body))
	}
	return again
}
