package apps_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/transport/android/apps"
)

// Texts as Android 14 prints them, abridged.
const (
	listText = `package:/system/framework/framework-res.apk=android versionCode:34 uid:1000
package:/data/app/~~a=b==/com.example.app-x==/base.apk=com.example.app versionCode:12  installer=com.android.shell uid:10123,1010123
package:/system/app/Old/Old.apk=com.example.old versionCode:1  installer=null uid:10010
not a package
package:/x=../../evil versionCode:1 uid:1`
	dumpText = `Activity Resolver Table:
  Package [com.example.app] is not the block
Packages:
  Package [com.example.app] (a1b2c3):
    userId=10123
    pkg=Package{1 com.example.app}
    codePath=/data/app/~~a==/com.example.app-x==
    versionCode=4294967298 minSdk=21 targetSdk=34
    versionName=1.2 beta
    splits=[base, config.x86]
    flags=[ DEBUGGABLE HAS_CODE ]
    dataDir=/data/user/0/com.example.app
    lastUpdateTime=2026-11-26 02:00:00
    installerPackageName=com.android.shell
    declared permissions:
      com.example.app.OWN: prot=signature
    requested permissions:
      android.permission.INTERNET
      android.permission.CAMERA: restricted=true
    install permissions:
      android.permission.INTERNET: granted=true
    User 0: ceDataInode=1 installed=true hidden=false suspended=false stopped=false enabled=3 instant=false virtual=false
      firstInstallTime=2026-11-25 02:00:00
      gids=[3003]
      runtime permissions:
        android.permission.CAMERA: granted=false, flags=[ USER_SET]

Hidden system packages:
  Package [com.example.app] (d4e5f6):
    versionName=0.1
`
)

