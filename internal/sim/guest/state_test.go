package guest_test

import (
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest"
)

// Ensure the commands that change what a device is in do so, and refuse in Android's words what they cannot.
func TestTheDevicesState(t *testing.T) {
	t.Parallel()
	new15, old10 := boot(t, guest.Options{}), boot(t, guest.Options{Release: "10"})
	for _, c := range []struct {
		name        string
		g           *guest.Guest
		script, out string
		err         string
		status      int
	}{
		{"no test provider", new15, "cmd location providers set-test-provider-location gps --location 1,2; dumpsys location | grep -c 'Location\\['", "0\n", "", 1},
		{"a place", new15, "appops set com.android.shell android:mock_location allow && cmd location providers add-test-provider gps && cmd location providers set-test-provider-enabled gps true && " +
			"cmd location providers set-test-provider-location gps --location 52.52,-13.405 --accuracy 5 && dumpsys location | grep -o 'Location.gps .* hAcc=5'", "Location[gps 52.520000,-13.405000 hAcc=5\n", "", 0},
		{"a bad place", new15, "cmd location providers set-test-provider-location gps --location x", "", "Location argument must be in the form of", 255},
		{"an option that is not there", new15, "cmd location providers set-test-provider-location gps --altitude 3 --location 1,2", "", "Unknown option: --altitude", 255},
		{"another provider", new15, "cmd location providers set-test-provider-location network --location 1,2", "", "network provider is not a test provider", 255},
		{"no place", new15, "cmd location providers remove-test-provider gps; dumpsys location | grep -c mock", "0\n", "", 1},
		{"places in Android 10", old10, "cmd location providers add-test-provider gps", "", "Unknown command: providers", 255},
		{"battery", new15, "dumpsys battery set level 7; dumpsys battery unplug; dumpsys battery set status 3; dumpsys battery | grep -e STOPPED -e 'AC pow' -e level -e status", "  (UPDATES STOPPED -- use 'reset' to restart)\n  AC powered: false\n  status: 3\n  level: 7\n", "", 0},
		{"a bad level", new15, "dumpsys battery set level x", "", "Bad value: x", 255},
		{"a bad option", new15, "dumpsys battery set nope 1", "", "Unknown set option: nope", 255},
		{"the true battery", new15, "dumpsys battery reset; dumpsys battery | grep -c -e STOPPED -e 'level: 85'", "1\n", "", 0},
		{"airplane", new15, "cmd connectivity airplane-mode enable; cmd connectivity airplane-mode; settings get global airplane_mode_on; cmd connectivity airplane-mode disable; cmd connectivity airplane-mode", "enabled\n1\ndisabled\n", "", 0},
		{"airplane in Android 10", old10, "cmd connectivity airplane-mode enable", "", "Unknown command: airplane-mode", 255},
		{"time zone", new15, "getprop persist.sys.timezone; cmd alarm set-timezone Asia/Kolkata; getprop persist.sys.timezone; date +%z; date -u +%z", "GMT\nAsia/Kolkata\n+0530\n+0000\n", "", 0},
		{"no time zone", new15, "cmd alarm set-timezone Nope/Nope; getprop persist.sys.timezone", "GMT\n", "", 0},
		{"time zone without a command", new15, "service call alarm 3 s16 Europe/Berlin >/dev/null; getprop persist.sys.timezone", "Europe/Berlin\n", "", 0},
		{"an app's locale", new15, "cmd locale set-app-locales com.example.notes --user current --locales de-DE; cmd locale get-app-locales com.example.notes", "Locales for com.example.notes for user 0 are [de-DE]\n", "", 0},
		{"no app", new15, "cmd locale get-app-locales com.nope", "Unknown package com.nope for userId 0\n", "", 0},
		{"locales in Android 10", old10, "cmd locale get-app-locales com.example.notes", "", "cmd: Can't find service: locale", 20},
	} {
		got := sh(t, c.g, c.script)
		if got.out != c.out || got.status != c.status || !strings.Contains(got.err, c.err) || c.err == "" && got.err != "" {
			t.Errorf("%s: %s\n got %+v\nwant %q, %q, %d", c.name, c.script, got, c.out, c.err, c.status)
		}
	}
}
