package apps_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/transport/android/apps"
	"github.com/daytonaio/runner-android/transport/android/apps/apktest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// app is what the tests install.
var app = apktest.APK{Package: "com.example.app", VersionCode: 3, VersionName: "1.2", Padding: 700_000}

const apkType = "Content-Type: application/vnd.android.package-archive"

// form makes a multipart body of pairs; a name with "file:" before it is a file.
func form(t *testing.T, pairs ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(pairs); i += 2 {
		var to io.Writer
		var err error
		if name, ok := strings.CutPrefix(pairs[i], "file:"); ok {
			to, err = w.CreateFormFile(name, "x.apk")
		} else {
			to, err = w.CreateFormField(pairs[i])
		}
		if err == nil {
			_, err = io.WriteString(to, pairs[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), "Content-Type: " + w.FormDataContentType()
}

// Ensure one APK is installed however it comes, byte for byte, with the options that were asked for, and is told as
// the device knows it.
func TestInstallOne(t *testing.T) {
	t.Parallel()
	plain, late, trailing := app.Build(t), app, app
	late.Late, late.Padding = true, 200_000
	trailing.Trailing = true
	behind, lately := trailing.Build(t), late.Build(t)
	encode := base64.StdEncoding.EncodeToString
	for name, c := range map[string]struct {
		apk   []byte
		query string
		body  func(t *testing.T) (body, contentType string)
		flags string
		old   bool
	}{
		"raw":                  {plain, "", nil, "-r", false},
		"raw of an old device": {plain, "?allowDowngrade=1", nil, "-r -d", true},
		"raw with options":     {plain, "?replace=false&grantPermissions=true&allowDowngrade=true&allowTest=true&user=10", nil, "-R -g -d -t --user 10", false},
		"manifest behind code": {lately, "", nil, "-r", false},
		"sizes behind":         {behind, "", nil, "-r", false},
		"form": {plain, "", func(t *testing.T) (string, string) {
			return form(t, "grantPermissions", "true", "file:file", string(plain), "allowTest", "1")
		}, "-r -g -t", false},
		"form, other field": {plain, "?allowDowngrade=true", func(t *testing.T) (string, string) { return form(t, "file:apk", string(plain)) }, "-r -d", false},
		"JSON": {plain, "", func(*testing.T) (string, string) {
			return `{"grantPermissions":true,"apk":"` + encode(plain) + `","user":0}`, "Content-Type: application/json"
		}, "-r -g --user 0", false},
		"JSON, escaped": {plain, "", func(*testing.T) (string, string) {
			return `{"x":{"apk":"a"},"apk":"` + strings.ReplaceAll(encode(plain), "/", `\/`) + `"}`, ""
		}, "-r", false},
		"no type": {plain, "", func(*testing.T) (string, string) { return string(plain), "" }, "-r", false},
		"curl's type": {plain, "", func(*testing.T) (string, string) {
			return string(plain), "Content-Type: application/x-www-form-urlencoded"
		}, "-r", false},
		"an archive of one": {plain, "", func(t *testing.T) (string, string) {
			return string(apktest.Archive(t, "universal.apk", string(plain))), apkType
		}, "-r", false},
		"an archive in a form": {plain, "", func(t *testing.T) (string, string) {
			return form(t, "file:file", string(apktest.Archive(t, "icon.png", "x", "com.example.app.apk", string(plain))))
		}, "-r", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, d := start(t, nil, apps.Options{})
			dumpOf(t, d, "com.example.app", "3", "1.2")
			d.old = c.old
			body, contentType := string(c.apk), apkType
			if c.body != nil {
				body, contentType = c.body(t)
			}
			got := client.Do("POST", base+"/install"+c.query, body, contentType)
			if got.Status != 200 || got.Field(t, "package") != "com.example.app" || got.Field(t, "versionCode") != "3" || got.Field(t, "versionName") != "1.2" || got.Field(t, "apks") != "1" {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
			if err := d.has("install", c.apk); err != nil {
				t.Error(err)
			}
			if told, want := d.told(), fmt.Sprintf("install %s -S %d", c.flags, len(c.apk)); len(told) != 1 || told[0] != want {
				t.Errorf("told %q, want %q", told, want)
			}
		})
	}
}

// Ensure splits are installed together with their base, whatever their order, and of an archive what the device needs.
func TestInstallSeveral(t *testing.T) {
	t.Parallel()
	whole := string(app.Build(t))
	split := string(apktest.APK{Package: "com.example.app", VersionCode: 3, Split: "config.x86_64"}.Build(t))
	for name, body := range map[string]func(t *testing.T) (string, string){
		"form": func(t *testing.T) (string, string) {
			return form(t, "file:file", split, "file:file", whole, "replace", "true")
		},
		"archive": func(t *testing.T) (string, string) {
			return string(apktest.Archive(t, "splits/base-x86_64.apk", split, "splits/base-arm64_v8a.apk", "not for us", "splits/base-master.apk", whole)), ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, d := start(t, nil, apps.Options{})
			dumpOf(t, d, "com.example.app", "3", "1.2")
			text, contentType := body(t)
			got := client.Do("POST", base+"/install", text, contentType)
			if got.Status != 200 || got.Field(t, "package") != "com.example.app" || got.Field(t, "apks") != "2" || got.Field(t, "bytes") != fmt.Sprint(len(whole)+len(split)) {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
			told := d.told()
			if len(told) != 4 || told[0] != fmt.Sprintf("install-create -S %d -r", len(whole)+len(split)) ||
				told[1] != fmt.Sprintf("install-write -S %d 1234 base.apk -", len(whole)) || told[3] != "install-commit 1234" {
				t.Fatalf("told %q", told)
			}
			if err := d.has("1234 base.apk", []byte(whole)); err != nil {
				t.Error(err)
			}
			if err := d.has("1234 "+strings.Fields(told[2])[4], []byte(split)); err != nil {
				t.Error(err)
			}
			if name == "archive" && got.Field(t, "leftOut") != `["base-arm64_v8a.apk"]` {
				t.Errorf("left out: %s", got.Field(t, "leftOut"))
			}
		})
	}
}

// Ensure what the device refuses is 422 with Android's code and what to do about it, and its session is abandoned.
func TestInstallRefused(t *testing.T) {
	t.Parallel()
	whole := string(app.Build(t))
	split := string(apktest.APK{Package: "com.example.app", VersionCode: 3, Split: "x"}.Build(t))
	client, d := start(t, nil, apps.Options{})
	d.answer = func(verb string) string {
		if verb == "install" {
			return "Failure [INSTALL_FAILED_VERSION_DOWNGRADE: Downgrade detected: Update version code 3 is older than current 4]\n"
		}
		return ""
	}
	got := client.Do("POST", base+"/install", whole, apkType)
	if got.Status != 422 || got.Field(t, "androidCode") != "INSTALL_FAILED_VERSION_DOWNGRADE" || !strings.Contains(got.Field(t, "reason"), "allowDowngrade") ||
		!strings.Contains(got.Field(t, "message"), "INSTALL_FAILED_VERSION_DOWNGRADE: Downgrade detected: Update version code 3 is older than current 4") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	// Before it has taken anything.
	d.answer, d.refuse = nil, "Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE]\n"
	if got := client.Do("POST", base+"/install", whole, apkType); got.Status != 422 || got.Field(t, "androidCode") != "INSTALL_FAILED_INSUFFICIENT_STORAGE" {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	d.refuse = ""
	for _, verb := range []string{"install-write", "install-commit"} {
		d.answer = func(v string) string {
			if v == verb {
				return "Failure [INSTALL_FAILED_INVALID_APK: Split null was defined multiple times]"
			}
			return ""
		}
		text, contentType := form(t, "file:file", whole, "file:file", split)
		if got := client.Do("POST", base+"/install", text, contentType); got.Status != 422 || got.Field(t, "androidCode") != "INSTALL_FAILED_INVALID_APK" {
			t.Errorf("%s: %d %s", verb, got.Status, got.Body)
		}
		if told := d.told(); told[len(told)-1] != "install-abandon 1234" {
			t.Errorf("%s: told %q", verb, told)
		}
	}
	d.answer = func(string) string {
		return "Exception occurred while executing 'install':\njava.lang.SecurityException: no\n"
	}
	if got := client.Do("POST", base+"/install", whole, apkType); got.Status != 422 || !strings.Contains(got.Field(t, "message"), "java.lang.SecurityException: no") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	d.answer = func(string) string { return " " }
	if got := client.Do("POST", base+"/install", whole, apkType); got.Status != 503 || !strings.Contains(got.Body, "without a word") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// Ensure requests that bring nothing to install are refused before the device hears of them.
func TestInstallOfNothing(t *testing.T) {
	t.Parallel()
	client, d := start(t, nil, apps.Options{MaxAPK: 1 << 20, MaxJSON: 1 << 10})
	whole := string(app.Build(t))
	split := string(apktest.APK{Package: "com.example.app", VersionCode: 3, Split: "x"}.Build(t))
	other := string(apktest.APK{Package: "com.example.other", VersionCode: 3}.Build(t))
	multi := func(pairs ...string) func() (string, string) {
		return func() (string, string) { return form(t, pairs...) }
	}
	text := func(s string) func() (string, string) { return func() (string, string) { return s, "" } }
	for name, c := range map[string]struct {
		path   string
		body   func() (string, string)
		status int
		want   string
	}{
		"nothing":           {"/install", text(""), 400, "an APK is wanted"},
		"a text":            {"/install", text("hello, world"), 400, "no APK"},
		"no manifest":       {"/install", text(string(apktest.Archive(t, "a", "b"))), 400, "no AndroidManifest.xml"},
		"cut":               {"/install", text("PK\x03\x04 and then nothing"), 400, "no APK"},
		"too large":         {"/install", func() (string, string) { return strings.Repeat("x", 2<<20), apkType }, 413, "over the limit"},
		"too large form":    {"/install", multi("file:file", whole, "file:file", whole), 413, "over the limit"},
		"too large JSON":    {"/install", text(`{"apk":"` + strings.Repeat("A", 2<<10) + `"}`), 413, "over the limit"},
		"bad base64":        {"/install", text(`{"apk":"%%%"}`), 400, "no base64"},
		"cut base64":        {"/install", text(`{"apk":"UEsDBA`), 400, "unexpected end"},
		"bad JSON":          {"/install", text(`{"apk":"UEsDBA==",}`), 400, ""},
		"JSON of neither":   {"/install", text(`{}`), 400, "one of apk"},
		"JSON of both":      {"/install", text(`{"apk":"UEsDBA==","url":"https://x"}`), 400, "one of apk"},
		"a file URL":        {"/install", text(`{"url":"file:///etc/passwd"}`), 400, "http or https"},
		"metadata":          {"/install", text(`{"url":"http://169.254.169.254/latest"}`), 400, "not a public address"},
		"loopback":          {"/install", text(`{"url":"http://127.0.0.1:1/x"}`), 400, "not a public address"},
		"splits only":       {"/install", multi("file:file", split), 400, "only splits"},
		"two apps":          {"/install", multi("file:file", string(apktest.APK{Package: "com.example.a", VersionCode: 1}.Build(t)), "file:file", other), 400, "two whole apps"},
		"form of nothing":   {"/install", multi("replace", "true"), 400, `no field`},
		"form, bad option":  {"/install", multi("replace", "perhaps", "file:file", other), 400, "true or false"},
		"bad option":        {"/install?allowTest=perhaps", text(other), 400, "true or false"},
		"bad user":          {"/install?user=-1", text(other), 400, "user"},
		"archive of others": {"/install", text(string(apktest.Archive(t, "base.apk", other, "split_config.arm64_v8a.apk", split))), 501, "other processors"},
	} {
		body, contentType := c.body()
		got := client.Do("POST", base+c.path, body, contentType)
		if got.Status != c.status || !strings.Contains(got.Body, c.want) {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	if told := d.told(); len(told) > 0 {
		t.Errorf("the device was told %q", told)
	}
	for path, status := range map[string]int{"stopped": 409, "gone": 404} {
		if got := client.Do("POST", "/sandboxes/"+path+"/android/install", other, apkType); got.Status != status {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
}

// Ensure an APK is fetched from where the operator allows it, in one piece or not at all.
func TestInstallFromURL(t *testing.T) {
	t.Parallel()
	whole := app.Build(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/chunked":
			_ = http.NewResponseController(w).Flush()
		case "/cut":
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)+10))
		case "/gone":
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(whole)
	}))
	defer s.Close()
	client, d := start(t, nil, apps.Options{AllowFetch: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	dumpOf(t, d, "com.example.app", "3", "1.2")
	for path, want := range map[string]int{"/sized": 200, "/chunked": 200, "/cut": 422, "/gone": 422} {
		got := client.Do("POST", base+"/install", `{"url":"`+s.URL+path+`"}`)
		if got.Status != want || want == 200 && got.Field(t, "package") != "com.example.app" {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
		if err := d.has("install", whole); err != nil && want == 200 {
			t.Errorf("%s: %v", path, err)
		}
		d.mu.Lock()
		clear(d.took)
		d.mu.Unlock()
	}
}

// events reads server-sent events: their names in order without repeats, and the data of the last.
func events(t *testing.T, a transporttest.Answer) (names []string, last string) {
	t.Helper()
	for block := range strings.SplitSeq(a.Body, "\n\n") {
		name, data, ok := strings.Cut(block, "\ndata: ")
		if !ok {
			continue
		}
		name = strings.TrimPrefix(name, "event: ")
		var s struct{ Phase string }
		if name == "progress" {
			if err := json.Unmarshal([]byte(data), &s); err != nil {
				t.Fatal(err)
			}
			name = s.Phase
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
		last = data
	}
	return names, last
}

// Ensure progress is told as events, and the end as a result or as the error that it would have been.
func TestInstallWithProgress(t *testing.T) {
	t.Parallel()
	client, d := start(t, nil, apps.Options{})
	dumpOf(t, d, "com.example.app", "3", "1.2")
	got := client.Do("POST", base+"/install", string(app.Build(t)), apkType, "Accept: text/event-stream")
	names, last := events(t, got)
	if got.Status != 200 || got.Header.Get("Content-Type") != "text/event-stream" || !slices.Contains(names, "receiving") || !slices.Contains(names, "committing") ||
		names[len(names)-1] != "result" || !strings.Contains(last, `"package":"com.example.app"`) {
		t.Errorf("%d %q %s", got.Status, names, got.Body)
	}
	d.answer = func(string) string { return "Failure [INSTALL_FAILED_TEST_ONLY: installPackageLI]" }
	got = client.Do("POST", base+"/install", string(app.Build(t)), apkType, "Accept: text/event-stream")
	names, last = events(t, got)
	var problem struct {
		StatusCode                      int
		AndroidCode, Reason, Path, Code string
	}
	if err := json.Unmarshal([]byte(last), &problem); err != nil || names[len(names)-1] != "error" || problem.StatusCode != 422 ||
		problem.AndroidCode != "INSTALL_FAILED_TEST_ONLY" || !strings.Contains(problem.Reason, "allowTest") || problem.Path == "" || problem.Code != "UNPROCESSABLE_ENTITY" {
		t.Errorf("%q %s", names, got.Body)
	}
	// What is wrong before the first event is answered as ever.
	if got := client.Do("POST", base+"/install", "text", apkType, "Accept: text/event-stream"); got.Status != 400 {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}
