package android

import (
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/packages"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
)

const stamp = "2006-01-02 15:04:05"

// dumpPackages is dumpsys package [PACKAGE|packages]: the parts that tools read.
func (d Device) dumpPackages(c *toybox.Call, args []string) {
	all := d.Packages.List()
	if len(args) > 0 && (args[0] == "p" || args[0] == "packages") { // that part of the dump only
		say(c, "Packages:")
		for _, p := range all {
			d.dumpPackage(c, p)
		}
		return
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		all = slices.DeleteFunc(all, func(p *packages.Package) bool { return p.Name() != args[0] })
		if len(all) == 0 {
			say(c, "Unable to find package: %s", args[0])
			return
		}
	}
	say(c, "Activity Resolver Table:\n  Non-Data Actions:")
	for _, p := range all {
		for _, a := range p.App.Activities {
			for _, f := range a.Filters {
				sayFilter(c, p, a, f)
			}
		}
	}
	say(c, "\nPackages:")
	for _, p := range all {
		d.dumpPackage(c, p)
	}
}

func sayFilter(c *toybox.Call, p *packages.Package, a apk.Activity, f apk.Filter) {
	component := packages.Resolved{Package: p, Activity: &a}.Component().Short()
	for _, action := range f.Actions {
		say(c, "      %s:\n        5a1d2c3 %s filter 6b7e8f9", action, component)
		for _, part := range []struct {
			name string
			list []string
		}{{"Action", f.Actions}, {"Category", f.Categories}, {"Scheme", f.Schemes}, {"Authority", f.Hosts}, {"Type", f.Types}} {
			for _, text := range part.list {
				say(c, "          %s: %q", part.name, text)
			}
		}
	}
}

func (d Device) dumpPackage(c *toybox.Call, p *packages.Package) {
	flags := []string{"HAS_CODE", "ALLOW_CLEAR_USER_DATA", "ALLOW_BACKUP"}
	for name, on := range map[string]bool{"SYSTEM": p.System, "DEBUGGABLE": p.App.Debuggable, "TEST_ONLY": p.App.TestOnly} {
		if on {
			flags = append(flags, name)
		}
	}
	slices.Sort(flags)
	id := "userId"
	if d.Release >= 14 {
		id = "appId"
	}
	say(c, "  Package [%s] (5c4d3e2):\n    %s=%d\n    pkg=Package{5c4d3e2 %s}\n    codePath=%s\n    resourcePath=%s\n    primaryCpuAbi=x86_64",
		p.Name(), id, p.UID, p.Name(), p.Path, p.Path)
	say(c, "    versionCode=%d minSdk=%d targetSdk=%d\n    versionName=%s", p.App.VersionCode, p.App.MinSDK, p.App.TargetSDK, p.App.VersionName)
	if len(p.Splits) > 0 {
		say(c, "    splits=[base, %s]", strings.Join(p.Splits, ", "))
	} else {
		say(c, "    splits=[base]")
	}
	signer := p.App.Signer[:min(8, len(p.App.Signer))]
	say(c, "    flags=[ %s ]\n    dataDir=/data/user/0/%s\n    timeStamp=%s\n    lastUpdateTime=%s\n    installerPackageName=%s\n    signatures=PackageSignatures{7d6c5b4 version:2, signatures:[%s], past signatures:[]}",
		strings.Join(flags, " "), p.Name(), p.Last.UTC().Format(stamp), p.Last.UTC().Format(stamp), orNull(p.Installer), signer)
	say(c, "    requested permissions:")
	for _, name := range p.App.Permissions {
		say(c, "      %s", name)
	}
	say(c, "    install permissions:")
	for _, name := range p.App.Permissions {
		if packages.IsInstall(name) {
			say(c, "      %s: granted=true", name)
		}
	}
	say(c, "    User 0: ceDataInode=0 installed=%t hidden=false suspended=false distractionFlags=0 stopped=false notLaunched=false enabled=%d instant=false virtual=false",
		p.Installed, p.Enabled)
	say(c, "      firstInstallTime=%s\n      gids=[3003]\n      runtime permissions:", p.First.UTC().Format(stamp))
	for _, name := range p.App.Permissions {
		if packages.IsRuntime(name) {
			say(c, "        %s: granted=%t, flags=[ USER_SENSITIVE_WHEN_GRANTED|USER_SENSITIVE_WHEN_DENIED]", name, p.HasGrant(name))
		}
	}
}

func orNull(text string) string {
	if text == "" {
		return "null"
	}
	return text
}

// dumpProcesses is dumpsys activity processes.
func (d Device) dumpProcesses(c *toybox.Call) {
	say(c, "ACTIVITY MANAGER RUNNING PROCESSES (dumpsys activity processes)\n  All known processes:")
	front := d.Phone.Focused().Package
	for _, r := range d.Apps.Running() {
		state := "LAST"
		if r.Package == front {
			state = "TOP "
		}
		user := "u0a" + itoa(r.UID-10000)
		if r.UID < 10000 {
			user = itoa(r.UID)
		}
		say(c, "  *APP* UID %d ProcessRecord{6c5b4a3 %d:%s/%s}\n    user #0 uid=%d gids={3003}\n    curProcState=%s pid=%d", r.UID, r.PID, r.Package, user, r.UID, state, r.PID)
	}
}

// dropBox is dumpsys dropbox [--print] [TAG].
func (d Device) dropBox(c *toybox.Call, args []string) {
	whole, tag := false, ""
	for _, arg := range args {
		switch arg {
		case "--print", "-p", "--file", "-f":
			whole = whole || strings.HasSuffix(arg, "p") || arg == "--print"
		default:
			tag = arg
		}
	}
	drops := d.Apps.Drops()
	say(c, "Drop box contents: %d entries\nMax entries: 1000\nLow priority rate limit period: 2000 ms", len(drops))
	if tag != "" {
		say(c, "Searching for: %s", tag)
	}
	found := 0
	for _, e := range drops {
		if tag != "" && e.Tag != tag {
			continue
		}
		found++
		say(c, "\n========================================\n%s %s (text, %d bytes)", e.Time.UTC().Format(stamp), e.Tag, len(e.Text))
		text, _, _ := strings.Cut(e.Text, "\n\n")
		if !whole {
			say(c, "    %s ...", strings.ReplaceAll(text, "\n", "/"))
			continue
		}
		say(c, "%s", strings.TrimSuffix(e.Text, "\n"))
	}
	if tag != "" && found == 0 {
		say(c, "(No entries found.)")
	}
}
