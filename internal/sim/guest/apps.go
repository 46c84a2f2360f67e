package guest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/activity"
	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
	"github.com/daytonaio/runner-android/internal/sim/guest/packages"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// Packages are the apps that are installed.
func (g *Guest) Packages() *packages.Manager { return g.packages }

// openApps reads what is installed and makes the phone show it. The phone and the files are ready.
func (g *Guest) openApps(logs logd.Sink) error {
	err := g.packages.Open(packages.Options{
		Files: g.tree.As(rootCred()), SDK: g.sdk(), System: g.systemPackages(), Changed: g.apps.Changed,
	})
	if err != nil {
		return err
	}
	g.apps.Open(g.phone, g.packages, appProcesses{g}, logs)
	return nil
}

// sdk is the API level of the release.
func (g *Guest) sdk() int {
	n := 0
	fmt.Sscan(g.props.get("ro.build.version.sdk"), &n)
	return n
}

// builtinUIDs are the users that the apps of the image run as; others get those behind them.
var builtinUIDs = map[string]int{"com.android.settings": 1000, "com.example.notes": 10121, "org.chromium.webview_shell": 10122}

// systemPackages are the packages of the image: the phone's apps, and what has no icon.
func (g *Guest) systemPackages() []packages.System {
	home := apk.Activity{Name: "com.android.launcher3.uioverrides.QuickstepLauncher", Exported: true, Filters: []apk.Filter{
		{Actions: []string{apk.ActionMain}, Categories: []string{"android.intent.category.HOME", apk.CategoryDefault}}}}
	list := []packages.System{
		{Name: "android", Label: "Android System", UID: 1000}, {Name: "com.android.systemui", Label: "System UI", UID: 10100},
		{Name: "com.android.inputmethod.latin", Label: "Android Keyboard (AOSP)", UID: 10111}, {Name: "com.android.shell", Label: "Shell", UID: 2000},
		{Name: "com.android.launcher3", Label: "Quickstep", UID: 10110, Activities: []apk.Activity{home}},
	}
	next := 10130
	for _, b := range g.phone.Builtins() {
		uid := builtinUIDs[b.Package]
		if uid == 0 {
			uid, next = next, next+1
		}
		class := b.Activity
		if strings.HasPrefix(class, ".") {
			class = b.Package + class
		}
		a := apk.Activity{Name: class, Exported: true, Filters: slices.Concat([]apk.Filter{{Actions: []string{apk.ActionMain},
			Categories: []string{apk.CategoryLauncher, apk.CategoryDefault}}}, builtinFilters(b.Package))}
		list = append(list, packages.System{Name: b.Package, Label: b.Label, UID: uid, Activities: []apk.Activity{a}})
	}
	return list
}

// builtinFilters are what the apps of the image offer beside their icons.
func builtinFilters(pkg string) []apk.Filter {
	standard := []string{apk.CategoryDefault, apk.CategoryBrowse}
	switch pkg {
	case "org.chromium.webview_shell":
		return []apk.Filter{{Actions: []string{apk.ActionView}, Categories: standard, Schemes: []string{"http", "https", "about"}}}
	case "com.android.settings":
		var actions []string
		for _, name := range strings.Fields(`SETTINGS ACCESSIBILITY_SETTINGS AIRPLANE_MODE_SETTINGS APN_SETTINGS APPLICATION_SETTINGS
			APPLICATION_DETAILS_SETTINGS APPLICATION_DEVELOPMENT_SETTINGS APP_NOTIFICATION_SETTINGS BATTERY_SAVER_SETTINGS BLUETOOTH_SETTINGS
			DATA_ROAMING_SETTINGS DATE_SETTINGS DEVICE_INFO_SETTINGS DISPLAY_SETTINGS INPUT_METHOD_SETTINGS INTERNAL_STORAGE_SETTINGS
			LOCALE_SETTINGS LOCATION_SOURCE_SETTINGS MANAGE_ALL_APPLICATIONS_SETTINGS MANAGE_APPLICATIONS_SETTINGS NETWORK_OPERATOR_SETTINGS
			PRIVACY_SETTINGS SECURITY_SETTINGS SOUND_SETTINGS SYNC_SETTINGS USER_DICTIONARY_SETTINGS WIFI_SETTINGS WIRELESS_SETTINGS`) {
			actions = append(actions, "android.settings."+name)
		}
		return []apk.Filter{{Actions: actions, Categories: standard},
			{Actions: actions, Categories: standard, Schemes: []string{"package"}}}
	}
	return nil
}

// appProcesses gives apps rows in the process table.
type appProcesses struct{ g *Guest }

var _ activity.Processes = appProcesses{}

// zygotePID is the parent of all apps.
const zygotePID = 270

// Spawn implements activity.Processes.
func (a appProcesses) Spawn(name string, uid int) (activity.Process, error) {
	g := a.g
	cred := vfs.Cred{UID: uid, GID: uid, Groups: []int{3003, 9997, uid}}
	p, err := g.enter(func() (*process, error) {
		return g.table.fork(&process{pid: zygotePID}, cred, nil, []string{name}, true)
	})
	if err != nil {
		return nil, err
	}
	go func() {
		defer g.leave()
		<-p.ctx.Done()
		g.table.finish(p, 0)
	}()
	return appProcess{p}, nil
}

// Go implements activity.Processes.
func (a appProcesses) Go(f func()) bool {
	a.g.mu.Lock()
	defer a.g.mu.Unlock()
	if !a.g.off {
		a.g.running.Go(f)
	}
	return !a.g.off
}

type appProcess struct{ p *process }

func (a appProcess) PID() int              { return a.p.pid }
func (a appProcess) Done() <-chan struct{} { return a.p.exited }

func (a appProcess) Kill() {
	a.p.deliver(toybox.SIGKILL)
	<-a.p.exited
}
