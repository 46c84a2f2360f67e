package ports

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// hopByHop are the headers of one connection (RFC 9110, 7.6.1), which are not passed on.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// sessionCookies is how Daytona's own cookies begin: whoever has one is taken for the user.
const sessionCookies = "daytona-sandbox-auth-"

// newRequest is the request as the guest gets it, without its body.
func newRequest(ctx context.Context, c *transport.Ctx, addr string, port int) (*http.Request, error) {
	rc := c.Fasthttp()
	target, err := targetOf(c)
	if err != nil {
		return nil, err
	}
	target.Scheme, target.Host = "http", addr
	header := http.Header{}
	for name, value := range rc.Request.Header.All() {
		key := http.CanonicalHeaderKey(string(name))
		header[key] = append(header[key], string(value))
	}
	upgrade := upgradeOf(header)
	dropHopByHop(header)
	// The connection's own, or made anew by the client. An Expect has been met already.
	for _, name := range []string{"Host", "Content-Length", "Expect"} {
		delete(header, name)
	}
	if upgrade != "" {
		header["Connection"], header["Upgrade"] = []string{"Upgrade"}, []string{upgrade}
	}
	delete(header, "Cookie")
	if cookies := ownCookies(rc.Request.Header.RawHeaders()); cookies != "" {
		header["Cookie"] = []string{cookies}
	}
	if _, ok := header["User-Agent"]; !ok {
		header["User-Agent"] = []string{""} // the client would send its own
	}
	req := &http.Request{
		Method: string(rc.Method()), URL: target, Host: "localhost:" + strconv.Itoa(port), Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	return req.WithContext(ctx), nil
}

// targetOf is what stands behind the port in the request's path, byte for byte. Without a slash there
// it is that of "/".
func targetOf(c *transport.Ctx) (*url.URL, error) {
	rc := c.Fasthttp()
	rest, _ := rc.UserValue("path").(string)
	path := "/" + rest
	target := &url.URL{Opaque: path, RawQuery: string(rc.URI().QueryString())}
	target.ForceQuery = target.RawQuery == "" && bytes.IndexByte(rc.Request.Header.RequestURI(), '?') >= 0
	for _, b := range []byte(path + target.RawQuery) {
		if b <= ' ' || b == 0x7f {
			return nil, fault.Invalidf("the path or query holds a character that HTTP does not allow there")
		}
	}
	if strings.HasPrefix(path, "//") { // an opaque one would be taken for a host
		plain, err := url.PathUnescape(path)
		if err != nil {
			return nil, fault.Invalidf("the path: %v", err)
		}
		target.Opaque, target.Path, target.RawPath = "", plain, path
	}
	return target, nil
}

// upgradeOf is the protocol that a request wants to change to, or an answer does; else empty.
func upgradeOf(header http.Header) string {
	for _, line := range header["Connection"] {
		for token := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
				return header.Get("Upgrade")
			}
		}
	}
	return ""
}

func dropHopByHop(header http.Header) {
	for _, line := range header["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(header, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	for _, name := range hopByHop {
		delete(header, name)
	}
}

// ownCookies is the Cookie header among the lines of a request, as it was sent but for Daytona's cookies.
func ownCookies(lines []byte) string {
	var kept []string
	for line := range bytes.Lines(lines) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !strings.EqualFold(string(name), "Cookie") {
			continue
		}
		for pair := range strings.SplitSeq(string(value), ";") {
			if pair = strings.TrimSpace(pair); pair != "" && !strings.HasPrefix(strings.ToLower(pair), sessionCookies) {
				kept = append(kept, pair)
			}
		}
	}
	return strings.Join(kept, "; ")
}

// copyAnswer gives the client the headers of the guest's answer.
func copyAnswer(c *transport.Ctx, header http.Header) {
	dropHopByHop(header)
	to := &c.Fasthttp().Response.Header
	for name, values := range header {
		if name == fasthttp.HeaderContentLength || name == fasthttp.HeaderDate {
			continue // the length is set with the body; fasthttp dates its answers
		}
		for _, value := range values {
			to.Add(name, value)
		}
	}
}

// sizeOf is how long the body of an answer is.
func sizeOf(resp *http.Response) int {
	if resp.ContentLength < 0 {
		return transport.Unsized
	}
	return int(resp.ContentLength)
}
