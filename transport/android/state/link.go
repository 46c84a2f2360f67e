package state

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/name"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

// maxURL is how long a URL may be.
const maxURL = 8192

var (
	schemeName = regexp.MustCompile(`^[a-z][a-z0-9+.-]{0,31}$`)
	amField    = regexp.MustCompile(`(?m)^(Status|LaunchState|Activity|TotalTime|WaitTime): (\S{1,300})\s*$`)

	// always are the schemes of which nothing but a page can come.
	always = []string{"http", "https"}
	// never are those that carry an intent of their own, whatever the caller allows.
	never = []string{"intent", "android-app"}
)

// checkURL makes sure that a URL is one, and of a scheme that may be opened.
func checkURL(text string, allowed []string) error {
	for _, scheme := range allowed {
		if !schemeName.MatchString(scheme) {
			return fault.Invalidf("allowSchemes: %q is no scheme: they are lower-case letters, digits and + . -", scheme)
		}
		if slices.Contains(never, scheme) {
			return fault.Invalidf("allowSchemes: %s is never opened: it carries an intent of its own", scheme)
		}
	}
	if text == "" || len(text) > maxURL {
		return fault.Invalidf("url is required, of up to %d bytes", maxURL)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return fault.Invalidf("url holds spaces or control characters; encode them")
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme == "" {
		return fault.Invalidf("url is no absolute URL, such as https://example.com/")
	}
	if slices.Contains(always, parsed.Scheme) {
		if parsed.Host == "" {
			return fault.Invalidf("url has no host")
		}
		return nil
	}
	if !slices.Contains(allowed, parsed.Scheme) {
		return fault.Invalidf("url: %s is not opened unless it is in allowSchemes", parsed.Scheme)
	}
	return nil
}

// openedDTO is what am says of a URL that was opened.
type openedDTO struct {
	URL         string `json:"url"`
	Status      string `json:"status"`
	Activity    string `json:"activity,omitempty"`
	LaunchState string `json:"launchState,omitempty"`
	TotalTimeMS int    `json:"totalTimeMs,omitempty"`
	WaitTimeMS  int    `json:"waitTimeMs,omitempty"`
}

// open shows a URL in the app that is made for it, or in the one that is named, and waits until it is drawn.
func (d *Door) open(c *transport.Ctx) error {
	var r struct {
		URL, Package string
		AllowSchemes []string
	}
	if err := c.Decode(&r); err != nil {
		return err
	}
	if err := checkURL(r.URL, r.AllowSchemes); err != nil {
		return transport.InvalidBody(err)
	}
	words := []string{"am", "start", "-W", "-a", "android.intent.action.VIEW", "-d", r.URL}
	if r.Package != "" {
		pkg, err := name.Package(r.Package)
		if err != nil {
			return transport.InvalidBody(err)
		}
		words = append(words, "-p", pkg)
	}
	said, _, err := d.change(c, "url: the device has no command am", []string{guestcommand.Line(words...)}, nil)
	if at := strings.Index(said, "Error: "); err != nil && at >= 0 { // behind what it was about to do
		return untaken("the URL", said[at:])
	}
	if err != nil {
		return err
	}
	dto := openedDTO{URL: r.URL}
	for _, m := range amField.FindAllStringSubmatch(said, -1) {
		switch m[1] {
		case "Status":
			dto.Status = m[2]
		case "LaunchState":
			dto.LaunchState = m[2]
		case "Activity":
			dto.Activity = m[2]
		case "TotalTime":
			dto.TotalTimeMS, _ = strconv.Atoi(m[2])
		case "WaitTime":
			dto.WaitTimeMS, _ = strconv.Atoi(m[2])
		}
	}
	if dto.Status == "" {
		return untaken("the URL", said)
	}
	return c.JSON(http.StatusOK, dto)
}
