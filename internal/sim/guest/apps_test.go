package guest_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest"
	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/apk/apkbuild"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// put writes an APK into the guest, where its shell can read it.
func put(t *testing.T, g *guest.Guest, path string, s apkbuild.Spec) {
	t.Helper()
	f, err := g.Files(true).Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := apkbuild.Write(f, s); err != nil {
		t.Fatal(err)
	}
}

const demo = "com.example.demo"

func demoApp() apkbuild.Spec {
	return apkbuild.Spec{Package: demo, VersionCode: 7, VersionName: "0.7", Label: "Demo App", Crash: true,
		Permissions: []string{"android.permission.CAMERA", "android.permission.INTERNET", "android.permission.WRITE_SETTINGS"},
		Activities:  []apk.Activity{apkbuild.DefaultActivity(demo), apkbuild.Link(demo, "Link", "demo", "open"), {Name: demo + ".Secret"}}}
}

// Ensure pm, cmd package, am and dumpsys speak of an installed app as Android does.
func TestCommandsForApps(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	put(t, g, "/data/local/tmp/a.apk", demoApp())
	put(t, g, "/data/local/tmp/b.apk", apkbuild.Spec{Package: "com.example.second", Activities: []apk.Activity{apkbuild.Link("com.example.second", "L", "demo", "")}})
	put(t, g, "/data/local/tmp/s.apk", apkbuild.Spec{Package: demo, VersionCode: 7, Split: "de"})
	for _, c := range []struct {
		name, script, out string
		err               string // a part of it
		status            int
	}{
		{"a package that is not there", "pm path com.example.demo; cmd package resolve-activity --brief com.example.demo", "No activity found\n", "", 0},
		{"install by path", "pm install -i com.store /data/local/tmp/a.apk", "Success\n", "", 0},
		{"again, without replacing", "pm install -R /data/local/tmp/a.apk", "Failure [INSTALL_FAILED_ALREADY_EXISTS: Attempt to re-install com.example.demo without first uninstalling.]\n", "", 1},
		{"no file", "pm install /data/local/tmp/none.apk", "", "Error: Can't open file: /data/local/tmp/none.apk\n\nException occurred while executing 'install':\njava.lang.IllegalArgumentException: Error: Can't open file:", 255},
		{"an unknown option", "pm install --nope x", "", "java.lang.IllegalArgumentException: Unknown option --nope", 255},
		{"nothing to install", "pm install", "", "Error: must either specify a package size or an APK file", 1},
		{"no APK", "cat /system/build.prop | head -c 9 >/data/local/tmp/t; echo text >/data/local/tmp/t; pm install /data/local/tmp/t | sed 's/vmdl[0-9]*/N/'", "Failure [INSTALL_PARSE_FAILED_NOT_APK: Failed to parse /data/app/N.tmp/0_t]\n", "cat: /system/build.prop: Permission denied", 0},
		{"the list", "pm list packages -3 -i -U --show-versioncode", "package:com.example.demo versionCode:7  installer=com.store uid:10150\n", "", 0},
		{"a filter", "cmd package list packages crash", "package:com.example.crasher\n", "", 0},
		{"where it is", "pm list packages -f demo | sed 's/~~.*==\\/com/~~X\\/com/; s/demo-.*==/demo-Y/'", "package:/data/app/~~X/com.example.demo-Y/base.apk=com.example.demo\n", "", 0},
		{"what to start", "cmd package resolve-activity --brief com.example.demo", "priority=0 preferredOrder=0 match=0x108000 specificIndex=-1 isDefault=false\ncom.example.demo/.MainActivity\n", "", 0},
		{"by its package alone it cannot be started", "am start com.example.demo", "Starting: Intent { act=android.intent.action.MAIN cat=[android.intent.category.LAUNCHER] pkg=com.example.demo }\n", "Error: Activity not started, unable to resolve Intent { act=android.intent.action.MAIN cat=[android.intent.category.LAUNCHER] flg=0x10000000 pkg=com.example.demo }", 1},
		{"a first start", "am start -W -n com.example.demo/.MainActivity", "Starting: Intent { act=android.intent.action.MAIN cat=[android.intent.category.LAUNCHER] cmp=com.example.demo/.MainActivity }\nStatus: ok\nLaunchState: COLD\nActivity: com.example.demo/.MainActivity\nTotalTime: 318\nWaitTime: 321\nComplete\n", "", 0},
		{"a second one", "am start -W -n com.example.demo/.MainActivity | grep -e LaunchState -e Warning", "Warning: Activity not started, intent has been delivered to currently running top-most instance.\nLaunchState: UNKNOWN (0)\n", "", 0},
		{"from home", "input keyevent HOME; am start -W -n com.example.demo/.MainActivity | grep LaunchState", "LaunchState: HOT\n", "", 0},
		{"after it was left", "input keyevent BACK; am start -W -n com.example.demo/.MainActivity | grep LaunchState", "LaunchState: WARM\n", "", 0},
		{"its process", "ps -o USER,PPID,NAME -p $(pidof com.example.demo) | tail -n +2 | tr -s ' '; tr '\\0' ' ' </proc/$(pidof com.example.demo)/cmdline; kill $(pidof com.example.demo) 2>&1 | sed 's/.*: //'", "u0_a150 270 com.example.demo\ncom.example.demo Operation not permitted\n", "", 0},
		{"processes of the dump", "dumpsys activity processes | grep -c 'ProcessRecord.*com.example.demo/u0a150'", "1\n", "", 0},
		{"force-stop", "am force-stop com.example.demo; pidof com.example.demo; dumpsys activity top | grep -c demo", "0\n", "", 1},
		{"with -S", "am start -S -n com.example.demo/.MainActivity | head -1; am start -S -W -n com.example.demo/.MainActivity | grep State", "Stopping: com.example.demo\nLaunchState: COLD\n", "", 0},
		{"a class it has not", "am start -n com.example.demo/.Nope", "Starting: Intent { act=android.intent.action.MAIN cat=[android.intent.category.LAUNCHER] cmp=com.example.demo/.Nope }\n", "Error type 3\nError: Activity class {com.example.demo/com.example.demo.Nope} does not exist.\n", 1},
		{"the same, waiting", "am start -W -n com.none/.Nope | tail -2", "Error type 3\nError: Activity class {com.none/com.none.Nope} does not exist.\n", "", 0},
		{"one that is not for others", "am start -n com.example.demo/.Secret", "Starting: Intent { act=android.intent.action.MAIN cat=[android.intent.category.LAUNCHER] cmp=com.example.demo/.Secret }\n", "java.lang.SecurityException: Permission Denial: starting Intent {", 255},
		{"a link", "am start -W -a android.intent.action.VIEW -d 'demo://open/a?b=1&c=2' --es who me | grep Activity", "Activity: com.example.demo/.Link\n", "", 0},
		{"a link of nobody", "am start -a android.intent.action.VIEW -d none:x", "Starting: Intent { act=android.intent.action.VIEW dat=none:x }\n", "Error: Activity not started, unable to resolve Intent { act=android.intent.action.VIEW dat=none:x flg=0x10000000 }\n", 1},
		{"the browser", "am start -W -a android.intent.action.VIEW -d https://example.com/ | grep Activity", "Activity: org.chromium.webview_shell/.WebViewBrowserActivity\n", "", 0},
		{"home", "am start -W -a android.intent.action.MAIN -c android.intent.category.HOME | grep Activity:", "Activity: com.android.launcher3/.uioverrides.QuickstepLauncher\n", "", 0},
		{"an option that is none", "am start --nope x", "", "java.lang.IllegalArgumentException: Unknown option: --nope", 255},
		{"two that offer", "pm install /data/local/tmp/b.apk; am start -W -d demo://open | grep Activity; cmd package resolve-activity --brief -a android.intent.action.VIEW -d demo://open | tail -1", "Success\nActivity: android/com.android.internal.app.ResolverActivity\nandroid/com.android.internal.app.ResolverActivity\n", "", 0},
		{"monkey", "monkey -p com.example.demo -c android.intent.category.LAUNCHER 1 | head -1; monkey -p com.example.second 1", "Events injected: 1\n** No activities found to run, monkey aborted.\n", "", 252},
		{"permissions", "pm grant com.example.demo android.permission.CAMERA; dumpsys package com.example.demo | grep -e CAMERA: -e INTERNET: -e WRITE_SETTINGS:; pm revoke com.example.demo android.permission.CAMERA; pidof com.example.demo", "      android.permission.INTERNET: granted=true\n        android.permission.CAMERA: granted=true, flags=[ USER_SENSITIVE_WHEN_GRANTED|USER_SENSITIVE_WHEN_DENIED]\n", "", 1},
		{"one it does not ask for", "pm grant com.example.demo android.permission.RECORD_AUDIO", "", "java.lang.SecurityException: Package com.example.demo has not requested permission android.permission.RECORD_AUDIO", 255},
		{"one that cannot change", "pm grant com.example.demo android.permission.INTERNET", "", "is not a changeable permission type", 255},
		{"one of nobody", "pm grant com.example.demo x.y", "", "java.lang.IllegalArgumentException: Unknown permission: x.y", 255},
		{"grant for nobody", "pm grant com.none android.permission.CAMERA", "", "java.lang.IllegalArgumentException: Unknown package: com.none", 255},
		{"a split", "pm install -p com.example.demo /data/local/tmp/s.apk; pm path com.example.demo | wc -l; dumpsys package com.example.demo | grep -e splits= -e versionName", "Success\n2\n    versionName=0.7\n    splits=[base, de]\n", "", 0},
		{"disabled", "pm disable-user com.example.demo; pm list packages -d; am start -W -n com.example.demo/.MainActivity | tail -1; pm enable com.example.demo", "Package com.example.demo new state: disabled-user\npackage:com.example.demo\nError: Activity class {com.example.demo/com.example.demo.MainActivity} does not exist.\nPackage com.example.demo new state: enabled\n", "", 0},
		{"disabling as the shell", "pm disable com.example.demo", "", "java.lang.SecurityException: Shell cannot change component state for com.example.demo/null to 2", 255},
		{"clear", "su 0 touch /data/data/com.example.demo/f; pm clear com.example.demo; su 0 ls /data/data/com.example.demo; pm clear com.none", "Success\ncache\ncode_cache\nfiles\nFailed\n", "", 1},
		{"clear of an app of the image", "am start -n com.example.notes/.MainActivity >/dev/null 2>&1; echo note | su 0 tee /data/data/com.example.notes/files/note.txt; pm clear com.example.notes; su 0 ls /data/data/com.example.notes/files; pidof com.example.notes", "note\nSuccess\n", "", 1},
		{"a session", `set -- $(pm install-create -r -S 100 | tr -d '[]'); echo $1 $2 $3 $4; pm install-write -S 4 $5 a.apk - </data/local/tmp/s.apk; pm install-abandon $5; pm install-commit $5 2>&1 | grep -c 'no access to session'`, "Success: created install session\nSuccess: streamed 4 bytes\nSuccess\n1\n", "", 0},
		{"splits in a session", `id=$(pm install-create -r -S 5000); id=${id##*[}; id=${id%]}; for f in a s; do pm install-write $id $f.apk /data/local/tmp/$f.apk >/dev/null; done; pm install-commit $id; su 0 ls /data/app | grep -c vmdl`, "Success\n0\n", "", 1},
		{"uninstall", "pm uninstall com.example.demo; pm uninstall com.example.demo; pm uninstall com.example.crasher; cmd package uninstall --user 0 com.example.notes; pm list packages notes; cmd package install-existing com.example.notes", "Success\nFailure [DELETE_FAILED_INTERNAL_ERROR]\nFailure [DELETE_FAILED_INTERNAL_ERROR]\nSuccess\nPackage com.example.notes installed for user: 0\n", "", 0},
		{"unknown commands", "pm nope; am nope", "", "Unknown command: nope\nUnknown command: nope\n", 255},
		{"the rest of am", "am broadcast -a a.B --es k v; am get-current-user; am kill com.none; am stack list | grep -c topActivity=.*launcher3", "Broadcasting: Intent { act=a.B flg=0x400000 (has extras) }\nBroadcast completed: result=0\n0\n1\n", "", 0},
	} {
		got := sh(t, g, c.script)
		if got.out != c.out || got.status != c.status || !strings.Contains(got.err, c.err) || c.err == "" && got.err != "" {
			t.Errorf("%s: %s\n got %+v\nwant %q, %q, %d", c.name, c.script, got, c.out, c.err, c.status)
		}
	}
}

