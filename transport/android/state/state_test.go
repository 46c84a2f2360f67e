package state_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/state"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

const base = "/sandboxes/dev-1/android/"

// start serves the door for a device whose programs keep what they are told in files.
func start(t *testing.T, programs map[string]string) (*transporttest.Client, *guestshelltest.Guest) {
	t.Helper()
	guest := guestshelltest.New(t, nil)
	dir := guest.Dir()
	all := map[string]string{
		"settings": `case $1 in put) echo "$4" >` + dir + `/$2.$3;; get) cat ` + dir + `/$2.$3 2>/dev/null || echo null;; esac`,
		"getprop": `if (( $# )); then cat ` + dir + `/$1 2>/dev/null; else cat <<'E'
[persist.sys.timezone]: [Europe/Berlin]
[ro.build.description]: [one line
and [another]: [with brackets]
]
[ro.build.version.sdk]: [35]
[ro.product.locale]: [en-US]
[ro.product.model]: [Cuttlefish x86_64 phone]
[ro.serialno]: [X1]
[sys.boot_completed]: [1]
E
fi`,
		"wm":      `[[ $1 = size ]] && echo 'Physical size: 720x1280'; [[ $1 = density ]] && printf 'Physical density: 320\nOverride density: 240\n'`,
		"dumpsys": "true",
		"date":    "echo +0100",
		"appops":  "true",
		"cmd":     "echo \"cmd: Can't find service: $1\" >&2; exit 20",
	}
	for name, script := range programs {
		all[name] = script
	}
	for name, script := range all {
		guest.Program(name, script)
	}
	kit := android.NewKit(lease.New(transporttest.Lessor(nil), nil), guest)
	return transporttest.Start(t, transport.Options{}, func(s *transport.Server) { android.Mount(s, state.New(kit).Routes()) }), guest
}

// want is an answer that is expected: a status, and JSON that is compared by value, or a part of a message.
func want(t *testing.T, got transporttest.Answer, status int, body string) {
	t.Helper()
	if got.Status != status {
		t.Errorf("got %d %s, want %d %s", got.Status, got.Body, status, body)
		return
	}
	if !strings.HasPrefix(body, "{") {
		if !strings.Contains(got.Body, body) {
			t.Errorf("got %s, want %q in it", got.Body, body)
		}
		return
	}
	var a, b any
	if json.Unmarshal([]byte(got.Body), &a) != nil || json.Unmarshal([]byte(body), &b) != nil {
		t.Fatalf("got %s", got.Body)
	}
	ja, _ := json.Marshal(a)
	jb, _ := json.Marshal(b)
	if string(ja) != string(jb) {
		t.Errorf("got  %s\nwant %s", ja, jb)
	}
}

// Ensure values of several lines are read whole, and that one can ask for some.
func TestProps(t *testing.T) {
	t.Parallel()
	c, _ := start(t, nil)
	want(t, c.Do("GET", base+"props?prefix=ro.build", ""), 200,
		`{"props":{"ro.build.description":"one line\nand [another]: [with brackets]\n","ro.build.version.sdk":"35"}}`)
	want(t, c.Do("GET", base+"props?name=ro.serialno", ""), 200, `{"props":{"ro.serialno":"X1"}}`)
	want(t, c.Do("GET", base+"props?name=ro.nope", ""), 200, `{"props":{}}`)
	want(t, c.Do("GET", base+"props?name=a%20b", ""), 400, "name is no part of a property's name")
	want(t, c.Do("GET", "/sandboxes/stopped/android/props", ""), 409, "is the sandbox started?")
}

