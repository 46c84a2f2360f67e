package state

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// propsCommand prints all properties.
const propsCommand = "getprop"

var (
	// propName is the grammar of a property's name.
	propName = regexp.MustCompile(`^[A-Za-z0-9_.:@-]{1,256}$`)
	// propLine begins one: its value may go on in further lines.
	propLine = regexp.MustCompile(`(?m)^\[([^\]\n]+)\]: \[`)
)

// parseProps reads the output of getprop.
func parseProps(output string) map[string]string {
	props := map[string]string{}
	at := propLine.FindAllStringSubmatchIndex(output, -1)
	for i, m := range at {
		end := len(output)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		value := strings.TrimRight(output[m[1]:end], "\r\n")
		props[output[m[2]:m[3]]] = strings.TrimSuffix(value, "]")
	}
	return props
}

func (d *Door) props(c *transport.Ctx) error {
	name, prefix := c.Optional("name"), c.Optional("prefix")
	for field, value := range map[string]string{"name": name, "prefix": prefix} {
		if value != "" && !propName.MatchString(value) {
			return fault.Invalidf("%s is no part of a property's name: letters, digits and _ . : @ -", field)
		}
	}
	said, err := d.ask(c, propsCommand)
	if err != nil {
		return err
	}
	props := parseProps(said)
	for key := range props {
		if name != "" && key != name || !strings.HasPrefix(key, prefix) {
			delete(props, key)
		}
	}
	return c.JSON(http.StatusOK, map[string]map[string]string{"props": props})
}