// Ensure an app can be streamed in, and one that does not come whole leaves nothing.
func TestStreamedInstall(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	var app bytes.Buffer
	if err := apkbuild.Write(&app, apkbuild.Spec{Package: demo, Size: 3 << 20}); err != nil {
		t.Fatal(err)
	}
	run := func(size int, stdin io.Reader) string {
		var out bytes.Buffer
		s, err := g.Start(guest.Spec{Script: fmt.Sprintf("cmd package install -r -S %d 2>&1", size), Stdin: stdin, Stdout: &out})
		if err != nil {
			t.Fatal(err)
		}
		s.Wait()
		return out.String()
	}
	left := func(when string) {
		if got := sh(t, g, "su 0 ls /data/app").out; got != "" {
			t.Errorf("%s, /data/app has %q", when, got)
		}
	}
	if got := run(app.Len()+1, bytes.NewReader(app.Bytes())); !strings.HasPrefix(got, "Error: failed to write; ") {
		t.Errorf("a stream that ends early: %q", got)
	}
	left("after a short stream")
	if got := run(1<<50, bytes.NewReader(app.Bytes())); !strings.HasPrefix(got, "Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE") {
		t.Errorf("one that is too large: %q", got)
	}
	r, w := io.Pipe()
	s, err := g.Start(guest.Spec{Script: fmt.Sprintf("cmd package install -S %d", app.Len()), Stdin: r})
	if err != nil {
		t.Fatal(err)
	}
	w.Write(app.Bytes()[:2<<20])
	if ids := g.Packages().Sessions(); len(ids) != 1 {
		t.Errorf("sessions in the middle: %v", ids)
	}
	s.Hangup()
	s.Wait()
	w.Close()
	left("after a hangup")
	if got := run(app.Len(), bytes.NewReader(app.Bytes())); got != "Success\n" {
		t.Errorf("a whole one: %q", got)
	}
}

