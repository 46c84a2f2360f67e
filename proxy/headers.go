package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// asked are the headers of a request for a file that the device gets. Its server has 4 KiB for all of them, and
// whatever is not here (cookies, tokens, what proxies add) is none of its business.
var asked = []string{"Accept", "Accept-Language", "If-None-Match", "If-Modified-Since", "Range", "If-Range"}

// unconditional are those of them that are left out of a request whose answer is rewritten.
var unconditional = []string{"If-None-Match", "If-Modified-Since", "Range", "If-Range"}

// told are the headers of an answer that the browser gets.
var told = []string{
	"Content-Type", "Content-Encoding", "Content-Range", "Accept-Ranges", "Etag", "Last-Modified", "Cache-Control", "Expires", "Vary",
}

const (
	// mostAsked bounds all headers that are passed on, in bytes.
	mostAsked = 2 << 10
	// longestQuery bounds the query of a file.
	longestQuery = 512
)

// askedOf picks what of the request's headers the device gets.
func askedOf(c *transport.Ctx) http.Header {
	header, room := http.Header{}, mostAsked
	for _, name := range asked {
		if value := c.Header(name); value != "" && len(name)+len(value) <= room {
			header[name] = []string{value}
			room -= len(name) + len(value)
		}
	}
	return header
}

// queryOf is what of the query goes to the device: it may hold the key to a preview, which is the browser's alone.
func queryOf(c *transport.Ctx) string {
	query := string(c.Fasthttp().URI().QueryString())
	if len(query) > longestQuery || strings.Contains(strings.ToUpper(query), "DAYTONA") {
		return ""
	}
	return query
}

// tell gives the browser what of an answer's headers it may have.
func tell(c *transport.Ctx, header http.Header) {
	for _, name := range told {
		for _, value := range header[name] {
			c.SetHeader(name, value)
		}
	}
	c.SetHeader("X-Content-Type-Options", "nosniff")
}

// checkOrigin refuses a page of somebody else that would use the browser's cookies for this display. What the
// browser asked for is what the last proxy in front says, which no client can choose; without one there are no
// cookies, and every origin may.
func checkOrigin(c *transport.Ctx) error {
	origin, all := c.Header("Origin"), c.Fasthttp().Request.Header.PeekAll("X-Forwarded-Host")
	if origin == "" || len(all) == 0 {
		return nil
	}
	last := string(all[len(all)-1])
	host := last[strings.LastIndexByte(last, ',')+1:]
	public, here := &url.URL{Host: strings.TrimSpace(host)}, &url.URL{}
	if at, err := url.Parse(origin); err == nil {
		here = at
	}
	// Some proxies leave the port out, and cookies know none.
	if name := here.Hostname(); name != "" && strings.EqualFold(name, public.Hostname()) {
		return nil
	}
	return fault.New(fault.Forbidden, "the page at %q may not use this display", clip(origin))
}

// clip keeps a message short.
func clip(text string) string {
	if len(text) > 100 {
		return text[:100] + "…"
	}
	return text
}
