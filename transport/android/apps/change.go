package apps

import (
	"net/http"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/name"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

// maxPermissions bounds those of one request.
const maxPermissions = 64

// packageOf reads a body with a package, and what else into has.
func packageOf(c *transport.Ctx, into any, pkg *string) error {
	if err := c.Decode(into); err != nil {
		return err
	}
	_, err := name.Package(*pkg)
	return err
}

// uninstall removes an app, with its data unless that is to be kept.
func (d *Door) uninstall(c *transport.Ctx) error {
	var body struct {
		Package  string `json:"package"`
		KeepData bool   `json:"keepData"`
	}
	if err := packageOf(c, &body, &body.Package); err != nil {
		return err
	}
	u, err := d.query(c)
	if err != nil {
		return err
	}
	defer u.End()
	remove := []string{"cmd", "package", "uninstall", body.Package}
	if body.KeepData {
		remove = []string{"cmd", "package", "uninstall", "-k", body.Package}
	}
	answers, err := ask(u, line(remove...), pathsOf(body.Package))
	switch {
	case err != nil:
		return err
	case succeeded(answers[0].text):
		return c.JSON(http.StatusOK, map[string]any{"package": body.Package, "uninstalled": true})
	case !answers[1].isInstalled():
		return unknown(body.Package)
	default:
		return refused("uninstall "+body.Package, answers[0].text)
	}
}

// stop ends all processes of an app.
func (d *Door) stop(c *transport.Ctx) error {
	var body struct {
		Package string `json:"package"`
	}
	if err := packageOf(c, &body, &body.Package); err != nil {
		return err
	}
	u, err := d.query(c)
	if err != nil {
		return err
	}
	defer u.End()
	answers, err := ask(u, pathsOf(body.Package), line("pidof", body.Package), line("am", "force-stop", body.Package))
	switch {
	case err != nil:
		return err
	case !answers[0].isInstalled():
		return unknown(body.Package)
	case answers[2].complains():
		return refused("stop "+body.Package, answers[2].text)
	}
	return c.JSON(http.StatusOK, map[string]any{"package": body.Package, "stopped": true, "wasRunning": answers[1].code == 0})
}

// complains reports whether a command says that it did nothing.
func (s said) complains() bool { return s.code != 0 || guestcommand.Complains(s.text) }

// clear deletes an app's data and what it was granted, and stops it.
func (d *Door) clear(c *transport.Ctx) error {
	var body struct {
		Package string `json:"package"`
	}
	if err := packageOf(c, &body, &body.Package); err != nil {
		return err
	}
	u, err := d.query(c)
	if err != nil {
		return err
	}
	defer u.End()
	answers, err := ask(u, pathsOf(body.Package), line("pm", "clear", body.Package))
	switch {
	case err != nil:
		return err
	case !answers[0].isInstalled():
		return unknown(body.Package)
	case !succeeded(answers[1].text):
		return refused("clear "+body.Package, answers[1].text)
	}
	return c.JSON(http.StatusOK, map[string]any{"package": body.Package, "cleared": true})
}

// outcomeOf is what became of one permission.
type outcomeOf struct {
	Permission string `json:"permission"`
	Done       bool   `json:"done"`
	Error      string `json:"error,omitempty"` // in Android's words
}

// permissions grants or revokes them, each for itself.
func (d *Door) permissions(verb string) transport.Handler {
	return func(c *transport.Ctx) error {
		var body struct {
			Package     string   `json:"package"`
			Permissions []string `json:"permissions"`
		}
		if err := packageOf(c, &body, &body.Package); err != nil {
			return err
		}
		if len(body.Permissions) == 0 || len(body.Permissions) > maxPermissions {
			return fault.Invalidf("permissions is a list of 1 to %d names, such as android.permission.CAMERA", maxPermissions)
		}
		commands := []string{pathsOf(body.Package)}
		for i, text := range body.Permissions {
			permission, err := name.Permission(text)
			if err != nil {
				return err
			}
			body.Permissions[i] = permission
			commands = append(commands, line("pm", verb, body.Package, permission))
		}
		u, err := d.query(c)
		if err != nil {
			return err
		}
		defer u.End()
		answers, err := ask(u, commands...)
		if err != nil {
			return err
		}
		if !answers[0].isInstalled() {
			return unknown(body.Package)
		}
		return permissionsDone(c, verb, body.Package, body.Permissions, answers[1:])
	}
}

// permissionsDone answers 200 when all was done, and else 422, with what became of each.
func permissionsDone(c *transport.Ctx, verb, pkg string, permissions []string, answers []said) error {
	results := make([]outcomeOf, len(permissions))
	for i, s := range answers {
		results[i] = outcomeOf{Permission: permissions[i], Done: !s.complains() && !strings.Contains(s.text, "Exception")}
		if !results[i].Done {
			results[i].Error = complaint(s.text)
		}
	}
	if at := slices.IndexFunc(results, func(r outcomeOf) bool { return !r.Done }); at >= 0 {
		return transport.Detailed(transport.Unprocessablef("the device does not %s %s: %s", verb, results[at].Permission, results[at].Error),
			map[string]any{"package": pkg, "results": results})
	}
	return c.JSON(http.StatusOK, map[string]any{"package": pkg, "results": results})
}

// complaint is what matters of an exception.
func complaint(text string) string {
	text = firstLines(text)
	if at := strings.Index(text, "Exception: "); at >= 0 {
		return text[at+len("Exception: "):]
	}
	if text == "" {
		return "the device did not say why"
	}
	return text
}
