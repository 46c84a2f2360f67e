package apps_test

import (
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/transport/android/apps"
)

const startedText = `echo 'Starting: Intent { cmp=com.x.y/.Main }'; echo 'Status: ok'; echo 'LaunchState: COLD'; echo 'Activity: com.x.y/.Main'; echo 'TotalTime: 231'; echo 'WaitTime: 240'; echo Complete`

// phone has com.x.y with one activity.
func phone(more map[string]string) map[string]string {
	programs := map[string]string{
		"pm":    `case $1 in path) case $2 in com.x.y) echo package:/data/app/base.apk;; *) exit 1;; esac;; esac`,
		"cmd":   `echo '1 activities found:'; echo '  Activity #0:'; echo '    com.x.y/.Main'`,
		"am":    startedText,
		"pidof": "echo 4321",
	}
	for name, script := range more {
		programs[name] = script
	}
	return programs
}

// Ensure an app is started with exactly what was asked for, each word quoted, and told as the device tells.
func TestLaunch(t *testing.T) {
	t.Parallel()
	const launcher = "am start -W -a android.intent.action.MAIN -c android.intent.category.LAUNCHER"
	for body, want := range map[string]string{
		`{"package":"com.x.y"}`:                                                                                                launcher + " -n com.x.y/.Main",
		`{"package":"com.x.y","wait":false,"stop":true}`:                                                                       "am start -S -a android.intent.action.MAIN -c android.intent.category.LAUNCHER -n com.x.y/.Main",
		`{"package":"com.x.y","activity":".Other"}`:                                                                            "am start -W -n com.x.y/.Other",
		`{"package":"com.x.y","activity":"com.x.y/.Other"}`:                                                                    "am start -W -n com.x.y/.Other",
		`{"package":"com.x.y","url":"https://e.org/?a=1&b='$(reboot)' x"}`:                                                     "am start -W -p com.x.y -a android.intent.action.VIEW -d https://e.org/?a=1&b='$(reboot)' x",
		`{"package":"com.x.y","data":"myapp:1","action":"a.b.C","category":["a.b","c.d"],"mimeType":"image/*"}`:                "am start -W -p com.x.y -a a.b.C -c a.b -c c.d -t image/* -d myapp:1",
		`{"package":"com.x.y","url":"file:///x","allowSchemes":["FILE"]}`:                                                      "am start -W -p com.x.y -a android.intent.action.VIEW -d file:///x",
		`{"package":"com.x.y","extras":{"s":"-n a;b","b":true,"i":-3,"l":3000000000,"f":1.5,"n":null,"a":["x","y z"],"z":""}}`: "am start -W -a android.intent.action.MAIN -c android.intent.category.LAUNCHER --esa a x,y z --ez b true --ef f 1.5 --ei i -3 --el l 3000000000 --esn n --es s -n a;b --es z  -n com.x.y/.Main",
	} {
		client, d := start(t, phone(nil), apps.Options{})
		got := client.Do("POST", base+"/launch", body)
		const answer = `{"package":"com.x.y","activity":".Main","launchState":"COLD","totalTimeMs":231,"status":"ok","pid":4321}`
		if got.Status != 200 || got.Body != answer {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
		// The log is followed at the same time, so its words may stand on the same line.
		if lines := d.Lines(); !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("%s: called as %q", body, lines)
		}
	}
}

// Ensure nothing can be smuggled into an intent, and nothing bad is asked of the device.
func TestLaunchOfNothing(t *testing.T) {
	t.Parallel()
	client, d := start(t, phone(nil), apps.Options{})
	for body, want := range map[string]string{
		`{}`:                              "package name is wanted",
		`{"package":"com.x.y --user 10"}`: "no package name",
		`{"package":"com.x.y","activity":"--es a b"}`:                "no activity",
		`{"package":"com.x.y","activity":"com.other/.Main"}`:         "no activity",
		`{"package":"com.x.y","action":"-a"}`:                        "no action",
		`{"package":"com.x.y","category":"x y"}`:                     "no category",
		`{"package":"com.x.y","mimeType":"-t"}`:                      "no MIME type",
		`{"package":"com.x.y","url":"JavaScript:alert(1)"}`:          "allowSchemes",
		`{"package":"com.x.y","url":"intent://x#Intent;end"}`:        "allowSchemes",
		`{"package":"com.x.y","url":"content://x"}`:                  "allowSchemes",
		`{"package":"com.x.y","url":"-n com.other/.Main"}`:           "no scheme",
		`{"package":"com.x.y","url":"https://a","data":"https://b"}`: "same thing",
		`{"package":"com.x.y","url":"https://a\nb"}`:                 "control characters",
		`{"package":"com.x.y","extras":{"--user":"10"}}`:             "no name of an extra",
		`{"package":"com.x.y","extras":{"a":{}}}`:                    "a value is",
		`{"package":"com.x.y","extras":{"a":[1]}}`:                   "texts only",
		`{"package":"com.x.y","extras":{"a":["x,y"]}}`:               "cannot pass",
		`{"package":"com.x.y","extras":{"a":[]}}`:                    "empty list",
		`{"package":"com.x.y","extras":{"a":1e99}}`:                  "no number",
		`{"package":"com.x.y","extras":{"a":99999999999999999999}}`:  "no number",
		`{"package":"com.x.y","extras":{"a":"\u0000"}}`:              "NUL",
		`{"package":"com.x.y","watchMs":99999}`:                      "watchMs",
	} {
		if got := client.Do("POST", base+"/launch", body); got.Status != 400 || !strings.Contains(got.Body, want) {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
	if lines := d.Lines(); len(lines) > 0 {
		t.Errorf("called %q", lines)
	}
}

// Ensure what cannot be started says why.
func TestLaunchRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body     string
		programs map[string]string
		status   int
		want     string
	}{
		"unknown":   {`{"package":"com.gone.app"}`, nil, 404, "no package com.gone.app"},
		"disabled":  {`{"package":"com.x.y"}`, map[string]string{"pm": `case $1 in path) echo package:/x;; list) echo package:com.x.y;; esac`}, 409, "is disabled"},
		"nothing":   {`{"package":"com.x.y"}`, map[string]string{"cmd": "echo 'No activities found'"}, 422, "no activity that a launcher shows"},
		"ambiguous": {`{"package":"com.x.y"}`, map[string]string{"cmd": "echo '    com.x.y/.B'; echo '    com.x.y/.A'"}, 409, `"activities":[".A",".B"]`},
		"no such activity": {`{"package":"com.x.y","activity":".Gone"}`, map[string]string{
			"am": "echo 'Error type 3'; echo 'Error: Activity class {com.x.y/com.x.y.Gone} does not exist.'"}, 404, "no activity .Gone"},
		"unresolved": {`{"package":"com.x.y","url":"x:y"}`, map[string]string{
			"am": "echo 'Error: Activity not started, unable to resolve Intent { act=android.intent.action.VIEW }'; exit 1"}, 422, "nothing in package"},
		"not exported": {`{"package":"com.x.y","activity":".Own"}`, map[string]string{
			"am": "echo; echo \"Exception occurred while executing 'start':\"; echo 'java.lang.SecurityException: Permission Denial: starting Intent { } not exported from uid 10123'; exit 255"}, 422, "not exported from uid 10123"},
		"system gone": {`{"package":"com.x.y"}`, map[string]string{"am": "echo \"cmd: Can't find service: activity\"; exit 20"}, 422, "find service"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, _ := start(t, phone(c.programs), apps.Options{})
			if got := client.Do("POST", base+"/launch", c.body); got.Status != c.status || !strings.Contains(got.Body, c.want) {
				t.Errorf("%d %s", got.Status, got.Body)
			}
		})
	}
}

