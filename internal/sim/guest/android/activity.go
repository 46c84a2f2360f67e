package android

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/activity"
	"github.com/daytonaio/runner-android/internal/sim/guest/intent"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

const amUsage = `Activity manager (activity) commands:
  start-activity [-D] [-W] [-S] [--user <USER_ID>] <INTENT>
  start-service, startservice <INTENT>
  force-stop [--user <USER_ID> | all | current] <PACKAGE>
  kill [--user <USER_ID> | all | current] <PACKAGE>
  kill-all
  crash [--user <USER_ID>] <PACKAGE|PID>
  broadcast [--user <USER_ID> | all | current] <INTENT>
  stack list
  get-current-user
  wait-for-broadcast-idle
`

// amWhere is where am's exceptions come from.
const amWhere = "com.android.server.am.ActivityManagerShellCommand.onCommand(ActivityManagerShellCommand.java:246)"

// am starts and stops apps.
func (d Device) am(c *toybox.Call) int {
	if len(c.Args) < 2 || slices.Contains([]string{"help", "-h", "--help"}, c.Args[1]) {
		say(c, "%s", strings.TrimSuffix(amUsage, "\n"))
		return 0
	}
	args := c.Args[2:]
	switch c.Args[1] {
	case "start", "start-activity":
		return d.start(c, args)
	case "force-stop", "kill", "crash":
		return d.stopApp(c, args)
	case "kill-all":
		d.Apps.KillAll()
	case "broadcast":
		return d.broadcast(c, args)
	case "startservice", "start-service", "startforegroundservice", "start-foreground-service":
		return d.startService(c, args)
	case "stack", "task":
		return d.stack(c, args)
	case "get-current-user":
		say(c, "0")
	case "wait-for-broadcast-idle", "wait-for-broadcast-barrier":
		say(c, "All broadcast queues are idle!")
	case "to-uri", "to-intent-uri", "set-debug-app", "clear-debug-app", "idle-maintenance", "switch-user":
	default:
		return refuse(c, "Unknown command: %s", c.Args[1])
	}
	return 0
}

// javaError prints a bad argument as the exception that it is.
func javaError(c *toybox.Call, command string, err error, where string) int {
	class := "IllegalArgumentException"
	if bad := (*intent.UsageError)(nil); errors.As(err, &bad) {
		class = bad.Class
	}
	return exception(c, command, class, err.Error(), where)
}

// startOptions are what am start knows beside the intent.
type startOptions struct{ wait, stop bool }

// take is an intent.Options.
func (o *startOptions) take(option string, next func() (string, error)) (bool, error) {
	switch option {
	case "-W":
		o.wait = true
	case "-S":
		o.stop = true
	case "-D", "-N", "--streaming", "--track-allocation", "--task-overlay", "--lock-task", "--allow-background-activity-starts":
	case "--user", "--display", "-R", "-P", "--start-profiler", "--sampling", "--windowingMode", "--activityType", "--task", "--splashscreen-icon":
		_, err := next()
		return true, err
	default:
		return false, nil
	}
	return true, nil
}

func (d Device) start(c *toybox.Call, args []string) int {
	var o startOptions
	in, _, err := intent.Parse(args, o.take)
	if err != nil {
		return javaError(c, c.Args[1], err, amWhere)
	}
	if pkg := in.Package + in.Component.Package; o.stop && pkg != "" {
		say(c, "Stopping: %s", pkg)
		d.Apps.ForceStop(pkg)
	}
	say(c, "Starting: %s", in)
	in.Flags |= activity.NewTask
	result, err := d.Apps.Start(in, activity.Caller{PID: c.View.PID, UID: c.View.UID})
	// What went wrong is an error's text, except for who waits and reads.
	out := c.Err
	if o.wait {
		out = c.Out
	}
	inner := *c
	inner.Out = out
	var denied *activity.DeniedError
	switch {
	case errors.As(err, &denied):
		text := "Permission Denial: starting " + in.String() + " from null (pid=" + strconv.Itoa(c.View.PID) + ", uid=" + strconv.Itoa(c.View.UID) + ") " + denied.Error()
		return exception(c, c.Args[1], "SecurityException", text, amWhere)
	case errors.Is(err, activity.ErrNoClass):
		say(&inner, "Error type 3\nError: Activity class {%s} does not exist.", in.Component.Full())
		return 1
	case err != nil:
		say(&inner, "Error: Activity not started, unable to resolve %s", in)
		return 1
	}
	switch result.State {
	case activity.Delivered:
		say(&inner, "Warning: Activity not started, intent has been delivered to currently running top-most instance.")
	case activity.Hot:
		say(&inner, "Warning: Activity not started, its current task has been brought to the front")
	case activity.Cold, activity.Warm:
	}
	if o.wait {
		say(c, "Status: ok\nLaunchState: %s\nActivity: %s\nTotalTime: %d\nWaitTime: %d\nComplete", result.State, result.Component.Short(),
			result.Time.Milliseconds(), result.Time.Milliseconds()+3)
	}
	return 0
}

