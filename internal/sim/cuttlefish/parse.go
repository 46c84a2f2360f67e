package cuttlefish

import (
	"fmt"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// invocation is a parsed command line.
type invocation struct {
	group     string   // --group_name
	instances []string // --instance_name
	command   string   // canonical name
	args      []string // of the subcommand
}

// aliases maps the names of subcommands to those that the faults and this package use.
func aliases() map[string]string {
	return map[string]string{
		"create": "create", "start": "start", "launch_cvd": "start", "stop": "stop", "stop_cvd": "stop",
		"rm": "rm", "remove": "rm", "fleet": "fleet", "status": "status", "cvd_status": "status",
		"reset": "reset", "suspend": "suspend", "resume": "resume", "snapshot_take": "snapshot_take", "version": "version", "help": "help",
	}
}

// parse splits a command line. Up to 1.54 selectors must stand before the subcommand; later ones are
// the subcommand's own arguments. --verbosity is taken from anywhere.
func parse(args []string, v simroot.Version) (invocation, error) {
	var inv invocation
	command := ""
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") {
			if command == "" {
				command = arg
			} else {
				inv.args = append(inv.args, arg)
			}
			continue
		}
		name, value, hasValue := splitFlag(arg, v)
		selector := selectorName(name, v)
		switch {
		case name != "verbosity" && (selector == "" || command != "" && !v.AtLeast(1, 55)):
			if command == "" {
				return inv, unexpected(arg)
			}
			inv.args = append(inv.args, arg)
			continue
		case !hasValue && i+1 < len(args):
			i++
			value = args[i]
		case !hasValue:
			return inv, fmt.Errorf("flag %s is missing its value", arg)
		}
		switch selector {
		case "group_name":
			inv.group = value
		case "instance_name":
			inv.instances = strings.Split(value, ",")
		}
	}
	if command == "" {
		command = "help"
	}
	canonical, ok := aliases()[command]
	if !ok {
		return inv, fmt.Errorf("unable to find handler for %q: the simulated host knows %s",
			command, strings.Join(knownCommands(), ", "))
	}
	inv.command = canonical
	return inv, inv.check()
}

func knownCommands() []string {
	var names []string
	for _, name := range aliases() {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// splitFlag takes the dashes off and, since 1.55, reads hyphens inside names as underscores.
func splitFlag(arg string, v simroot.Version) (name, value string, hasValue bool) {
	name, value, hasValue = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
	if v.AtLeast(1, 55) {
		name = strings.ReplaceAll(name, "-", "_")
	}
	return name, value, hasValue
}

func selectorName(name string, v simroot.Version) string {
	switch {
	case name == "group_name" || name == "instance_name":
		return name
	case name == "instance_names" && v.AtLeast(1, 56):
		return "instance_name"
	}
	return ""
}

func unexpected(arg string) error { return simroot.Saidf("Unexpected argument %q", arg) }

func (inv invocation) check() error {
	if inv.group != "" && !validGroup(inv.group) {
		return fmt.Errorf("%q is not a valid group name: want letters, digits and underscores", inv.group)
	}
	for _, name := range inv.instances {
		if !validInstance(name) {
			return fmt.Errorf("%q is not a valid instance name", name)
		}
	}
	return nil
}

func validGroup(name string) bool {
	return wordOf(name) && (name[0] < '0' || name[0] > '9')
}

func validInstance(name string) bool {
	return !slices.ContainsFunc(strings.Split(name, "-"), func(part string) bool { return !wordOf(part) })
}

func wordOf(s string) bool {
	const allowed = "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return s != "" && strings.Trim(s, allowed) == ""
}

// flagSet takes a subcommand's own flags out of its arguments.
type flagSet struct {
	version simroot.Version
	rest    []string
}

// value removes the flag and returns its last value.
func (f *flagSet) value(names ...string) (string, bool, error) {
	found, result := false, ""
	var rest []string
	for i := 0; i < len(f.rest); i++ {
		name, value, hasValue := splitFlag(f.rest[i], f.version)
		if !strings.HasPrefix(f.rest[i], "-") || !slices.Contains(names, name) {
			rest = append(rest, f.rest[i])
			continue
		}
		if !hasValue {
			if i+1 == len(f.rest) {
				return "", false, fmt.Errorf("flag %s is missing its value", f.rest[i])
			}
			i++
			value = f.rest[i]
		}
		found, result = true, value
	}
	f.rest = rest
	return result, found, nil
}

// truth removes a boolean flag (--x, --nox, --x=BOOL) and returns its last value.
func (f *flagSet) truth(name string, fallback bool) (bool, error) {
	var rest []string
	for _, arg := range f.rest {
		got, value, hasValue := splitFlag(arg, f.version)
		switch {
		case !strings.HasPrefix(arg, "-") || got != name && got != "no"+name:
			rest = append(rest, arg)
		case got == "no"+name:
			fallback = false
		case !hasValue:
			fallback = true
		default:
			switch strings.ToLower(value) {
			case "true", "y", "yes", "1":
				fallback = true
			case "false", "n", "no", "0":
				fallback = false
			default:
				return false, fmt.Errorf("flag %s: %q is no boolean", name, value)
			}
		}
	}
	f.rest = rest
	return fallback, nil
}

// finish checks what is left over: 1.54 began to reject it, before it was ignored.
func (f *flagSet) finish() error {
	if len(f.rest) > 0 && f.version.AtLeast(1, 54) {
		return unexpected(f.rest[0])
	}
	return nil
}