// Ensure what a device is comes from one use of it, and a silent device is described as far as it goes.
func TestDevice(t *testing.T) {
	t.Parallel()
	c, guest := start(t, map[string]string{
		"dumpsys": `case $1 in
window) echo '  cur=1280x720 app=1x1'; echo '  mCurrentRotation=ROTATION_90';;
battery) printf 'Current Battery Service state:\n  AC powered: true\n  USB powered: false\n  status: 4\n  health: 2\n  present: true\n  level: 85\n  scale: 100\n  voltage: 5000\n  temperature: 250\n';;
activity) echo '    topResumedActivity=ActivityRecord{6b7e8f9 u0 com.a/.B t12}';;
esac`,
	})
	got := c.Do("GET", base+"device", "")
	if got.Status != 200 || got.Field(t, "screen") != `{"width":1280,"height":720,"density":240,"rotation":90}` || got.Field(t, "currentActivity") != "com.a/.B" ||
		got.Field(t, "bootCompleted") != "true" || got.Field(t, "sdk") != "35" || got.Field(t, "locale") != "en-US" || got.Field(t, "uptimeSeconds") == "0" ||
		got.Field(t, "battery") != `{"level":85,"status":"notCharging","plugged":"ac","health":"good","present":true,"temperatureCelsius":25,"millivolts":5000,"simulated":false}` {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if n := len(guest.Scripts()); n != 1 {
		t.Errorf("%d uses of the device", n)
	}
	for _, program := range []string{"getprop", "wm", "dumpsys", "settings"} {
		guest.Program(program, "exit 1")
	}
	if got := c.Do("GET", base+"device", ""); got.Status != 200 || got.Field(t, "model") != "" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

// Ensure what is refused is refused before the device hears of it.
func TestWhatCannotBe(t *testing.T) {
	t.Parallel()
	c, guest := start(t, nil)
	for _, r := range [][3]string{
		{"rotate", `{"rotation":45}`, `rotation must be 0, 90, 180, 270 or \"auto\"`},
		{"rotate", `{}`, "rotation must be"},
		{"rotate", `{"rotation":"90; reboot"}`, "rotation must be"},
		{"location", `{"latitude":91,"longitude":0}`, "latitude must be from -90 to 90"},
		{"location", `{"latitude":1}`, "latitude and longitude are required"},
		{"location", `{"latitude":1,"longitude":2,"accuracy":-1}`, "accuracy must be"},
		{"locale", `{"locale":"de_DE; reboot","package":"com.a.b"}`, "locale must be a language tag"},
		{"locale", `{"locale":"de","package":"-x"}`, "is no package name"},
		{"timezone", `{"timezone":"Europe/Nowhere"}`, "must be a name of the IANA table"},
		{"timezone", `{"timezone":"../../etc/passwd"}`, "must be a name of the IANA table"},
		{"timezone", `{"timezone":""}`, "must be a name"},
		{"timezone", `{"timezone":"Local"}`, "must be a name"},
		{"battery", `{}`, "level, status, plugged or reset is required"},
		{"battery", `{"level":101}`, "level must be from 0 to 100"},
		{"battery", `{"status":"sad"}`, "status must be one of charging, discharging, full, notCharging, unknown"},
		{"battery", `{"plugged":"x"}`, "plugged must be none or one of ac, usb, wireless"},
		{"battery", `{"reset":true,"level":3}`, "reset stands alone"},
		{"airplane", `{}`, "enabled is required"},
		{"animations", `{"enabled":true,"scale":1}`, "either enabled or scale"},
		{"animations", `{"scale":11}`, "scale must be from 0 to 10"},
		{"url", `{"url":"javascript:alert(1)"}`, "javascript is not opened unless"},
		{"url", `{"url":"file:///sdcard/a"}`, "file is not opened unless"},
		{"url", `{"url":"content://a/b"}`, "content is not opened unless"},
		{"url", `{"url":"intent://x#Intent;end","allowSchemes":["intent"]}`, "intent is never opened"},
		{"url", `{"url":"myapp://x","allowSchemes":["My App"]}`, "is no scheme"},
		{"url", `{"url":"https://"}`, "url has no host"},
		{"url", `{"url":"example.com"}`, "is no absolute URL"},
		{"url", `{"url":"https://a/ b"}`, "holds spaces"},
		{"url", `{"url":"https://a/","package":"a b"}`, "is no package name"},
		{"clipboard", `{}`, "text is required"},
		{"clipboard", `{"text":"a\u0000"}`, "text is required"},
	} {
		want(t, c.Do("POST", base+r[0], r[1]), 400, r[2])
	}
	if calls := guest.Scripts(); calls != nil {
		t.Errorf("the device was told %q", calls)
	}
}

// Ensure what was set is what the device says afterwards.
func TestChanges(t *testing.T) {
	t.Parallel()
	c, guest := start(t, map[string]string{
		"dumpsys": `d=` + `$(dirname $0)/..; case "$1 $2" in
"battery set") echo "$4" >$d/$3;; "battery unplug") echo 0 >$d/ac;; "battery reset") rm -f $d/ac $d/level;;
"battery ") [ -e $d/level ] && echo '  (UPDATES STOPPED -- use '"'reset'"' to restart)'; echo "  AC powered: $([ "$(cat $d/ac 2>/dev/null)" = 1 ] && echo true || echo false)"; echo "  status: $(cat $d/status 2>/dev/null)"; echo "  level: $(cat $d/level 2>/dev/null || echo 85)";;
"window displays") echo "  mCurrentRotation=ROTATION_270";;
esac`,
		"dirname": `echo "${1%/*}"`,
	})
	want(t, c.Do("POST", base+"rotate", `{"rotation":270}`), 200, `{"rotation":270,"auto":false,"current":270}`)
	want(t, c.Do("GET", base+"rotate", ""), 200, `{"rotation":270,"auto":false,"current":270}`)
	want(t, c.Do("POST", base+"rotate", `{"rotation":"auto"}`), 200, `{"rotation":270,"auto":true,"current":270}`)
	want(t, c.Do("GET", base+"animations", ""), 200, `{"enabled":true,"window":1,"transition":1,"animator":1}`)
	want(t, c.Do("POST", base+"animations", `{"enabled":false}`), 200, `{"enabled":false,"window":0,"transition":0,"animator":0}`)
	want(t, c.Do("POST", base+"animations", `{"scale":0.5}`), 200, `{"enabled":true,"window":0.5,"transition":0.5,"animator":0.5}`)
	got := c.Do("POST", base+"battery", `{"level":7,"status":"charging","plugged":"ac"}`)
	if got.Status != 200 || got.Field(t, "level") != "7" || got.Field(t, "status") != "charging" || got.Field(t, "plugged") != "ac" || got.Field(t, "simulated") != "true" {
		t.Errorf("battery: %d %s", got.Status, got.Body)
	}
	if got = c.Do("POST", base+"battery", `{"reset":true}`); got.Status != 200 || got.Field(t, "simulated") != "false" {
		t.Errorf("battery: %d %s", got.Status, got.Body)
	}
	guest.Program("settings", "[[ $1 = get ]] && echo null; true")
	want(t, c.Do("POST", base+"rotate", `{"rotation":90}`), 422, "the device did not take the rotation")
	want(t, c.Do("POST", base+"animations", `{"scale":2}`), 422, "the device did not take the scales")
	guest.Program("settings", "echo 'Error: no way' >&2; exit 255")
	want(t, c.Do("POST", base+"rotate", `{"rotation":90}`), 422, "exit code 255): Error: no way")
}

// Ensure places are set by a test provider, and devices that have none are told apart.
func TestLocation(t *testing.T) {
	t.Parallel()
	c, guest := start(t, nil)
	want(t, c.Do("POST", base+"location", `{"latitude":1,"longitude":2}`), 501, "since Android 12; the device says: cmd: Can't find service: location")
	want(t, c.Do("GET", base+"location", ""), 200, `{"enabled":false,"mock":false}`)
	guest.Program("cmd", `[[ $3 = set-test-provider-location ]] && echo "$6" >`+guest.Dir()+`/place; if [[ $9 = --altitude ]]; then echo "Exception occurred while executing 'providers':
java.lang.IllegalArgumentException: Unknown option: --altitude" >&2; exit 255; fi; true`)
	guest.Program("dumpsys", `echo "last location=Location[gps $(cat `+guest.Dir()+`/place) hAcc=5.5 et=+1s mock]"`)
	guest.Program("settings", "echo 3")
	guest.Lines()
	want(t, c.Do("POST", base+"location", `{"latitude":52.52,"longitude":-13.405,"accuracy":5.5}`), 200,
		`{"enabled":true,"latitude":52.52,"longitude":-13.405,"accuracy":5.5,"mock":true}`)
	if calls := guest.Lines(); len(calls) < 4 || calls[0] != "appops set com.android.shell android:mock_location allow" ||
		calls[3] != "cmd location providers set-test-provider-location gps --location 52.5200000,-13.4050000 --accuracy 5.5" {
		t.Errorf("called %q", calls)
	}
	want(t, c.Do("POST", base+"location", `{"latitude":1,"longitude":2,"accuracy":3,"altitude":4}`), 501, "leave it out; the device says: java.lang.IllegalArgumentException: Unknown option: --altitude")
	guest.Program("dumpsys", `echo "last location=null"`)
	want(t, c.Do("POST", base+"location", `{"latitude":1,"longitude":2}`), 422, "did not take the place")
	want(t, c.Do("DELETE", base+"location", ""), 204, "")
}

// Ensure languages and time zones are set by what the release has for it.
func TestRegion(t *testing.T) {
	t.Parallel()
	c, guest := start(t, nil)
	want(t, c.Do("GET", base+"locale", ""), 200, `{"locale":"en-US"}`)
	want(t, c.Do("POST", base+"locale", `{"locale":"de-DE"}`), 501, "Android lets no shell change the language of the whole device")
	want(t, c.Do("POST", base+"locale", `{"locale":"de-DE","package":"com.a.b"}`), 501, "since Android 13; the device says: cmd: Can't find service: locale")
	want(t, c.Do("GET", base+"locale?package=com.a.b", ""), 501, "since Android 13")
	guest.Program("cmd", `f=`+guest.Dir()+`/l; case $2 in set-app-locales) [[ $3 = com.no.pe ]] && echo "Unknown package $3 for userId 0" || echo "$7" >$f;;
get-app-locales) [[ $3 = com.no.pe ]] && echo "Unknown package $3 for userId 0" || echo "Locales for $3 for user 0 are [$(cat $f)]";; *) echo "Unknown command: $2"; exit 255;; esac`)
	want(t, c.Do("POST", base+"locale", `{"locale":"de-DE","package":"com.a.b"}`), 200, `{"package":"com.a.b","locale":"de-DE"}`)
	want(t, c.Do("POST", base+"locale", `{"locale":"","package":"com.a.b"}`), 200, `{"package":"com.a.b","locale":""}`)
	want(t, c.Do("POST", base+"locale", `{"locale":"de","package":"com.no.pe"}`), 404, "package com.no.pe is not installed")
	guest.Program("service", `echo "$5" >`+guest.Dir()+`/persist.sys.timezone; echo 'Result: Parcel()'`)
	guest.Lines()
	want(t, c.Do("POST", base+"timezone", `{"timezone":"Europe/Berlin"}`), 200, `{"timezone":"Europe/Berlin","utcOffset":"+0100","automatic":false}`)
	if calls := guest.Lines(); !slices.Contains(calls, "service call alarm 3 s16 Europe/Berlin") || !slices.Contains(calls, "cmd alarm set-timezone Europe/Berlin") {
		t.Errorf("called %q", calls)
	}
	guest.Program("cmd", "true")
	want(t, c.Do("POST", base+"timezone", `{"timezone":"Asia/Tokyo"}`), 422, "did not take the time zone")
}

// Ensure a clipboard is one only where the image has commands for it, and airplane mode likewise.
func TestWhatAnImageHas(t *testing.T) {
	t.Parallel()
	c, guest := start(t, map[string]string{"cmd": "echo 'No shell command implementation.' >&2"})
	for _, method := range []string{"GET", "POST"} {
		want(t, c.Do(method, base+"clipboard", `{"text":"a"}`), 501, "stock Android has none; asked for them it says: No shell command implementation.")
	}
	want(t, c.Do("POST", base+"airplane", `{"enabled":true}`), 501, "since Android 11; the device says: No shell command implementation.")
	want(t, c.Do("GET", base+"airplane", ""), 200, `{"enabled":false}`)
	guest.Program("cmd", `f=`+guest.Dir()+`/clip; case $2 in help) printf '  get-primary-clip\n  set-primary-clip TEXT\n';; get*) cat $f;; set*) printf '%s' "$3" >$f;;
airplane-mode) [[ $3 = enable ]] && echo 1 >`+guest.Dir()+`/global.airplane_mode_on;; esac; true`)
	want(t, c.Do("POST", base+"clipboard", `{"text":"it's $HOME"}`), 200, `{"text":"it's $HOME"}`)
	want(t, c.Do("GET", base+"clipboard", ""), 200, `{"text":"it's $HOME"}`)
	want(t, c.Do("POST", base+"airplane", `{"enabled":true}`), 200, `{"enabled":true}`)
	want(t, c.Do("POST", base+"airplane", `{"enabled":false}`), 422, "did not take airplane mode")
}

// Ensure a URL reaches the device as one word, with what was allowed, and what am says comes back.
func TestURL(t *testing.T) {
	t.Parallel()
	c, guest := start(t, map[string]string{
		"am": `echo "Starting: Intent { act=android.intent.action.VIEW dat=$7 }"; printf 'Status: ok\nLaunchState: COLD\nActivity: com.a/.B\nTotalTime: 42\nWaitTime: 45\nComplete\n'`,
	})
	const url = `https://a.example/?q=1&b=$(reboot)'";`
	body, _ := json.Marshal(map[string]any{"url": url, "package": "com.a"})
	guest.Calls()
	got := c.Do("POST", base+"url", string(body))
	if got.Status != 200 || got.Field(t, "activity") != "com.a/.B" || got.Field(t, "totalTimeMs") != "42" || got.Field(t, "url") != url {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if calls := guest.Calls(); len(calls) != 1 || !slices.Equal(calls[0], []string{"am", "start", "-W", "-a", "android.intent.action.VIEW", "-d", url, "-p", "com.a"}) {
		t.Errorf("called %q", calls)
	}
	if got := c.Do("POST", base+"url", `{"url":"myapp:x","allowSchemes":["myapp"]}`); got.Status != 200 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	guest.Program("am", `echo 'Starting: Intent { }'; echo 'Error: Activity not started, unable to resolve Intent { }'`)
	want(t, c.Do("POST", base+"url", `{"url":"https://a/"}`), 422, "unable to resolve")
}
