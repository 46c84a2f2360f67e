package android

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// settings is get, put, delete, list and reset of the three tables.
func (d Device) settings(c *toybox.Call) int {
	var args []string
	for i := 1; i < len(c.Args); i++ {
		switch {
		case c.Args[i] == "--user":
			i++
		case strings.HasPrefix(c.Args[i], "--user"), c.Args[i] == "--lineage":
		default:
			args = append(args, c.Args[i])
		}
	}
	if len(args) == 0 {
		say(c, "Settings provider (settings) commands:\n  get|put|delete|list NAMESPACE [KEY [VALUE]]")
		return 255
	}
	verb := args[0]
	if !slices.Contains([]string{"get", "put", "delete", "list", "reset"}, verb) {
		return refuse(c, "Unknown command: %s", verb)
	}
	if len(args) < 2 {
		return refuse(c, "Bad arguments")
	}
	space := strings.ToLower(args[1])
	if !slices.Contains([]string{"system", "secure", "global"}, space) {
		return refuse(c, "Invalid namespace '%s'", args[1])
	}
	need := map[string]int{"get": 3, "put": 4, "delete": 3, "list": 2, "reset": 3}[verb]
	if len(args) < need {
		return refuse(c, "Bad arguments")
	}
	switch verb {
	case "list":
		all := c.Sys.Settings(space)
		for _, key := range slices.Sorted(maps.Keys(all)) {
			say(c, "%s=%s", key, all[key])
		}
	case "get":
		value, ok := c.Sys.Setting(space, args[2])
		if !ok {
			value = "null"
		}
		say(c, "%s", value)
	case "put":
		c.Sys.PutSetting(space, args[2], args[3])
	case "delete":
		_, ok := c.Sys.Setting(space, args[2])
		c.Sys.PutSetting(space, args[2], "")
		say(c, "Deleted %d rows", map[bool]int{true: 1}[ok])
	}
	return 0
}

// wm is size, density, user-rotation and what scripts call without looking at it.
func (d Device) wm(c *toybox.Call) int {
	args := c.Args[1:]
	if len(args) == 0 {
		say(c, "Window manager (window) commands:\n  size [reset|WxH|WdpxHdp] [-d DISPLAY_ID]\n  density [reset|DENSITY] [-d DISPLAY_ID] [-u UNIQUE_ID]\n"+
			"  user-rotation [-d DISPLAY_ID] [free|lock] [rotation]\n  dismiss-keyguard")
		return 255
	}
	verb, rest := args[0], args[1:]
	if i := slices.Index(rest, "-d"); i >= 0 && i+1 < len(rest) {
		rest = slices.Concat(rest[:i], rest[i+2:])
	}
	switch verb {
	case "size":
		return d.wmSize(c, rest)
	case "density":
		return d.wmDensity(c, rest)
	case "user-rotation", "set-user-rotation":
		return d.wmRotation(c, verb, rest)
	case "dismiss-keyguard", "fixed-to-user-rotation", "set-fix-to-user-rotation", "set-ignore-orientation-request":
		return 0
	}
	return refuse(c, "Unknown command: %s", verb)
}

func (d Device) wmSize(c *toybox.Call, args []string) int {
	if len(args) == 0 {
		say(c, "Physical size: %dx%d", ui.PhysicalWidth, ui.PhysicalHeight)
		if w, h := d.Phone.BaseSize(); w != ui.PhysicalWidth || h != ui.PhysicalHeight {
			say(c, "Override size: %dx%d", w, h)
		}
		return 0
	}
	if args[0] == "reset" {
		c.Sys.PutSetting("wm", "size", "")
		return 0
	}
	w, h, ok := ui.ParseSize(args[0])
	if !ok {
		return refuse(c, "Error: bad size %s", args[0])
	}
	c.Sys.PutSetting("wm", "size", fmt.Sprintf("%dx%d", w, h))
	return 0
}

func (d Device) wmDensity(c *toybox.Call, args []string) int {
	if len(args) == 0 {
		say(c, "Physical density: %d", ui.PhysicalDensity)
		if n := d.Phone.Density(); n != ui.PhysicalDensity {
			say(c, "Override density: %d", n)
		}
		return 0
	}
	if args[0] == "reset" {
		c.Sys.PutSetting("wm", "density", "")
		return 0
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return refuse(c, "Error: bad number %q", args[0])
	}
	if n < 72 {
		return refuse(c, "Error: density must be >= 72")
	}
	c.Sys.PutSetting("wm", "density", strconv.Itoa(min(n, 1000)))
	return 0
}

func (d Device) wmRotation(c *toybox.Call, verb string, args []string) int {
	if len(args) == 0 && verb == "user-rotation" {
		if auto, _ := c.Sys.Setting("system", "accelerometer_rotation"); auto == "1" {
			say(c, "free")
		} else {
			say(c, "lock %d", d.Phone.Rotation())
		}
		return 0
	}
	if len(args) == 0 || args[0] != "free" && args[0] != "lock" {
		return refuse(c, "Error: argument needs to be either -d, free or lock.")
	}
	if args[0] == "free" {
		c.Sys.PutSetting("system", "accelerometer_rotation", "1")
		return 0
	}
	c.Sys.PutSetting("system", "accelerometer_rotation", "0")
	if len(args) > 1 {
		if n, err := strconv.Atoi(args[1]); err != nil || n < 0 || n > 3 {
			return refuse(c, "Error: rotation argument is not valid, please enter a value between 0 and 3")
		}
		c.Sys.PutSetting("system", "user_rotation", args[1])
	}
	return 0
}

// svc switches what the device is made of.
func (d Device) svc(c *toybox.Call) int {
	args := append(slices.Clone(c.Args[1:]), "", "")
	put := func(key, value string) int {
		c.Sys.PutSetting("global", key, value)
		return 0
	}
	on, isSwitch := map[string]string{"enable": "1", "disable": "0"}[args[1]]
	switch {
	case args[0] == "power" && args[1] == "stayon":
		value, ok := map[string]string{"true": "15", "false": "0", "ac": "1", "usb": "2", "wireless": "4", "dock": "8"}[args[2]]
		if ok {
			return put("stay_on_while_plugged_in", value)
		}
	case args[0] == "power" && (args[1] == "reboot" || args[1] == "shutdown"):
		c.Sys.Power(strings.TrimSuffix(args[1]+","+args[2], ","))
		<-c.Ctx.Done()
		return 1
	case args[0] == "wifi" && isSwitch:
		return put("wifi_on", on)
	case args[0] == "data" && isSwitch:
		return put("mobile_data", on)
	case args[0] == "bluetooth" && isSwitch:
		return put("bluetooth_on", on)
	}
	fmt.Fprintln(c.Err, "Available commands:\n    help     Show information about the subcommands\n    power    Control the power manager\n"+
		"    data     Control mobile data connectivity\n    wifi     Control the Wi-Fi manager\n    bluetooth Control Bluetooth service")
	return 1
}