// crashText is what the log of crashes says of one, at this time.
func crashText(second, pkg string) string {
	head := "11-26 02:00:" + second + ".000  4321  4321 E AndroidRuntime: "
	return head + "FATAL EXCEPTION: main\n" + head + "Process: " + pkg + ", PID: 4321\n" +
		head + "java.lang.IllegalStateException: asked to crash\n" + head + "\tat com.x.y.Main.onCreate(Main.java:7)\n"
}

const nativeText = `11-26 02:00:09.000  5000  5000 F DEBUG   : *** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***
11-26 02:00:09.000  5000  5000 F DEBUG   : Build fingerprint: 'generic/x:14/x:userdebug/test-keys'
11-26 02:00:09.000  5000  5000 F DEBUG   : pid: 4321, tid: 4330, name: render  >>> com.x.y <<<
11-26 02:00:09.000  5000  5000 F DEBUG   : uid: 10123
11-26 02:00:09.000  5000  5000 F DEBUG   : signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0
`

// Ensure an app that dies at once is answered with its exception, and only its own of now; and that this is told when it
// happens and not when the time is up.
func TestLaunchCrash(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after  string // what the log says from the start of the app on, behind an old crash of its
		status int
		want   string
	}{
		"its own":     {crashText("02", "com.x.y"), 422, `"crash":"java.lang.IllegalStateException: asked to crash"`},
		"a service's": {crashText("02", "com.x.y:remote"), 422, `"pid":4321`},
		"native":      {nativeText, 422, `"crash":"signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0"`},
		"another's":   {crashText("02", "com.x.yz"), 200, `"pid":4321`},
		"none":        {"", 200, `"pid":4321`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, d := start(t, nil, apps.Options{Watch: 300 * time.Millisecond})
			for program, script := range phone(map[string]string{
				"am":     "cat '" + d.Dir() + "/after' >>'" + d.Dir() + "/crash'; " + startedText,
				"logcat": "cat '" + d.Dir() + "/crash'",
			}) {
				d.Program(program, script)
			}
			d.Write("crash", crashText("01", "com.x.y"))
			d.Write("after", c.after)
			got := client.Do("POST", base+"/launch", `{"package":"com.x.y"}`)
			if got.Status != c.status || !strings.Contains(got.Body, c.want) {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
			if c.status == 422 && (!strings.Contains(got.Body, `"log":["11-26 02:00:0`) || strings.Contains(got.Body, "02:00:01")) {
				t.Errorf("%s", got.Body)
			}
		})
	}
	client, d := start(t, nil, apps.Options{Watch: time.Minute})
	for program, script := range phone(map[string]string{
		"am": `while [ ! -e '` + d.Dir() + `/followed' ]; do sleep 0.01; done; cat '` + d.Dir() + `/after' >>'` + d.Dir() + "/crash'; sleep 60",
		"logcat": `case "$*" in *-T*) cat '` + d.Dir() + `/crash'; : >'` + d.Dir() + `/followed'
while [ "$(cat '` + d.Dir() + `/crash' | wc -l)" -lt 8 ]; do sleep 0.01; done; cat '` + d.Dir() + `/crash'; sleep 60;;
*) cat '` + d.Dir() + "/crash';; esac",
	}) {
		d.Program(program, script)
	}
	d.Write("crash", crashText("01", "com.x.y"))
	d.Write("after", crashText("02", "com.x.y"))
	if got := client.Do("POST", base+"/launch", `{"package":"com.x.y"}`); got.Status != 422 || !strings.Contains(got.Body, "asked to crash") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}
