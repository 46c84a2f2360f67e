package session

import (
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/transport"
)

// dialect is how a client wants output. Daytona's SDKs say by their version which one they know
// (daytona: apps/daemon, seen with SDKs 0.139 to 0.218).
type dialect int

const (
	plain  dialect = iota // text without marks
	marked                // text with marks
	parted                // text with marks, and each stream by itself
)

const (
	headerVersion = "X-Daytona-SDK-Version"
	headerSplit   = "X-Daytona-Split-Output"
)

// dialectOf reads the client's headers; browsers, which cannot set any for a WebSocket, say their version
// in a subprotocol.
func dialectOf(c *transport.Ctx) dialect {
	version := c.Header(headerVersion)
	if version == "" {
		_, version, _ = strings.Cut(versionProtocol(c), "~")
	}
	return dialectFor(version, c.Header(headerSplit) == "true")
}

// versionProtocol is the subprotocol that tells a version, if the client offers one.
func versionProtocol(c *transport.Ctx) string {
	for _, offered := range c.Offered() {
		if strings.HasPrefix(offered, headerVersion+"~") {
			return offered
		}
	}
	return ""
}

func dialectFor(version string, splits bool) dialect {
	switch {
	case version == "" && splits:
		return marked
	case version == "":
		return plain
	case strings.Contains(version, "dev"):
		return parted
	case !atLeast(version, 27):
		return plain
	case !atLeast(version, 167):
		return marked
	default:
		return parted
	}
}

// atLeast reports whether a version is 0.minor.0 or later; what is no version is not, and a
// pre-release comes before its release (semver.org, 11).
func atLeast(version string, minor int) bool {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "+")
	version, pre, hasPre := strings.Cut(version, "-")
	var got [3]int
	parts := strings.Split(version, ".")
	if len(parts) > len(got) || hasPre && pre == "" {
		return false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return false
		}
		got[i] = int(n)
	}
	want := [3]int{0, minor, 0}
	for i := range got {
		if got[i] != want[i] {
			return got[i] > want[i]
		}
	}
	return !hasPre
}
