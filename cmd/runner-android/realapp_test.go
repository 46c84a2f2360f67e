package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Ensure an app that Google's tools have built and signed installs, is known by its true name and version, starts, and
// is removed, for a user of Daytona.
func TestRealApp(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("skipped: needs npm")
	}
	dir := installed(t, "apps", []string{"package.json", "package-lock.json", ".npmrc"}, "npm", "ci", "--ignore-scripts")
	apk, err := os.ReadFile(filepath.Join(dir, "node_modules", "io.appium.settings", "apks", "settings_apk-debug.apk"))
	if err != nil {
		t.Fatal(err)
	}
	h := startHost(t)
	startRunner(h, quick...)
	u := asUser(t, h, "real1")
	const pkg, version, code = "io.appium.settings", "8.0.10", 192
	if a := u.ask(200, "POST", "/install?grantPermissions=true", apk); a.Package != pkg || a.VersionCode != code || a.VersionName != version {
		t.Errorf("installed: %+v", a)
	}
	if a := u.ask(200, "GET", "/packages?filter=appium&type=third-party&versions=true", nil); len(a.Packages) != 1 ||
		a.Packages[0].Name != pkg || a.Packages[0].VersionCode != code || a.Packages[0].VersionName != version {
		t.Errorf("listed: %+v", a.Packages)
	}
	if a := u.ask(200, "GET", "/packages/"+pkg, nil); len(a.Permissions.Requested) < 10 || len(a.Permissions.Granted) == 0 || len(a.Activities) != 1 {
		t.Errorf("details: %+v", a)
	}
	if a := u.ask(200, "POST", "/launch", []byte(`{"package":"`+pkg+`"}`)); !strings.HasSuffix(a.Activity, "Settings") || a.PID == 0 {
		t.Errorf("launched: %+v", a)
	}
	u.ask(200, "POST", "/uninstall", []byte(`{"package":"`+pkg+`"}`))
	u.ask(404, "GET", "/packages/"+pkg, nil)
}
