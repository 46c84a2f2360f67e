package state

import (
	"net/http"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
)

const (
	// useTime bounds one use of the device.
	useTime = 30 * time.Second
	// maxSaid bounds what is read of an answer.
	maxSaid = 2 << 20
	// mark is a line between answers.
	mark = "--- runner-android ---"
	// next prints it.
	next = "echo '" + mark + "'"
)

// Door has the handlers. It is safe for concurrent use.
type Door struct{ kit *android.Kit }

// New makes the door.
func New(kit *android.Kit) *Door { return &Door{kit} }

// Routes is the door's table, for [android.Mount].
func (d *Door) Routes() []transport.Route {
	route := func(method, path string, h transport.Handler) transport.Route {
		return transport.Route{Method: method, Path: "/android/" + path, Handler: h, Slow: true}
	}
	get := func(path string, h transport.Handler) transport.Route { return route(http.MethodGet, path, h) }
	post := func(path string, h transport.Handler) transport.Route { return route(http.MethodPost, path, h) }
	return []transport.Route{
		get("props", d.props), get("device", d.device),
		get("rotate", d.rotation), post("rotate", d.rotate),
		get("location", d.location), post("location", d.locate), route(http.MethodDelete, "location", d.unlocate),
		get("locale", d.locale), post("locale", d.setLocale),
		get("timezone", d.timezone), post("timezone", d.setTimezone),
		get("battery", d.battery), post("battery", d.setBattery),
		get("airplane", d.airplane), post("airplane", d.setAirplane),
		get("animations", d.animations), post("animations", d.setAnimations),
		get("clipboard", d.clipboard), post("clipboard", d.setClipboard),
		post("url", d.open),
	}
}

// ask returns what the device says to lines of shell, up to maxSaid, whatever comes of each.
func (d *Door) ask(c *transport.Ctx, lines ...string) (string, error) {
	u, err := d.kit.Take(c, useTime)
	if err != nil {
		return "", err
	}
	defer u.End()
	return ask(u, lines...)
}

func ask(u *android.Use, lines ...string) (string, error) {
	said, err := u.Ask("{ "+strings.Join(lines, "; ")+"; } </dev/null 2>&1", maxSaid)
	return string(said), err
}

// change makes a change and asks questions behind it. said is what the change printed, answer that of the
// questions. needs says what a device wants that does not know a command of the change: Unsupported.
func (d *Door) change(c *transport.Ctx, needs string, lines, questions []string) (said, answer string, err error) {
	u, err := d.kit.Take(c, useTime)
	if err != nil {
		return "", "", err
	}
	defer u.End()
	return change(u, needs, lines, questions)
}

func change(u *android.Use, needs string, lines, questions []string) (said, answer string, err error) {
	asked := "{ " + strings.Join(append([]string{next}, questions...), "; ") + "; true; }"
	all, err := u.Tell(append(lines[:len(lines):len(lines)], asked)...)
	said, answer, _ = strings.Cut(all, mark)
	said, answer = strings.TrimSpace(said), strings.TrimSpace(answer)
	if err != nil && lacks(said) {
		err = fault.Unsupportedf("%s; the device says: %s", needs, clip(said))
	}
	return said, answer, err
}

// lacks reports whether a device's words say that there is no such command, or that it has no such option.
func lacks(said string) bool {
	for _, words := range []string{
		"Unknown command", "No shell command implementation", "Can't find service", "Unknown option", "inaccessible or not found", ": not found",
	} {
		if strings.Contains(said, words) {
			return true
		}
	}
	return false
}

// untaken is the error of a change that the device did not make, though it said nothing or something that is not
// known to be a refusal.
func untaken(what, said string) error {
	if said == "" {
		return transport.Unprocessablef("the device did not take %s, and did not say why", what)
	}
	return transport.Unprocessablef("the device did not take %s: %s", what, clip(said))
}

// clip keeps a device's words short: the first line, or 300 bytes.
func clip(said string) string {
	said = strings.TrimSpace(said)
	if first, rest, _ := strings.Cut(said, "\n"); strings.HasPrefix(first, "Exception occurred") {
		said, _, _ = strings.Cut(rest, "\n") // the name of an exception says more than that there was one
	} else {
		said = first
	}
	if len(said) > 300 {
		return said[:300] + "…"
	}
	return said
}

// lineOf is the i-th line of an answer, without spaces around it; empty when there is none, and for "null", the
// word of the settings for nothing.
func lineOf(answer string, i int) string {
	for line := range strings.SplitSeq(answer, "\n") {
		if i--; i < 0 {
			if line = strings.TrimSpace(line); line == "null" {
				return ""
			}
			return line
		}
	}
	return ""
}
