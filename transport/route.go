package transport

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Handler answers one request. The error it returns becomes the answer, whatever was written
// before. It keeps nothing of c when it returns; see [Ctx].
type Handler func(c *Ctx) error

// Route is one row of a door's table.
type Route struct {
	Method  string // "GET" is also served for HEAD
	Path    string // "/sandboxes/{id}/stop"; the last part may be "{rest:*}"; no slash at the end
	Handler Handler
	Open    bool // answered without a token
	// BodyLimit is the largest body in bytes; 0 means Limits.Body. Only a larger one than that
	// has an effect.
	BodyLimit int
	// Slow routes wait for a device: their handler sets its own deadline, with [Ctx.Within].
	// The context of all others ends after Limits.Query.
	Slow bool
}

// boundRoute is a route where it is mounted. It is never modified once the server serves.
type boundRoute struct {
	Route
	server *Server
	depth  int // parts of the prefix, which the paths in error answers leave out
	method string
	usual  prometheus.Counter // status 200
	took   prometheus.Observer
}

// bodyLimit is a route whose bodies may be larger than others, for the decision that comes
// before routing: how much to read.
type bodyLimit struct {
	method string
	parts  []string
	bytes  int
}

func newBodyLimit(r Route) bodyLimit {
	return bodyLimit{method: r.Method, parts: strings.Split(r.Path, "/"), bytes: r.BodyLimit}
}

// covers reports whether a request for this path, as it was sent, may be one for the route.
func (b bodyLimit) covers(method, path string) bool {
	if method != b.method {
		return false
	}
	for _, part := range b.parts {
		if path == endOfPath {
			return false
		}
		sent, rest, more := strings.Cut(path, "/")
		if !more {
			rest = endOfPath
		}
		switch {
		case strings.HasSuffix(part, ":*}"):
			return true
		case !strings.HasPrefix(part, "{") && sent != part:
			return false
		}
		path = rest
	}
	return path == endOfPath || path == ""
}

// endOfPath cannot be part of a path: NUL is refused before.
const endOfPath = "\x00"

// cutParts drops the first n parts of a path: cutParts("/a/b/c", 2) is "/c".
func cutParts(path string, n int) string {
	for ; n > 0; n-- {
		i := strings.IndexByte(path[min(1, len(path)):], '/')
		if i < 0 {
			return path
		}
		path = path[i+1:]
	}
	return path
}
