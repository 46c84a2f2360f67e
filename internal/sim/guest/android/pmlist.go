package android

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/intent"
	"github.com/daytonaio/runner-android/internal/sim/guest/packages"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

// features are what the device can do.
var features = []string{"android.hardware.bluetooth", "android.hardware.location", "android.hardware.ram.normal", "android.hardware.screen.landscape",
	"android.hardware.screen.portrait", "android.hardware.touchscreen", "android.hardware.wifi", "android.software.app_widgets",
	"android.software.home_screen", "android.software.input_methods"}

func (d Device) pmList(c *toybox.Call, args []string) int {
	if len(args) == 0 {
		return refuse(c, "Error: didn't specify type of data to list")
	}
	switch args[0] {
	case "packages", "package":
		return d.listPackages(c, args[1:])
	case "permissions":
		return d.listPermissions(c, args[1:])
	case "features":
		for _, name := range features {
			say(c, "feature:%s", name)
		}
	case "libraries":
		say(c, "library:android.test.base\nlibrary:org.apache.http.legacy")
	case "users":
		say(c, "Users:\n\tUserInfo{0:Owner:c13} running")
	case "instrumentation", "permission-groups":
	default:
		return refuse(c, "Error: unknown list type '%s'", args[0])
	}
	return 0
}

// listing is how list packages was asked.
type listing struct {
	source, version, installer, uid       bool // what is shown
	disabled, enabled, system, third, all bool // what is left out, and whether removed ones are there
	onlyUID                               int
	filter                                string
}

func (l listing) wants(p *packages.Package) bool {
	switch {
	case !p.Installed && !l.all, l.disabled && p.Enabled <= packages.EnabledYes, l.enabled && p.Enabled > packages.EnabledYes,
		l.system && !p.System, l.third && p.System, l.onlyUID >= 0 && p.UID != l.onlyUID, !strings.Contains(p.Name(), l.filter):
		return false
	}
	return true
}

func (l listing) line(p *packages.Package) string {
	var b strings.Builder
	b.WriteString("package:")
	if l.source {
		b.WriteString(p.Base() + "=")
	}
	b.WriteString(p.Name())
	if l.version {
		fmt.Fprintf(&b, " versionCode:%d", p.App.VersionCode)
	}
	if l.installer {
		installer := p.Installer
		if installer == "" {
			installer = "null"
		}
		b.WriteString("  installer=" + installer)
	}
	if l.uid {
		fmt.Fprintf(&b, " uid:%d", p.UID)
	}
	return b.String()
}

func (d Device) listPackages(c *toybox.Call, args []string) int {
	l := listing{onlyUID: -1}
	flags := map[string]*bool{"-f": &l.source, "-i": &l.installer, "-U": &l.uid, "--show-versioncode": &l.version,
		"-d": &l.disabled, "-e": &l.enabled, "-s": &l.system, "-3": &l.third, "-u": &l.all}
	w := &words{args}
	for {
		option, ok := w.option()
		if !ok {
			break
		}
		switch {
		case flags[option] != nil:
			*flags[option] = true
		case option == "-a", option == "-l", option == "-q":
		case option == "--user":
			w.next()
		case option == "--uid":
			l.uid = true
			l.onlyUID, _ = strconv.Atoi(w.next())
		default:
			return refuse(c, "Error: Unknown option: %s", option)
		}
	}
	l.filter = w.next()
	for _, p := range d.Packages.List() {
		if l.wants(p) {
			say(c, "%s", l.line(p))
		}
	}
	return 0
}

func (d Device) listPermissions(c *toybox.Call, args []string) int {
	dangerous := false
	for _, arg := range args {
		dangerous = dangerous || arg == "-d"
	}
	title := "All Permissions:"
	if dangerous {
		title = "Dangerous Permissions:"
	}
	say(c, "%s\n", title)
	for _, name := range packages.Permissions() {
		if !dangerous || packages.IsDangerous(name) {
			say(c, "permission:%s", name)
		}
	}
	return 0
}

// query reads the intent of resolve-activity and query-activities.
func (d Device) query(c *toybox.Call, args []string) (found []packages.Resolved, brief bool, status int) {
	own := func(option string, next func() (string, error)) (bool, error) {
		switch option {
		case "--brief", "--components":
			brief = true
			return true, nil
		case "--query-flags", "--user":
			_, err := next()
			return true, err
		}
		return false, nil
	}
	in, _, err := intent.Parse(args, own)
	if err != nil {
		return nil, false, javaError(c, c.Args[1], err, pmWhere)
	}
	return d.Packages.Resolve(in), brief, 0
}

func sayActivity(c *toybox.Call, r packages.Resolved, brief bool, indent string) {
	say(c, "%spriority=0 preferredOrder=0 match=0x108000 specificIndex=-1 isDefault=%t", indent, r.Default)
	if brief {
		say(c, "%s%s", indent, r.Component().Short())
		return
	}
	say(c, "%[1]sActivityInfo:\n%[1]s  name=%[2]s\n%[1]s  packageName=%[3]s\n%[1]s  enabled=true exported=%[4]t directBootAware=false\n%[1]s  ApplicationInfo:\n"+
		"%[1]s    packageName=%[3]s\n%[1]s    uid=%[5]d\n%[1]s    sourceDir=%[6]s\n%[1]s    dataDir=%[7]s",
		indent, r.Activity.Name, r.Package.Name(), r.Activity.Exported, r.Package.UID, r.Package.Base(), r.Package.Data())
}

func (d Device) resolveActivity(c *toybox.Call, args []string) int {
	found, brief, status := d.query(c, args)
	switch {
	case status != 0:
		return status
	case len(found) == 0:
		say(c, "No activity found")
	case found[0].Package != found[len(found)-1].Package:
		say(c, "priority=0 preferredOrder=0 match=0x0 specificIndex=-1 isDefault=true\nandroid/com.android.internal.app.ResolverActivity")
	default:
		sayActivity(c, found[0], brief, "")
	}
	return 0
}

func (d Device) queryActivities(c *toybox.Call, args []string) int {
	found, brief, status := d.query(c, args)
	switch {
	case status != 0:
		return status
	case len(found) == 0:
		say(c, "No activities found")
		return 0
	}
	say(c, "%d activities found:", len(found))
	for i, r := range found {
		say(c, "  Activity #%d:", i)
		sayActivity(c, r, brief, "    ")
	}
	return 0
}
