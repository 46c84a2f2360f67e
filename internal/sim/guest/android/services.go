package android

import (
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

// state is what services remember until the next boot.
type state struct {
	battery   *battery
	locations *locations

	mu      sync.Mutex
	locales map[string]string // of apps
}

func newState() *state {
	return &state{battery: &battery{values: charged()}, locations: &locations{mocks: map[string]*fix{}}, locales: map[string]string{}}
}

// connectivity is cmd connectivity airplane-mode.
func (d Device) connectivity(c *toybox.Call) int {
	args := c.Args[1:]
	if len(args) == 0 || args[0] != "airplane-mode" || d.Release < airplaneMode {
		return refuse(c, "Unknown command: %s", strings.Join(args[:min(1, len(args))], " "))
	}
	if len(args) == 1 {
		on, _ := c.Sys.Setting("global", "airplane_mode_on")
		say(c, "%s", map[bool]string{true: "enabled", false: "disabled"}[on == "1"])
		return 0
	}
	value, ok := map[string]string{"enable": "1", "disable": "0"}[args[1]]
	if !ok {
		say(c, "Connectivity service commands:\n  help\n    Print this help text.\n  airplane-mode [enable|disable]\n    Turn airplane mode on or off.\n  airplane-mode\n    Get airplane mode.")
		return 255
	}
	c.Sys.PutSetting("global", "airplane_mode_on", value)
	return 0
}

// alarm is cmd alarm set-timezone. A zone that Java does not know is GMT to it.
func (d Device) alarm(c *toybox.Call) int {
	args := c.Args[1:]
	if len(args) == 0 || args[0] != "set-timezone" {
		return refuse(c, "Unknown command: %s", strings.Join(args[:min(1, len(args))], " "))
	}
	if len(args) < 2 {
		return exception(c, "set-timezone", "IllegalArgumentException", `Argument expected after "set-timezone"`, "com.android.server.alarm.AlarmManagerService$ShellCmd.onCommand(AlarmManagerService.java:5400)")
	}
	return d.setTimezone(c, args[1])
}

func (d Device) setTimezone(c *toybox.Call, name string) int {
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		name = "GMT"
	}
	if c.Sys.SetProperty("persist.sys.timezone", name) != nil {
		return 255
	}
	return 0
}

// locale is cmd locale of Android 13.
func (d Device) locale(c *toybox.Call) int {
	args := c.Args[1:]
	if len(args) == 0 || args[0] != "set-app-locales" && args[0] != "get-app-locales" {
		return refuse(c, "Unknown command: %s", strings.Join(args[:min(1, len(args))], " "))
	}
	if len(args) < 2 || strings.HasPrefix(args[1], "-") {
		return refuse(c, "Error: no package specified")
	}
	inner := *c
	inner.Args, inner.Out, inner.Err = []string{"package", "path", args[1]}, io.Discard, io.Discard
	if d.pm(&inner) != 0 {
		say(c, "Unknown package %s for userId 0", args[1])
		return 0
	}
	d.state.mu.Lock()
	defer d.state.mu.Unlock()
	if args[0] == "get-app-locales" {
		say(c, "Locales for %s for user 0 are [%s]", args[1], d.state.locales[args[1]])
		return 0
	}
	d.state.locales[args[1]] = ""
	if i := slices.Index(args, "--locales"); i >= 0 && i+1 < len(args) {
		d.state.locales[args[1]] = args[i+1]
	}
	return 0
}
