package android

import (
	"errors"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/packages"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

const pmUsage = `Package manager (package) commands:
  path [--user USER_ID] PACKAGE
  dump PACKAGE
  has-feature FEATURE_NAME [version]
  list packages [-f] [-d] [-e] [-s] [-q] [-3] [-i] [-l] [-u] [-U] [--show-versioncode] [--uid UID] [--user USER_ID] [FILTER]
  list permissions [-g] [-f] [-d] [-u] [-s]
  list features | libraries | users | instrumentation
  resolve-activity [--brief] [--components] [--query-flags FLAGS] [--user USER_ID] INTENT
  query-activities [--brief] [--components] [--query-flags FLAGS] [--user USER_ID] INTENT
  install [-rtfdg] [-R] [-i PACKAGE] [-p INHERIT_PACKAGE] [--user USER_ID|all|current] [-S BYTES] [PATH [SPLIT...]|-]
  install-create [-lrtsfdg] [-i PACKAGE] [-p INHERIT_PACKAGE] [-S BYTES]
  install-write [-S BYTES] SESSION_ID SPLIT_NAME [PATH|-]
  install-commit SESSION_ID
  install-abandon SESSION_ID
  install-existing [--user USER_ID|all|current] PACKAGE
  uninstall [-k] [--user USER_ID] [--versionCode VERSION_CODE] PACKAGE
  clear [--user USER_ID] PACKAGE
  enable, disable, disable-user, default-state [--user USER_ID] PACKAGE
  grant, revoke [--user USER_ID] PACKAGE PERMISSION
`

// pmWhere is where pm's exceptions come from.
const pmWhere = "com.android.server.pm.PackageManagerShellCommand.onCommand(PackageManagerShellCommand.java:265)"

// pm is the package manager's command.
func (d Device) pm(c *toybox.Call) int {
	if len(c.Args) < 2 || slices.Contains([]string{"help", "-h", "--help"}, c.Args[1]) {
		say(c, "%s", strings.TrimSuffix(pmUsage, "\n"))
		return 0
	}
	args := c.Args[2:]
	run := map[string]func(*toybox.Call, []string) int{
		"install": d.install, "install-create": d.installCreate, "install-write": d.installWrite, "install-commit": d.installCommit,
		"install-abandon": d.installAbandon, "install-destroy": d.installAbandon, "install-existing": d.installExisting,
		"uninstall": d.uninstall, "list": d.pmList, "path": d.pmPath, "dump": d.pmDump, "clear": d.pmClear, "grant": d.permit, "revoke": d.permit,
		"enable": d.enable, "disable": d.enable, "disable-user": d.enable, "default-state": d.enable,
		"resolve-activity": d.resolveActivity, "query-activities": d.queryActivities, "has-feature": d.hasFeature,
		"get-install-location": func(*toybox.Call, []string) int { say(c, "0[auto]"); return 0 },
		"compile":              func(*toybox.Call, []string) int { say(c, "Success"); return 0 },
		"trim-caches":          func(*toybox.Call, []string) int { return 0 },
	}[c.Args[1]]
	if run == nil {
		return refuse(c, "Unknown command: %s", c.Args[1])
	}
	return run(c, args)
}

// pmMisuse throws an exception.
func pmMisuse(c *toybox.Call, class, text string) int {
	return exception(c, c.Args[1], class, text, pmWhere)
}

// failed prints why the package manager refuses, as its command does. A killed command says nothing.
func failed(c *toybox.Call, err error) int {
	var misuse *packages.Misuse
	var failure *packages.Failure
	switch {
	case c.Ctx.Err() != nil:
	case errors.As(err, &misuse):
		return pmMisuse(c, misuse.Class, misuse.Text)
	case errors.As(err, &failure):
		say(c, "Failure [%s]", failure.Error())
	default:
		say(c, "Failure [INSTALL_FAILED_INTERNAL_ERROR: %s]", vfs.Reason(err))
	}
	return 1
}

// words are arguments that are taken one after another.
type words struct{ args []string }

// option takes the next argument if it is an option.
func (w *words) option() (string, bool) {
	if len(w.args) == 0 || len(w.args[0]) < 2 || w.args[0][0] != '-' {
		return "", false
	}
	return w.next(), true
}

// next takes the next argument, "" if there is none.
func (w *words) next() string {
	if len(w.args) == 0 {
		return ""
	}
	arg := w.args[0]
	w.args = w.args[1:]
	return arg
}

// pmDump is dumpsys package.
func (d Device) pmDump(c *toybox.Call, args []string) int {
	if len(args) == 0 {
		return pmMisuse(c, "IllegalArgumentException", `Argument expected after "dump"`)
	}
	d.dumpPackages(c, args[:1])
	return 0
}

func (d Device) pmPath(c *toybox.Call, args []string) int {
	args = withoutUser(args)
	if len(args) == 0 {
		return pmMisuse(c, "IllegalArgumentException", `Argument expected after "path"`)
	}
	p := d.Packages.Get(args[0])
	if p == nil {
		return 1
	}
	for _, file := range p.Files() {
		say(c, "package:%s", file)
	}
	return 0
}

func (d Device) pmClear(c *toybox.Call, args []string) int {
	args = withoutUser(args)
	if len(args) == 0 {
		return refuse(c, "Error: no package specified")
	}
	d.Apps.ForceStop(args[0])
	if d.Packages.Clear(args[0]) != nil {
		say(c, "Failed")
		return 1
	}
	say(c, "Success")
	return 0
}

// permit is grant and revoke. An app that loses a permission ends.
func (d Device) permit(c *toybox.Call, args []string) int {
	args = withoutUser(args)
	switch {
	case len(args) == 0:
		return refuse(c, "Error: no package specified")
	case len(args) == 1:
		return refuse(c, "Error: no permission specified")
	}
	change := d.Packages.Grant
	if c.Args[1] == "revoke" {
		change = d.Packages.Revoke
	}
	p := d.Packages.Get(args[0])
	had := p != nil && p.HasGrant(args[1])
	if err := change(args[0], args[1]); err != nil {
		return failed(c, err)
	}
	if had && c.Args[1] == "revoke" {
		d.Apps.ForceStop(args[0])
	}
	return 0
}

// enable is enable, disable, disable-user and default-state.
func (d Device) enable(c *toybox.Call, args []string) int {
	args = withoutUser(args)
	if len(args) == 0 {
		return refuse(c, "Error: no package or component specified")
	}
	state := map[string]packages.Enabled{"enable": packages.EnabledYes, "disable": packages.Disabled,
		"disable-user": packages.DisabledByUser, "default-state": packages.EnabledDefault}[c.Args[1]]
	name := args[0]
	switch {
	case strings.Contains(name, "/"):
		return pmMisuse(c, "SecurityException", "Shell cannot change component state for "+name+" to "+itoa(int(state)))
	case state == packages.Disabled && c.View.UID != 0:
		return pmMisuse(c, "SecurityException", "Shell cannot change component state for "+name+"/null to 2")
	}
	if err := d.Packages.SetEnabled(name, state); err != nil {
		return failed(c, err)
	}
	say(c, "Package %s new state: %s", name, state)
	return 0
}

func (d Device) hasFeature(c *toybox.Call, args []string) int {
	has := len(args) > 0 && slices.Contains(features, args[0])
	say(c, "%t", has)
	if !has {
		return 1
	}
	return 0
}
