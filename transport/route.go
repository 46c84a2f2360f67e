package transport

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Handler answers one request. The error it returns becomes the answer, whatever was written
// before. It keeps nothing of c when it returns; see [Ctx].
type Handler func(c *Ctx) error

// Route is one row of a door's table.
type Route struct {
	Method  string // "GET" is also served for HEAD; "*" is any
	Path    string // "/sandboxes/{id}/stop"; the last part may be "{rest:*}"; no slash at the end
	Handler Handler
	Open    bool // answered without a token
	// BodyLimit is the largest body in bytes; 0 means Limits.Body. Only a larger one than that
	// has an effect.
	BodyLimit int
	// Streams routes read their body themselves, with [Ctx.BodyReader] or [Ctx.Multipart], as it
	// arrives. All others have it in memory when their handler begins.
	Streams bool
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

	// Set by the first request that they are of.
	timed, counted sync.Once
	took           prometheus.Observer
	usual          prometheus.Counter // status 200
}

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
