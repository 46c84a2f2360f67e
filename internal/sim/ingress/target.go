package ingress

import (
	"slices"
	"strings"
)

// toolboxPort is where the reference's daemon listens in a sandbox.
const toolboxPort = "2280"

// target is what a request wants to reach.
type target struct {
	port  string
	label string // of the host, or of the path: a sandbox's id or a signed token
	path  string // as it came, percent-encoding and all
	// toolboxForm tells /toolbox/<id>/<path> from <port>-<label>.<anything>.
	toolboxForm bool
	sandbox     string // id; known once the request may pass
}

// alwaysAuthenticated are the toolbox, the web terminal and the page of recordings: no public sandbox opens
// them to everybody.
func alwaysAuthenticated(port string) bool {
	return slices.Contains([]string{toolboxPort, "22222", "33333"}, port)
}

// parseHost takes <port>-<label>.<anything> apart.
func parseHost(host string) (port, label string, isHostForm bool) {
	first, _, dotted := strings.Cut(host, ".")
	port, label, hyphened := strings.Cut(first, "-")
	isNumber := port != "" && strings.Trim(port, "0123456789") == ""
	return port, label, dotted && hyphened && isNumber && label != ""
}

// onRunner is the path that the runner gets.
func (t target) onRunner(old, slashed bool) string {
	path := t.path
	if slashed && strings.HasSuffix(path, "/files") {
		path += "/"
	}
	prefix := "/sandboxes/" + t.sandbox + "/toolbox"
	if !t.toolboxForm || old {
		prefix += "/proxy/" + t.port
	}
	return prefix + path
}