// Ensure an installed app has an icon and a screen, survives a reboot, and an app dies by its buttons.
func TestAppsOnTheScreen(t *testing.T) {
	t.Parallel()
	disk := newDisk()
	g := boot(t, guest.Options{}, disk)
	put(t, g, "/data/local/tmp/a.apk", demoApp())
	put(t, g, "/data/local/tmp/b.apk", apkbuild.Spec{Package: "com.example.second", Label: "Second", Activities: []apk.Activity{apkbuild.Link("com.example.second", "L", "demo", "")}})
	if got := sh(t, g, "pm install /data/local/tmp/a.apk"); got.out != "Success\n" {
		t.Fatalf("install: %+v", got)
	}
	tap(t, g, "Demo App")
	if got := find(t, g, demo+":id/version").Text; got != "0.7 (7)" || find(t, g, demo+":id/action_bar_title").Text != "Demo App" {
		t.Errorf("its version is %q", got)
	}
	sh(t, g, "am start -d 'demo://open/x' --es who 'you' --ei n 3")
	if data, extras := find(t, g, demo+":id/data").Text, find(t, g, demo+":id/extras").Text; data != "demo://open/x" || extras != "who=you\nn=3" {
		t.Errorf("it got %q and %q", data, extras)
	}
	pid := strings.TrimSpace(sh(t, g, "pidof "+demo).out)
	tap(t, g, "CRASH")
	eventually(t, "the app dies", func() (string, bool) { got := sh(t, g, "pidof "+demo).out; return got, got == "" })
	eventually(t, "the log tells of "+pid, func() (string, bool) { // the last line of it comes after the end
		got := sh(t, g, "logcat -d").out
		return got, strings.Contains(got, "FATAL EXCEPTION: main") && strings.Contains(got, "Process: "+demo+", PID: "+pid) &&
			strings.Contains(got, "Process "+demo+" (pid "+pid+") has died")
	})
	if got := sh(t, g, "am start -W -n com.example.crasher/.MainActivity --ez crash true; pidof com.example.crasher; dumpsys dropbox --print data_app_crash | grep -c -e '^Process: com.example' -e 'Caused by: java.lang.IllegalStateException'"); !strings.Contains(got.out, "Status: ok\nLaunchState: COLD\n") || !strings.HasSuffix(got.out, "Complete\n3\n") {
		t.Errorf("a crash at the start: %+v", got)
	}
	sh(t, g, "pm install /data/local/tmp/b.apk; am start -d demo://open")
	tap(t, g, "Second")
	if got := g.Phone().Focused().Component(); got != "com.example.second/.L" {
		t.Errorf("chosen: %s", got)
	}
	sh(t, g, "su 0 kill -9 $(pidof com.example.second)")
	eventually(t, "a killed app leaves the screen", func() (string, bool) {
		got := g.Phone().Focused().Package
		return got, got == "com.android.launcher3"
	})
	g.Shutdown()
	again := boot(t, guest.Options{}, disk)
	find(t, again, "Demo App")
	if again.Phone().Tree().Find(func(v *ui.View) bool { return v.Text == "Second" }) != nil {
		t.Error("an app without a launcher's activity has an icon")
	}
	sh(t, again, "pm uninstall "+demo)
	if again.Phone().Tree().Find(func(v *ui.View) bool { return v.Text == "Demo App" }) != nil {
		t.Error("an app that was removed has an icon")
	}
}
