package android

import (
	"fmt"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// dumpsys prints the parts of a few services' dumps that tools look for.
func (d Device) dumpsys(c *toybox.Call) int {
	args := c.Args[1:]
	for len(args) > 1 && args[0] == "-t" {
		args = args[2:]
	}
	if len(args) == 0 || args[0] == "-l" {
		say(c, "Currently running services:")
		for _, name := range services {
			say(c, "  %s", name)
		}
		return 0
	}
	if !known(args[0]) {
		fmt.Fprintf(c.Out, "Can't find service: %s\n", args[0])
		return 0
	}
	switch args[0] {
	case "window":
		d.dumpWindow(c, args[1:])
	case "display":
		d.dumpDisplay(c)
	case "input":
		size := d.Phone.Size()
		say(c, "INPUT MANAGER (dumpsys input)\n\nInput Manager State:\n  Interactive: %t", d.Phone.Awake())
		say(c, "Input Reader State:\n  Device 2: cvd_touch\n    Touch Input Mapper (mode - DIRECT):\n      SurfaceWidth: %dpx\n      SurfaceHeight: %dpx\n      SurfaceOrientation: %d",
			size.X, size.Y, d.Phone.Rotation())
		say(c, "  Viewport INTERNAL: displayId=0, uniqueId=local:%s, port=0, orientation=%d, logicalFrame=[0, 0, %d, %d]", displayID, d.Phone.Rotation(), size.X, size.Y)
	case "power":
		d.dumpPower(c)
	case "activity":
		d.dumpActivity(c, args[1:])
	case "package":
		d.dumpPackages(c, args[1:])
	case "dropbox":
		d.dropBox(c, args[1:])
	case "SurfaceFlinger":
		if len(args) > 1 && args[1] == "--display-id" {
			say(c, "Display %s (HWC display 0): port=0 pnpId=GGL displayName=\"EMU_display_0\"", displayID)
		}
	case "battery":
		if len(args) > 1 && args[1] != "-a" {
			return d.batteryCommand(c, args[1:])
		}
		d.dumpBattery(c)
	case "location":
		d.dumpLocation(c)
	case "input_method":
		say(c, "Current Input Method Manager state:\n  mInputShown=%t", d.Phone.Keyboard())
	}
	return 0
}

func window(w ui.Window) string { return "Window{5a1d2c3 u0 " + full(w) + "}" }

// full is PACKAGE/CLASS with the class written out.
func full(w ui.Window) string {
	if strings.HasPrefix(w.Activity, ".") {
		return w.Package + "/" + w.Package + w.Activity
	}
	return w.Component()
}

func record(w ui.Window) string { return "ActivityRecord{6b7e8f9 u0 " + w.Component() + " t12}" }

func (d Device) dumpWindow(c *toybox.Call, args []string) {
	w, h := d.Phone.BaseSize()
	size, focus := d.Phone.Size(), d.Phone.Focused()
	what := ""
	if len(args) > 0 {
		what = args[0]
	}
	if what == "" || what == "displays" || what == "d" || what == "-a" {
		say(c, "WINDOW MANAGER DISPLAY CONTENTS (dumpsys window displays)\n  Display: mDisplayId=0 (organized)")
		say(c, "    init=%dx%d %ddpi base=%dx%d %ddpi cur=%dx%d app=%dx%d rng=%dx%d-%dx%d", ui.PhysicalWidth, ui.PhysicalHeight, ui.PhysicalDensity,
			w, h, d.Phone.Density(), size.X, size.Y, size.X, size.Y, min(w, h), min(w, h), max(w, h), max(w, h))
		say(c, "    mCurrentRotation=ROTATION_%d", d.Phone.Rotation()*90)
	}
	if what == "" || what == "windows" || what == "w" || what == "-a" {
		say(c, "WINDOW MANAGER WINDOWS (dumpsys window windows)")
		for i, open := range d.Phone.Running() {
			say(c, "  Window #%d %s:\n    mDisplayId=0 rootTaskId=12 mSession=Session{1} package=%s appop=NONE\n    mFrame=[0,0][%d,%d]", i, window(open), open.Package, size.X, size.Y)
		}
	}
	if what == "policy" || what == "p" || what == "" || what == "-a" {
		say(c, "WINDOW MANAGER POLICY STATE (dumpsys window policy)\n    showing=false\n    screenState=SCREEN_STATE_%s\n    mAwake=%t", onOff(d.Phone.Awake()), d.Phone.Awake())
	}
	say(c, "  mCurrentFocus=%s\n  mFocusedApp=%s", window(focus), record(focus))
}

func onOff(on bool) string { return map[bool]string{true: "ON", false: "OFF"}[on] }

func (d Device) dumpDisplay(c *toybox.Call) {
	w, h := d.Phone.BaseSize()
	size := d.Phone.Size()
	say(c, "DISPLAY MANAGER (dumpsys display)\n  mGlobalDisplayState=%s", onOff(d.Phone.Awake()))
	say(c, "  mViewports=[DisplayViewport{type=INTERNAL, valid=true, isActive=true, displayId=0, uniqueId='local:%s', physicalPort=0, orientation=%d, logicalFrame=Rect(0, 0 - %d, %d), physicalFrame=Rect(0, 0 - %d, %d), deviceWidth=%d, deviceHeight=%d}]",
		displayID, d.Phone.Rotation(), size.X, size.Y, size.X, size.Y, size.X, size.Y)
	say(c, "  Display 0:\n    mBaseDisplayInfo=DisplayInfo{\"Built-in Screen\", displayId 0, state %s, real %d x %d, rotation 0, density %d}", onOff(d.Phone.Awake()), w, h, d.Phone.Density())
	say(c, "    mOverrideDisplayInfo=DisplayInfo{\"Built-in Screen\", displayId 0, state %s, real %d x %d, rotation %d, density %d}", onOff(d.Phone.Awake()), size.X, size.Y, d.Phone.Rotation(), d.Phone.Density())
}

func (d Device) dumpPower(c *toybox.Call) {
	awake := d.Phone.Awake()
	stay, _ := c.Sys.Setting("global", "stay_on_while_plugged_in")
	say(c, "POWER MANAGER (dumpsys power)\n\nPower Manager State:\n  mWakefulness=%s\n  mWakefulnessChanging=false\n  mIsPowered=true\n  mStayOn=%t",
		map[bool]string{true: "Awake", false: "Asleep"}[awake], stay != "" && stay != "0")
	if stay == "" {
		stay = "0"
	}
	say(c, "Settings and Configuration:\n  mStayOnWhilePluggedInSetting=%s\nDisplay Power: state=%s", stay, onOff(awake))
}

func (d Device) dumpActivity(c *toybox.Call, args []string) {
	if len(args) > 0 && (args[0] == "processes" || args[0] == "p") {
		d.dumpProcesses(c)
		return
	}
	if len(args) > 0 && args[0] != "activities" && args[0] != "a" && args[0] != "top" && args[0] != "recents" {
		say(c, "Bad activity command, or no activities match: %s", args[0])
		return
	}
	say(c, "ACTIVITY MANAGER ACTIVITIES (dumpsys activity activities)\nDisplay #0 (activities from top to bottom):")
	running := d.Phone.Running()
	for i, w := range running {
		say(c, "  * Task{7d6c5b4 #%d type=standard A=%d:%s U=0 visible=%t}\n    * Hist  #0: %s", 12+i, d.uidOf(w.Package), w.Package, i == 0, record(w))
	}
	focus := d.Phone.Focused()
	if d.Release >= topResumed {
		say(c, "  topResumedActivity=%s\n  ResumedActivity: %s", record(focus), record(focus))
	} else {
		say(c, "    mResumedActivity: %s\n  ResumedActivity: %s", record(focus), record(focus))
	}
}

// uidOf is the user that an app runs as.
func (d Device) uidOf(pkg string) int {
	if p := d.Packages.Get(pkg); p != nil {
		return p.UID
	}
	return 1000
}
