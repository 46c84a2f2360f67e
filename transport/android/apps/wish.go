package apps

import (
	"strconv"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// wish is how something is to be installed.
type wish struct {
	Replace   *bool `json:"replace"` // nil: yes
	Grant     bool  `json:"grantPermissions"`
	Downgrade bool  `json:"allowDowngrade"`
	Test      bool  `json:"allowTest"`
	User      *int  `json:"user"` // nil: all
}

// wishNames are its fields, in queries and forms.
var wishNames = []string{"replace", "grantPermissions", "allowDowngrade", "allowTest", "user"}

// maxUser is the last of Android's users.
const maxUser = 21473

// set sets a field from text.
func (w *wish) set(name, text string) error {
	if name == "user" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fault.Invalidf("user is the number of one of Android's users, not %.40q", text)
		}
		w.User = &n
		return nil
	}
	yes, err := strconv.ParseBool(text)
	if err != nil {
		return fault.Invalidf("%s is true or false, not %.40q", name, text)
	}
	switch name {
	case "replace":
		w.Replace = &yes
	case "grantPermissions":
		w.Grant = yes
	case "allowDowngrade":
		w.Downgrade = yes
	case "allowTest":
		w.Test = yes
	}
	return nil
}

// fromQuery reads the wishes of the query.
func (w *wish) fromQuery(c *transport.Ctx) error {
	for _, name := range wishNames {
		if text := c.Optional(name); text != "" {
			if err := w.set(name, text); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *wish) check() error {
	if w.User != nil && (*w.User < 0 || *w.User > maxUser) {
		return fault.Invalidf("user is the number of one of Android's users, 0 to %d", maxUser)
	}
	return nil
}

// flags are the options of pm install.
func (w *wish) flags() []string {
	flags := []string{"-r"}
	if w.Replace != nil && !*w.Replace {
		flags = []string{"-R"} // since Android 9 pm replaces unless told not to
	}
	if w.Grant {
		flags = append(flags, "-g")
	}
	if w.Downgrade {
		flags = append(flags, "-d")
	}
	if w.Test {
		flags = append(flags, "-t")
	}
	if w.User != nil {
		flags = append(flags, "--user", strconv.Itoa(*w.User))
	}
	return flags
}