// Ensure packages are listed as they are, by kind and name, and what a hostile guest lists beside them is left out.
func TestPackages(t *testing.T) {
	t.Parallel()
	client, d := start(t, map[string]string{
		"cmd": `case "$*" in
"package list packages -s") echo package:android; echo package:com.example.old;;
"package list packages -d") echo package:com.example.old;;
*) cat <<'E'
` + listText + "\nE\n;; esac",
		"dumpsys": "cat <<'E'\n" + dumpText + "E",
	}, apps.Options{})
	const (
		system = `{"name":"android","versionCode":34,"uid":1000,"path":"/system/framework/framework-res.apk","system":true,"enabled":true}`
		mine   = `{"name":"com.example.app","versionCode":12,"uid":10123,"path":"/data/app/~~a=b==/com.example.app-x==/base.apk","system":false,"enabled":true,"installer":"com.android.shell"}`
		old    = `{"name":"com.example.old","versionCode":1,"uid":10010,"path":"/system/app/Old/Old.apk","system":true,"enabled":false}`
	)
	for query, want := range map[string]string{
		"":                         system + "," + mine + "," + old,
		"?type=all&disabled=false": system + "," + mine,
		"?type=third-party":        mine,
		"?type=system":             system + "," + old,
		"?disabled=true":           old,
		"?filter=example":          mine + "," + old,
		"?filter=nothing":          "",
		"?filter=app&versions=1":   strings.Replace(mine, `"versionCode":12`, `"versionCode":12,"versionName":"1.2 beta"`, 1),
	} {
		if got := client.Do("GET", base+"/packages"+query, ""); got.Status != 200 || got.Body != `{"packages":[`+want+`]}` {
			t.Errorf("%s: %d %s", query, got.Status, got.Body)
		}
	}
	if scripts := d.Scripts(); len(scripts) != 8 {
		t.Errorf("%d shells for 8 questions", len(scripts))
	}
	for _, query := range []string{"?type=x", "?disabled=x", "?versions=x", "?filter=" + strings.Repeat("a", 300)} {
		if got := client.Do("GET", base+"/packages"+query, ""); got.Status != 400 {
			t.Errorf("%s: %d %s", query, got.Status, got.Body)
		}
	}
	d.Program("cmd", "echo \"cmd: Can't find service: package\"; exit 20")
	if got := client.Do("GET", base+"/packages", ""); got.Status != 422 || !strings.Contains(got.Body, "Can't find service") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// Ensure all that the device knows of a package is told.
func TestDetails(t *testing.T) {
	t.Parallel()
	client, d := start(t, map[string]string{
		"dumpsys": "cat <<'E'\n" + dumpText + "E", "pm": "echo package:/data/x", "pidof": "echo 4321",
		"cmd": "echo '2 activities found:'; echo '  Activity #0:'; echo '    com.example.app/.Main'; echo '    com.other/.Main'",
	}, apps.Options{})
	got := client.Do("GET", base+"/packages/com.example.app", "")
	const want = `{"package":"com.example.app","versionCode":4294967298,"versionName":"1.2 beta","minSdk":21,"targetSdk":34,"uid":10123,` +
		`"path":"/data/app/~~a==/com.example.app-x==","dataDir":"/data/user/0/com.example.app","splits":["base","config.x86"],"system":false,"enabled":false,` +
		`"debuggable":true,"installer":"com.android.shell","firstInstalled":"2026-11-25T02:00:00+01:00","lastUpdated":"2026-11-26T02:00:00+01:00",` +
		`"permissions":{"requested":["android.permission.CAMERA","android.permission.INTERNET"],"granted":["android.permission.INTERNET"]},"activities":[".Main"],"running":true}`
	if got.Status != 200 || got.Body != want {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	d.Program("pm", "exit 1")
	if got := client.Do("GET", base+"/packages/com.example.app", ""); got.Status != 404 {
		t.Errorf("gone: %d %s", got.Status, got.Body)
	}
	if got := client.Do("GET", base+"/packages/-f", ""); got.Status != 400 {
		t.Errorf("no name: %d %s", got.Status, got.Body)
	}
	d.Program("dumpsys", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done | head -c 9000000")
	if got := client.Do("GET", base+"/packages/com.example.app", ""); got.Status != 422 {
		t.Errorf("output without end: %d %.200s", got.Status, got.Body)
	}
}

// Ensure apps are changed as asked, with the device's words where it refuses, and 404 for those that are not there.
func TestChanges(t *testing.T) {
	t.Parallel()
	const there = `case $1 in path) echo package:/data/app/base.apk;; `
	for name, c := range map[string]struct {
		path, body string
		pm, cmd    string
		status     int
		want       string
		called     string
	}{
		"uninstall":            {"/uninstall", `{"package":"com.x.y"}`, "exit 1", "echo Success", 200, `{"package":"com.x.y","uninstalled":true}`, "cmd package uninstall com.x.y"},
		"uninstall, keep":      {"/uninstall", `{"package":"com.x.y","keepData":true}`, "exit 1", "echo Success", 200, `"uninstalled":true`, "cmd package uninstall -k com.x.y"},
		"uninstall of nothing": {"/uninstall", `{"package":"com.x.y"}`, "exit 1", "echo 'Failure [DELETE_FAILED_INTERNAL_ERROR]'; exit 1", 404, "no package com.x.y", ""},
		"uninstall refused":    {"/uninstall", `{"package":"com.x.y"}`, there + "esac", "echo 'Failure [DELETE_FAILED_DEVICE_POLICY_MANAGER]'; exit 1", 422, `"androidCode":"DELETE_FAILED_DEVICE_POLICY_MANAGER"`, ""},
		"uninstall of no name": {"/uninstall", `{"package":"x; reboot"}`, "", "", 400, "no package name", ""},
		"stop":                 {"/stop", `{"package":"com.x.y"}`, there + "esac", "", 200, `{"package":"com.x.y","stopped":true,"wasRunning":false}`, "am force-stop com.x.y"},
		"stop of nothing":      {"/stop", `{"package":"com.x.y"}`, "exit 1", "", 404, "no package", ""},
		"clear":                {"/clear", `{"package":"com.x.y"}`, there + "clear) echo Success;; esac", "", 200, `"cleared":true`, "pm clear com.x.y"},
		"clear refused":        {"/clear", `{"package":"com.x.y"}`, there + "clear) echo Failed; exit 1;; esac", "", 422, "Failed", ""},
		"clear of nothing":     {"/clear", `{}`, "", "", 400, "package name is wanted", ""},
		"grant": {"/grant", `{"package":"com.x.y","permissions":["CAMERA","com.x.y.OWN"]}`, there + "esac", "", 200,
			`"results":[{"permission":"android.permission.CAMERA","done":true},{"permission":"com.x.y.OWN","done":true}]`, "pm grant com.x.y android.permission.CAMERA"},
		"grant refused": {"/grant", `{"package":"com.x.y","permissions":["CAMERA","com.x.y.OWN"]}`,
			there + "grant) case $3 in *OWN) echo; echo \"Exception occurred while executing 'grant':\"; echo 'java.lang.SecurityException: Package com.x.y has not requested permission com.x.y.OWN'; exit 255;; esac;; esac", "", 422,
			`"results":[{"permission":"android.permission.CAMERA","done":true},{"permission":"com.x.y.OWN","done":false,"error":"Package com.x.y has not requested permission com.x.y.OWN"}]`, ""},
		"revoke":            {"/revoke", `{"package":"com.x.y","permissions":["CAMERA"]}`, there + "esac", "", 200, `"done":true`, "pm revoke com.x.y android.permission.CAMERA"},
		"revoke of nothing": {"/revoke", `{"package":"com.x.y","permissions":[]}`, "", "", 400, "list of 1 to 64", ""},
		"revoke of no name": {"/revoke", `{"package":"com.x.y","permissions":["--all"]}`, "", "", 400, "no permission", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, d := start(t, map[string]string{"pm": c.pm, "cmd": c.cmd}, apps.Options{})
			got := client.Do("POST", base+c.path, c.body)
			if got.Status != c.status || !strings.Contains(got.Body, c.want) {
				t.Errorf("%d %s", got.Status, got.Body)
			}
			if lines := d.Lines(); c.called != "" && !slices.Contains(lines, c.called) || c.status == 400 && len(lines) > 0 {
				t.Errorf("called %q", lines)
			}
			if !json.Valid([]byte(got.Body)) {
				t.Errorf("no JSON: %s", got.Body)
			}
		})
	}
}
