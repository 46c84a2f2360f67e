package cvd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Version is the release of the cvd program. The programs of a host package have their own.
type Version struct {
	Package string // as printed: "1.40.0"
	VCS     string // commit; may be empty
	Major   int
	Minor   int
	Patch   int
}

// String returns the version as cvd printed it.
func (v Version) String() string { return v.Package }

// AtLeast reports whether v is major.minor or later.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// Version asks cvd for its version.
func (c *Client) Version(ctx context.Context) (Version, error) {
	res, err := c.run(ctx, versionLimit, "version")
	if err != nil {
		return Version{}, fault.Op("ask for cvd's version", err)
	}
	v, err := parseVersion(res.Stdout)
	return v, fault.Wrap(fault.Unavailable, "ask for cvd's version", err)
}

var (
	versionLine = regexp.MustCompile(`(?m)^\s*version:\s*(\S+)`)
	vcsLine     = regexp.MustCompile(`(?m)(?:^|\|)\s*VCS:\s*(\S+)`)
	numbers     = regexp.MustCompile(`^(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?`)
)

// parseVersion reads both forms of "cvd version": two lines of text, and the JSON of --json.
func parseVersion(out []byte) (Version, error) {
	var v Version
	var doc struct {
		Package string `json:"package_version"`
		VCS     string `json:"version_control_id"`
	}
	if at := bytes.IndexByte(out, '{'); at >= 0 &&
		json.NewDecoder(bytes.NewReader(out[at:])).Decode(&doc) == nil && doc.Package != "" {
		v.Package, v.VCS = doc.Package, doc.VCS
	} else {
		v.Package, v.VCS = firstGroup(versionLine, out), firstGroup(vcsLine, out)
	}
	m := numbers.FindStringSubmatch(v.Package)
	if m == nil {
		return Version{}, fmt.Errorf("cvd printed no version: %q", cleanLines(out, 3))
	}
	v.Major, _ = strconv.Atoi(m[1]) // digits only
	v.Minor, _ = strconv.Atoi(m[2])
	v.Patch, _ = strconv.Atoi(m[3]) // zero when absent
	return v, nil
}

func firstGroup(re *regexp.Regexp, b []byte) string {
	if m := re.FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return ""
}
