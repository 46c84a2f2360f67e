package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// makeAPK makes an APK that the simulated guest takes.
func makeAPK(t *testing.T, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.apk")
	out, err := exec.Command(filepath.Join(binaries, "cvd-sim"), append(append([]string{"apk"}, args...), file)...).CombinedOutput()
	if err != nil {
		t.Fatalf("cvd-sim apk %q: %v: %s", args, err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// user is a user of Daytona, who reaches a sandbox through its proxy only.
type user struct {
	t    *testing.T
	base string // of the toolbox's routes about Android
	key  string
}

// asUser creates a sandbox through Daytona and returns its user.
func asUser(t *testing.T, h *simHost, id string) user {
	t.Helper()
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": id})
	u := user{t: t, key: "demo-key"}
	_, body := u.send("GET", h.get("DAYTONA_API_URL")+"/sandbox/"+id+"/toolbox-proxy-url", nil, "")
	var at struct{ URL string }
	if err := json.Unmarshal(body, &at); err != nil || at.URL == "" {
		t.Fatalf("%v: %s", err, body)
	}
	u.base = strings.TrimSuffix(at.URL, "/") + "/" + id + "/android"
	return u
}

func (u user) send(method, url string, body []byte, contentType string, headers ...string) (int, []byte) {
	u.t.Helper()
	req, err := http.NewRequestWithContext(u.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+u.key)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := (&http.Client{Timeout: 2 * time.Minute}).Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	return resp.StatusCode, got
}

// app is what the answers about apps have in common.
type app struct {
	Package     string
	Name        string
	VersionCode int64
	VersionName string
	Activity    string
	PID         int
	WasRunning  bool
	Running     bool
	Crash       string
	Log         []string
	AndroidCode string
	Message     string
	Activities  []string
	LaunchState string
	Permissions struct{ Requested, Granted []string }
	Packages    []app
}

// ask sends JSON, or an APK, and wants a status.
func (u user) ask(status int, method, path string, body []byte, headers ...string) (a app) {
	u.t.Helper()
	contentType := "application/json"
	if bytes.HasPrefix(body, []byte("PK")) {
		contentType = "application/vnd.android.package-archive"
	}
	got, text := u.send(method, u.base+path, body, contentType, headers...)
	if got != status {
		u.t.Fatalf("%s %s: %d %s; want %d", method, path, got, text, status)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		u.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return a
}

// Ensure a user of Daytona can install an app, see it, start it, be told of its crash, and remove it.
func TestApps(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	startRunner(h, quick...)
	u := asUser(t, h, "apps1")
	const pkg = "com.example.crashy"
	spec := []string{"--package", pkg, "--crash", "--permission", "android.permission.CAMERA", "--scheme", "crashy"}
	apk := makeAPK(t, append(spec, "--version-code", "7", "--version-name", "7.0-test", "--size", "3M")...)

	if a := u.ask(200, "POST", "/install", apk); a.Package != pkg || a.VersionCode != 7 || a.VersionName != "7.0-test" {
		t.Errorf("installed: %+v", a)
	}
	if a := u.ask(200, "GET", "/packages?type=third-party&versions=true", nil); len(a.Packages) != 1 || a.Packages[0].Name != pkg ||
		a.Packages[0].VersionCode != 7 || a.Packages[0].VersionName != "7.0-test" {
		t.Errorf("listed: %+v", a.Packages)
	}
	a := u.ask(200, "GET", "/packages/"+pkg, nil)
	if a.VersionCode != 7 || len(a.Activities) != 1 || len(a.Permissions.Requested) != 1 || len(a.Permissions.Granted) != 0 || a.Running {
		t.Errorf("details: %+v", a)
	}
	if a := u.ask(200, "POST", "/launch", []byte(`{"package":"`+pkg+`"}`)); a.Activity == "" || a.PID == 0 || a.LaunchState != "COLD" {
		t.Errorf("launched: %+v", a)
	}
	u.ask(200, "POST", "/launch", []byte(`{"package":"`+pkg+`","url":"crashy://x?a=1&b=2"}`))
	if a := u.ask(200, "POST", "/stop", []byte(`{"package":"`+pkg+`"}`)); !a.WasRunning {
		t.Errorf("stopped: %+v", a)
	}
	crashed := u.ask(422, "POST", "/launch", []byte(`{"package":"`+pkg+`","extras":{"crash":true}}`))
	if !strings.Contains(crashed.Crash, "Exception") || len(crashed.Log) < 3 || crashed.PID == 0 {
		t.Errorf("crashed: %+v", crashed)
	}
	if a := u.ask(200, "POST", "/launch", []byte(`{"package":"`+pkg+`"}`)); a.PID == 0 || a.PID == crashed.PID {
		t.Errorf("launched after a crash: %+v", a)
	}

	u.ask(200, "POST", "/grant", []byte(`{"package":"`+pkg+`","permissions":["CAMERA"]}`))
	if a := u.ask(200, "GET", "/packages/"+pkg, nil); len(a.Permissions.Granted) != 1 || !a.Running {
		t.Errorf("granted: %+v", a)
	}
	u.ask(422, "POST", "/grant", []byte(`{"package":"`+pkg+`","permissions":["RECORD_AUDIO"]}`))
	u.ask(200, "POST", "/revoke", []byte(`{"package":"`+pkg+`","permissions":["CAMERA"]}`))
	u.ask(200, "POST", "/clear", []byte(`{"package":"`+pkg+`"}`))

	older := makeAPK(t, append(spec, "--version-code", "6")...)
	if a := u.ask(422, "POST", "/install", older); a.AndroidCode != "INSTALL_FAILED_VERSION_DOWNGRADE" {
		t.Errorf("downgrade: %+v", a)
	}
	if a := u.ask(200, "POST", "/install?allowDowngrade=true&grantPermissions=true", older); a.VersionCode != 6 {
		t.Errorf("downgrade: %+v", a)
	}
	u.ask(200, "POST", "/uninstall", []byte(`{"package":"`+pkg+`"}`))
	u.ask(404, "POST", "/uninstall", []byte(`{"package":"`+pkg+`"}`))
	u.ask(404, "GET", "/packages/"+pkg, nil)
	u.ask(404, "POST", "/launch", []byte(`{"package":"`+pkg+`"}`))
}

// Ensure splits, archives and events go through Daytona's proxy too, and what is refused leaves nothing.
func TestAppsOfSeveralAPKs(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	startRunner(h, quick...)
	u := asUser(t, h, "apps2")
	const pkg = "com.example.parts"
	whole := makeAPK(t, "--package", pkg, "--split-required", "--size", "1M")
	split := makeAPK(t, "--package", pkg, "--split", "config.x86_64")
	body := archiveOf(t, "splits/base-master.apk", whole, "splits/base-x86_64.apk", split, "splits/base-arm64_v8a.apk", []byte("for others"))
	status, text := u.send("POST", u.base+"/install", body, "application/octet-stream", "Accept", "text/event-stream")
	if status != 200 || !strings.Contains(string(text), "event: result\ndata: {\"package\":\""+pkg+"\"") || !strings.Contains(string(text), `"phase":"committing"`) {
		t.Fatalf("%d %s", status, text)
	}
	u.ask(200, "POST", "/launch", []byte(`{"package":"`+pkg+`"}`))
	u.ask(200, "POST", "/uninstall", []byte(`{"package":"`+pkg+`"}`))
	u.ask(422, "POST", "/install", whole) // it wants its split
	stray := makeAPK(t, "--package", "com.example.stray", "--split", "config.x86_64")
	u.ask(422, "POST", "/install", archiveOf(t, "base.apk", whole, "split_config.x86_64.apk", stray))
	if a := u.ask(200, "GET", "/packages?type=third-party", nil); len(a.Packages) > 0 {
		t.Errorf("there are %+v", a.Packages)
	}
}

// Ensure a client that goes away half-way leaves nothing: no app, nothing staged in the device, no file on the host, and no
// place taken; nor does one that sends what is no app.
func TestAppsHalfWay(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	apk := makeAPK(t, "--package", "com.example.half", "--size", "4M")
	before := r.exec("dev1", "su 0 ls -A /data/app")
	for range 5 { // more than are at work at a time
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		head := fmt.Sprintf("POST /sandboxes/dev1/android/install HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", token, len(apk))
		if _, err := conn.Write(append([]byte(head), apk[:3<<20]...)); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	u := user{t: t, base: r.url + "/sandboxes/dev1/android", key: token}
	eventually(t, 10*time.Second, "nothing is staged", func() error {
		if now := r.exec("dev1", "su 0 ls -A /data/app"); now != before {
			return fmt.Errorf("there is %s", now)
		}
		return nil
	})
	if a := u.ask(200, "GET", "/packages?type=third-party", nil); len(a.Packages) > 0 {
		t.Errorf("there are %+v", a.Packages)
	}
	u.ask(422, "POST", "/install", apk[:len(apk)-100]) // its directory is missing, which only the device sees
	if left, err := filepath.Glob(filepath.Join(h.get("CVD_INSTANCES_PATH"), ".install*")); err != nil || len(left) > 0 {
		t.Errorf("left on the host: %v %v", left, err)
	}
	if a := u.ask(200, "POST", "/install", apk); a.Package != "com.example.half" {
		t.Errorf("installed: %+v", a)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", `{"force":true}`)
	u.ask(409, "POST", "/install", apk)
}

// archiveOf makes a ZIP of pairs of name and content.
func archiveOf(t *testing.T, pairs ...any) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := 0; i+1 < len(pairs); i += 2 {
		w, err := z.Create(pairs[i].(string))
		if err == nil {
			_, err = w.Write(pairs[i+1].([]byte))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
