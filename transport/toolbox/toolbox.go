package toolbox

import "github.com/daytonaio/runner-android/transport"

// prefixes are where the routes are mounted: Daytona's proxy sends requests for the toolbox to the
// first, and those for the daemon's port to the second (its own of February 2026 sent all there).
var prefixes = [...]string{"/sandboxes/{id}/toolbox", "/sandboxes/{id}/toolbox/proxy/2280"}

// Mount adds route tables wherever the toolbox is served.
func Mount(s *transport.Server, tables ...[]transport.Route) {
	for _, prefix := range prefixes {
		for _, routes := range tables {
			s.Mount(prefix, routes)
		}
	}
}
