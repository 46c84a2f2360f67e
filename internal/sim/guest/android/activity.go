package android

import (
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

// intent is what am's arguments describe.
type intent struct {
	action, data, pkg, component string
	wait                         bool
}

// valued are am's options that take one argument beyond those of an intent here.
var valued = []string{"--user", "-c", "-t", "-f", "--display", "--activity-brought-to-front", "-e", "--es", "--ez", "--ei"}

func parseIntent(args []string) intent {
	var in intent
	fields := map[string]*string{"-a": &in.action, "-d": &in.data, "-p": &in.pkg, "-n": &in.component}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case fields[arg] != nil && i+1 < len(args):
			i++
			*fields[arg] = args[i]
		case arg == "-W":
			in.wait = true
		case slices.Contains(valued, arg):
			i++
			if strings.HasPrefix(arg, "--e") || arg == "-e" {
				i++
			}
		case strings.HasPrefix(arg, "-"):
		case strings.Contains(arg, "://"):
			in.data = arg
		case strings.Contains(arg, "/"):
			in.component = arg
		default:
			in.pkg = arg
		}
	}
	return in
}

// am starts and stops the built-in apps.
func (d Device) am(c *toybox.Call) int {
	if len(c.Args) < 2 {
		say(c, "Activity manager (activity) commands:\n  start [-W] <INTENT>\n  start-activity <INTENT>\n  force-stop <PACKAGE>")
		return 255
	}
	switch c.Args[1] {
	case "start", "start-activity":
		return d.start(c, parseIntent(c.Args[2:]))
	case "force-stop", "kill":
		if len(c.Args) > 2 {
			d.Phone.Stop(c.Args[len(c.Args)-1])
		}
		return 0
	case "broadcast":
		say(c, "Broadcasting: Intent { %s }\nBroadcast completed: result=0", strings.Join(c.Args[2:], " "))
		return 0
	case "get-current-user":
		say(c, "0")
		return 0
	case "wait-for-broadcast-idle":
		say(c, "All broadcast queues are idle!")
		return 0
	}
	return refuse(c, "Unknown command: %s", c.Args[1])
}

func (d Device) start(c *toybox.Call, in intent) int {
	if in.action == "" && in.component != "" {
		in.action = "android.intent.action.MAIN"
	}
	var words []string
	for _, part := range [][2]string{{"act", in.action}, {"dat", in.data}, {"pkg", in.pkg}, {"cmp", in.component}} {
		if part[1] != "" {
			words = append(words, part[0]+"="+part[1])
		}
	}
	said := "Intent { " + strings.Join(words, " ") + " }"
	say(c, "Starting: %s", said)
	switch {
	case in.component != "" || in.pkg != "" && in.data == "":
		name := in.component
		if name == "" {
			name = in.pkg
		}
		if err := d.Phone.Open(name); err != nil {
			say(c, "Error type 3")
			say(c, "Error: Activity class {%s} does not exist.", name)
			return 1
		}
	case strings.Contains(in.data, ":"):
		if scheme, _, _ := strings.Cut(in.data, ":"); scheme != "http" && scheme != "https" && scheme != "about" {
			return d.unresolved(c, said)
		}
		d.Phone.OpenURL(in.data)
	case strings.HasPrefix(in.action, "android.settings."):
		if err := d.Phone.Open("com.android.settings"); err != nil {
			return d.unresolved(c, said)
		}
	case in.action == "android.intent.action.MAIN":
		d.Phone.Key(3, 0)
	default:
		return d.unresolved(c, said)
	}
	focus := d.Phone.Focused()
	d.Log("ActivityTaskManager", "START u0 {%s} from uid %d", strings.Join(words, " "), c.View.UID)
	if in.wait {
		say(c, "Status: ok\nLaunchState: COLD\nActivity: %s\nTotalTime: 42\nWaitTime: 45\nComplete", focus.Component())
	}
	return 0
}

func (d Device) unresolved(c *toybox.Call, said string) int {
	say(c, "Error: Activity not started, unable to resolve %s", said)
	return 1
}

// monkey is -p PACKAGE … 1, which is used to start an app whose activity is not known.
func (d Device) monkey(c *toybox.Call) int {
	for i, arg := range c.Args {
		if arg != "-p" || i+1 >= len(c.Args) {
			continue
		}
		if err := d.Phone.Open(c.Args[i+1]); err != nil {
			say(c, "** No activities found to run, monkey aborted.")
			return 252
		}
		say(c, "Events injected: 1\n## Network stats: elapsed time=12ms (0ms mobile, 0ms wifi, 12ms not connected)")
		return 0
	}
	return refuse(c, "** Error: Count not specified")
}

// pm lists the apps that come with the device. It installs nothing.
func (d Device) pm(c *toybox.Call) int {
	args := c.Args[1:]
	packages := []string{"android", "com.android.launcher3", "com.android.systemui", "com.android.inputmethod.latin"}
	for _, a := range d.Phone.Apps() {
		packages = append(packages, a.Package)
	}
	slices.Sort(packages)
	switch {
	case len(args) > 1 && args[0] == "list" && args[1] == "packages":
		for _, name := range packages {
			if slices.Contains(args, "-3") || len(args) > 2 && !strings.HasPrefix(args[len(args)-1], "-") && !strings.Contains(name, args[len(args)-1]) {
				continue
			}
			path := ""
			if slices.Contains(args, "-f") {
				path = "/system/app/" + name + "/base.apk="
			}
			say(c, "package:%s%s", path, name)
		}
		return 0
	case len(args) > 1 && args[0] == "path" && slices.Contains(packages, args[1]):
		say(c, "package:/system/app/%s/base.apk", args[1])
		return 0
	case len(args) > 1 && args[0] == "path":
		return 1
	case len(args) > 1 && args[0] == "resolve-activity":
		for _, a := range d.Phone.Apps() {
			if a.Package == args[len(args)-1] {
				say(c, "priority=0 preferredOrder=0 match=0x108000 specificIndex=-1 isDefault=true\n%s", a.Component())
				return 0
			}
		}
		say(c, "No activity found")
		return 0
	case len(args) > 0:
		return refuse(c, "Unknown command: %s", args[0])
	}
	return refuse(c, "usage: pm list packages | path PACKAGE | resolve-activity --brief PACKAGE")
}