// stopApp is force-stop, kill and crash.
func (d Device) stopApp(c *toybox.Call, args []string) int {
	args = withoutUser(args)
	if len(args) == 0 {
		return exception(c, c.Args[1], "IllegalArgumentException", `Argument expected after "`+c.Args[1]+`"`, amWhere)
	}
	switch pkg := args[0]; c.Args[1] {
	case "force-stop":
		d.Apps.ForceStop(pkg)
	case "kill":
		d.Apps.Kill(pkg)
	default:
		for _, r := range d.Apps.Running() {
			if strconv.Itoa(r.PID) == pkg {
				pkg = r.Package
			}
		}
		d.Apps.Crash(pkg)
	}
	return 0
}

// withoutUser takes --user and its argument off.
func withoutUser(args []string) []string {
	for len(args) > 1 && args[0] == "--user" {
		args = args[2:]
	}
	return args
}

// ownOptions skips options with an argument that only matter to others.
func ownOptions(valued ...string) intent.Options {
	return func(option string, next func() (string, error)) (bool, error) {
		if slices.Contains(valued, option) {
			_, err := next()
			return true, err
		}
		return false, nil
	}
}

func (d Device) broadcast(c *toybox.Call, args []string) int {
	in, _, err := intent.Parse(args, ownOptions("--user", "--receiver-permission"))
	if err != nil {
		return javaError(c, c.Args[1], err, amWhere)
	}
	in.Flags |= 0x400000 // FLAG_RECEIVER_FROM_SHELL
	say(c, "Broadcasting: %s\nBroadcast completed: result=0", in)
	return 0
}

func (d Device) startService(c *toybox.Call, args []string) int {
	in, _, err := intent.Parse(args, ownOptions("--user"))
	if err != nil {
		return javaError(c, c.Args[1], err, amWhere)
	}
	say(c, "Starting service: %s", in)
	c.Err.Write([]byte("Error: Not found; no service started.\n"))
	return 255
}

func (d Device) stack(c *toybox.Call, args []string) int {
	if len(args) == 0 || args[0] != "list" {
		return refuse(c, "Error: unknown command '%s'", strings.Join(args, " "))
	}
	size := d.Phone.Size()
	for i, w := range d.Phone.Running() {
		say(c, "RootTask id=%d bounds=[0,0][%d,%d] displayId=0 userId=0\n  taskId=%d: %s bounds=[0,0][%d,%d] userId=0 visible=%t topActivity=ComponentInfo{%s}\n",
			12+i, size.X, size.Y, 12+i, w.Component(), size.X, size.Y, i == 0, full(w))
	}
	return 0
}

// monkey is -p PACKAGE … COUNT, which is used to start an app whose activity is not known.
func (d Device) monkey(c *toybox.Call) int {
	var pkg string
	args := c.Args[1:]
	for i, arg := range args {
		if arg == "-p" && i+1 < len(args) {
			pkg = args[i+1]
		}
	}
	if len(args) == 0 || pkg == "" {
		return refuse(c, "** Error: Count not specified")
	}
	if _, err := strconv.Atoi(args[len(args)-1]); err != nil {
		return refuse(c, "** Error: Count is not a number: \"%s\"", args[len(args)-1])
	}
	if _, err := d.Apps.StartIcon(pkg, activity.Caller{PID: c.View.PID, UID: c.View.UID}); err != nil {
		say(c, "** No activities found to run, monkey aborted.")
		return 252
	}
	say(c, "Events injected: 1\n## Network stats: elapsed time=12ms (0ms mobile, 0ms wifi, 12ms not connected)")
	return 0
}
