package toybox

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/tty"
)

// stty shows and sets the modes of the session's terminal; those it has not got are accepted.
func stty(c *Call) int {
	t := c.Sys.Terminal()
	if t == nil || !c.Sys.IsTerminal(c, 0) {
		return c.fail("tcgetattr: Inappropriate ioctl for device")
	}
	args := c.Args[1:]
	if len(args) > 1 && args[0] == "-F" {
		args = args[2:]
	}
	rows, cols := t.Size()
	if len(args) == 0 || args[0] == "-a" {
		c.printf("speed 38400 baud; rows %d; columns %d;\n", rows, cols)
		c.printf("%s\n", modeWords(t.Modes()))
		return 0
	}
	m := t.Modes()
	for i := 0; i < len(args); i++ {
		name, on := strings.CutPrefix(args[i], "-")
		on = !on
		switch name {
		case "size":
			c.printf("%d %d\n", rows, cols)
		case "rows", "cols", "columns":
			if i++; i >= len(args) {
				return c.fail("%s needs an argument", name)
			}
			n, err := strconv.Atoi(args[i])
			if err != nil {
				return c.fail("bad number '%s'", args[i])
			}
			if name == "rows" {
				rows = n
			} else {
				cols = n
			}
			t.Resize(rows, cols)
		case "raw":
			m = tty.Modes{Echo: m.Echo}
			if !on {
				m = tty.Cooked
			}
		case "sane", "cooked":
			m = tty.Cooked
		case "echo":
			m.Echo = on
		case "icanon":
			m.Canonical = on
		case "isig":
			m.Signals = on
		case "icrnl":
			m.CRToNL = on
		case "opost", "onlcr":
			m.Post = on
		case "ixon", "ixoff", "iexten", "echoe", "echok", "echonl", "brkint", "inlcr", "igncr", "istrip", "inpck", "min", "time":
			if name == "min" || name == "time" {
				i++
			}
		default:
			return c.fail("unknown option: %s", args[i])
		}
	}
	t.SetModes(m)
	return 0
}

func modeWords(m tty.Modes) string {
	var b strings.Builder
	for _, s := range []struct {
		name string
		on   bool
	}{{"isig", m.Signals}, {"icanon", m.Canonical}, {"echo", m.Echo}, {"icrnl", m.CRToNL}, {"opost", m.Post}, {"onlcr", m.Post}} {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if !s.on {
			b.WriteByte('-')
		}
		fmt.Fprint(&b, s.name)
	}
	return b.String()
}
