package android

import (
	"fmt"
	"io"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/activity"
	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
	"github.com/daytonaio/runner-android/internal/sim/guest/packages"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// Device is what the commands work on.
type Device struct {
	Phone *ui.Phone
	// Release is the Android version, such as 15.
	Release int
	// Log adds a line to logcat. Nil drops it.
	Log func(tag, format string, a ...any)
	// Logs takes whole entries of logcat. Nil forgets them.
	Logs logd.Sink
	// Packages and Apps are the package manager and the activity manager.
	Packages *packages.Manager
	Apps     *activity.Manager

	state *state
}

// Android versions in which commands have changed.
const (
	insideServer = 12 // input runs in system_server, settings and others too
	topResumed   = 12 // dumpsys activity says topResumedActivity

	airplaneMode  = 11 // cmd connectivity airplane-mode
	mockProviders = 12 // cmd location providers
	appLocales    = 13 // cmd locale
	dock          = 13 // a phone can be charged in a dock
)

// Applets are the commands by name.
func Applets(d Device) map[string]toybox.Applet {
	if d.Log == nil {
		d.Log = func(string, string, ...any) {}
	}
	if d.Logs == nil {
		d.Logs = logd.Discard
	}
	d.state = newState()
	return map[string]toybox.Applet{
		"input": d.input, "wm": d.wm, "settings": d.settings, "dumpsys": d.dumpsys, "svc": d.svc, "screencap": d.screencap, "screenrecord": d.screenrecord,
		"am": d.am, "monkey": d.monkey, "pm": d.pm, "cmd": d.cmd, "service": d.service, "appops": d.appops,
		"uiautomator": d.uiautomator,
	}
}

func say(c *toybox.Call, format string, a ...any) { fmt.Fprintf(c.Out, format+"\n", a...) }

// refuse writes to the error output and returns the status Java's -1 becomes.
func refuse(c *toybox.Call, format string, a ...any) int {
	fmt.Fprintf(c.Err, format+"\n", a...)
	return 255
}

// exception is how a shell command inside system_server fails.
func exception(c *toybox.Call, command, class, text, where string) int {
	if !strings.Contains(class, ".") {
		class = "java.lang." + class
	}
	io.WriteString(c.Err, "\nException occurred while executing '"+command+"':\n"+class+": "+text+"\n\tat "+where+"\n"+
		"\tat com.android.modules.utils.BasicShellCommandHandler.exec(BasicShellCommandHandler.java:97)\n"+
		"\tat android.os.ShellCommand.exec(ShellCommand.java:38)\n")
	return 255
}

// cmd runs the shell command of a service.
func (d Device) cmd(c *toybox.Call) int {
	args := c.Args[1:]
	for len(args) > 0 && args[0] == "-w" {
		args = args[1:]
	}
	if len(args) == 0 {
		io.WriteString(c.Err, "cmd: No service specified; use -l to list all running services. Use -w to start and wait for a service.\n")
		return 20
	}
	if args[0] == "-l" {
		say(c, "Currently running services:")
		for _, name := range services {
			say(c, "  %s", name)
		}
		return 0
	}
	inner := *c
	inner.Args = args
	run := map[string]toybox.Applet{
		"input": d.input, "settings": d.settings, "window": d.wm, "activity": d.am, "package": d.pm,
		"uimode": d.uimode, "statusbar": func(*toybox.Call) int { return 0 }, "appops": d.appops, "location": d.location,
		"connectivity": d.connectivity, "alarm": d.alarm, "locale": d.locale,
		"battery": func(c *toybox.Call) int {
			if len(c.Args) > 1 {
				return d.batteryCommand(c, c.Args[1:])
			}
			return refuse(c, "Battery service (battery) commands:\n  get|set|unplug|reset")
		},
	}[args[0]]
	if d.Release < insideServer && args[0] == "input" {
		run = nil
	}
	switch {
	case args[0] == "locale" && d.Release < appLocales:
		fmt.Fprintf(c.Err, "cmd: Can't find service: %s\n", args[0])
		return 20
	case run != nil:
		return run(&inner)
	case !known(args[0]):
		fmt.Fprintf(c.Err, "cmd: Can't find service: %s\n", args[0])
		return 20
	}
	// What Binder.onShellCommand does for services without one, clipboard among them: no failure.
	fmt.Fprintln(c.Err, "No shell command implementation.")
	return 0
}

// services are those that cmd -l and dumpsys -l know.
var services = []string{"SurfaceFlinger", "accessibility", "activity", "alarm", "appops", "battery", "clipboard", "connectivity", "display", "dropbox", "input",
	"input_method", "locale", "location", "media_session", "notification", "package", "power", "settings", "statusbar", "uimode", "wifi", "window"}

func known(service string) bool {
	for _, name := range services {
		if name == service {
			return true
		}
	}
	return false
}

func (d Device) service(c *toybox.Call) int {
	if len(c.Args) == 3 && c.Args[1] == "check" {
		state := "not found"
		if known(c.Args[2]) {
			state = "found"
		}
		say(c, "Service %s: %s", c.Args[2], state)
		return 0
	}
	if len(c.Args) == 2 && c.Args[1] == "list" {
		say(c, "Found %d services:", len(services))
		for i, name := range services {
			say(c, "%d\t%s: []", i, name)
		}
		return 0
	}
	// What reaches the alarm service without its shell command: setTimeZone(String).
	if len(c.Args) == 6 && c.Args[1] == "call" && c.Args[2] == "alarm" && c.Args[3] == "3" && c.Args[4] == "s16" {
		say(c, "Result: Parcel(00000000    '....')")
		return d.setTimezone(c, c.Args[5])
	}
	say(c, "Usage: service [-h|-?]\n       service list\n       service check SERVICE")
	return 10
}

func (d Device) uimode(c *toybox.Call) int {
	if len(c.Args) < 2 || c.Args[1] != "night" {
		return refuse(c, "Unknown command: %s", strings.Join(c.Args[1:], " "))
	}
	if len(c.Args) > 2 {
		value, ok := map[string]string{"yes": "2", "no": "1", "auto": "0"}[c.Args[2]]
		if !ok {
			return refuse(c, "Error: mode must be 'yes', 'no', or 'auto'")
		}
		c.Sys.PutSetting("secure", "ui_night_mode", value)
	}
	mode, _ := c.Sys.Setting("secure", "ui_night_mode")
	say(c, "Night mode: %s", map[string]string{"2": "yes", "0": "auto"}[mode]+map[bool]string{true: "no"}[mode != "2" && mode != "0"])
	return 0
}
