package state

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

const (
	// maxClip is how long a text for the clipboard may be, in bytes: a word of a command line has 128 KiB.
	maxClip = 64 << 10
	getClip = "get-primary-clip"
	setClip = "set-primary-clip"
)

// clipDTO is the text in the clipboard.
type clipDTO struct {
	Text string `json:"text"`
}

// clipable makes sure that the image has commands for its clipboard. Stock Android has none, and says so with
// the status of success.
func clipable(u *android.Use) error {
	help, err := ask(u, "cmd clipboard help")
	switch {
	case err != nil:
		return err
	case strings.Contains(help, getClip) && strings.Contains(help, setClip):
		return nil
	case strings.TrimSpace(help) == "":
		help = "nothing"
	}
	return fault.Unsupportedf("clipboard: this image has no commands for it, as stock Android has none; asked for them it says: %s", clip(help))
}

func (d *Door) clipboard(c *transport.Ctx) error {
	u, err := d.kit.Take(c, useTime)
	if err != nil {
		return err
	}
	defer u.End()
	if err := clipable(u); err != nil {
		return err
	}
	said, err := ask(u, "cmd clipboard "+getClip)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, clipDTO{strings.TrimSuffix(said, "\n")})
}

func (d *Door) setClipboard(c *transport.Ctx) error {
	var r struct{ Text *string }
	if err := c.Decode(&r); err != nil {
		return err
	}
	if r.Text == nil || len(*r.Text) > maxClip || strings.Contains(*r.Text, "\x00") || !utf8.ValidString(*r.Text) {
		return transport.InvalidBodyf("text is required, of up to %d bytes and without NUL", maxClip)
	}
	u, err := d.kit.Take(c, useTime)
	if err != nil {
		return err
	}
	defer u.End()
	if err := clipable(u); err != nil {
		return err
	}
	if _, err := u.Tell(guestcommand.Line("cmd", "clipboard", setClip, *r.Text)); err != nil {
		return err
	}
	said, err := ask(u, "cmd clipboard "+getClip)
	switch said = strings.TrimSuffix(said, "\n"); {
	case err != nil:
		return err
	case said != *r.Text:
		return untaken("the text", said)
	}
	return c.JSON(http.StatusOK, clipDTO{said})
}
