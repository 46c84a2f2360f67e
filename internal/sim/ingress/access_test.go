package ingress

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestWhoMayPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var preview struct{ Token string }
	w.asUser("/sandbox/dev1/ports/6080/preview-url", &preview)
	var signed struct {
		Token, URL string
		Port       int
	}
	w.asUser("/sandbox/dev1/ports/6080/signed-preview-url?expiresInSeconds=60", &signed)
	if signed.URL != "http://6080-"+signed.Token+".proxy.localhost:4000" || signed.Port != 6080 || len(signed.Token) != 16 {
		t.Errorf("signed address %+v", signed)
	}
	cookie := "Cookie: daytona-sandbox-auth-dev1=" + w.proxy.cookieFor(sandboxID, time.Now())
	const form = "/toolbox/dev1/version"
	here := hostOfPort(6080, sandboxID)
	for _, tt := range []struct {
		name, uri string
		headers   []string
		status    int
		gone      string // a header that the runner must not see
	}{
		{"nobody, toolbox form", form, nil, 401, ""},
		{"nobody, host form", "/", []string{here}, 307, ""},
		{"a user's key, toolbox form", form, []string{key}, 200, "Authorization"},
		{"a user's key, host form", "/", []string{here, key}, 200, "Authorization"},
		{"a wrong key", form, []string{"Authorization: Bearer nope"}, 401, ""},
		{"the runner's token is no user's key", form, []string{"Authorization: Bearer " + runnerToken}, 401, ""},
		{"credentials of another kind", form, []string{"Authorization: Basic dTpw"}, 401, ""},
		{"a preview token", "/", []string{here, "X-Daytona-Preview-Token: " + preview.Token}, 200, "X-Daytona-Preview-Token"},
		{"a preview token, toolbox form", form, []string{"X-Daytona-Preview-Token: " + preview.Token}, 200, "X-Daytona-Preview-Token"},
		{"a preview token of nobody", "/", []string{here, "X-Daytona-Preview-Token: nope"}, 307, ""},
		{"a wrong key, but a right preview token", form, []string{"Authorization: Bearer nope", "X-Daytona-Preview-Token: " + preview.Token}, 200, "X-Daytona-Preview-Token"},
		{"a preview token as query", "/?DAYTONA_SANDBOX_AUTH_KEY=" + preview.Token, []string{here}, 200, ""},
		{"a wrong one as query", "/?DAYTONA_SANDBOX_AUTH_KEY=nope", []string{here}, 307, ""},
		{"a cookie", "/", []string{here, cookie}, 200, ""},
		{"a cookie of another sandbox", "/", []string{here, strings.Replace(cookie, "dev1", "dev2", 1)}, 307, ""},
		{"a cookie that was tampered with", "/", []string{here, cookie + "x"}, 307, ""},
		{"an old cookie", "/", []string{here, "Cookie: daytona-sandbox-auth-dev1=" + w.proxy.cookieFor(sandboxID, time.Now().Add(-cookieLife))}, 307, ""},
		{"a signed address", "/", []string{hostOfPort(6080, signed.Token)}, 200, ""},
		{"a signed address for another port", "/", []string{hostOfPort(6081, signed.Token)}, 307, ""},
		{"a signed token in the toolbox form", "/toolbox/" + signed.Token + "/version", nil, 401, ""},
		{"a sandbox that does not exist", "/toolbox/none/version", []string{key}, 401, ""},
	} {
		before := w.count()
		got := w.do("GET", tt.uri, "", tt.headers...)
		if got.status != tt.status {
			t.Errorf("%s: %d %s; want %d", tt.name, got.status, got.body, tt.status)
			continue
		}
		if passed := w.count() > before; passed != (tt.status == 200) {
			t.Errorf("%s: the runner was called: %v", tt.name, passed)
		}
		switch tt.status {
		case 401:
			if !strings.Contains(got.body, `"statusCode":401,"message":"unauthorized: `) || !strings.Contains(got.body, `"code":"UNAUTHORIZED"`) {
				t.Errorf("%s: %s", tt.name, got.body)
			}
		case 307:
			if !strings.HasPrefix(got.header.Get("Location"), "http://proxy.localhost:4000/login?") {
				t.Errorf("%s: sent to %s", tt.name, got.header.Get("Location"))
			}
		case 200:
			call := w.last()
			if tt.gone != "" && call.header.Get(tt.gone) != "" {
				t.Errorf("%s: the runner sees %s", tt.name, tt.gone)
			}
			if strings.Contains(call.uri, tokenQuery) || !strings.HasPrefix(call.uri, "/sandboxes/dev1/") {
				t.Errorf("%s: the runner sees %s", tt.name, call.uri)
			}
		}
	}
}

func TestASignedAddressCanBeTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var signed struct{ Token string }
	w.asUser("/sandbox/dev1/ports/6080/signed-preview-url", &signed)
	w.ask("POST", w.apiURL+"/sandbox/dev1/ports/6080/signed-preview-url/"+signed.Token+"/expire", userKey, "", 200, nil)
	if got := w.do("GET", "/", "", hostOfPort(6080, signed.Token)); got.status != 307 {
		t.Errorf("got %d", got.status)
	}
}

func TestAPublicSandboxOpensAllPortsButThree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish()
	for port, want := range map[int]int{6080: 200, 1: 200, 2280: 307, 22222: 307, 33333: 307} {
		if got := w.do("GET", "/", "", hostOfPort(port, sandboxID)); got.status != want {
			t.Errorf("port %d: %d, want %d", port, got.status, want)
		}
		if got := w.do("GET", "/", "", hostOfPort(port, sandboxID), key); got.status != 200 {
			t.Errorf("port %d with a key: %d", port, got.status)
		}
	}
	if got := w.do("GET", "/toolbox/dev1/version", ""); got.status != 401 {
		t.Errorf("the toolbox form: %d", got.status)
	}
	// Nobody asked for the header, so it is the sandbox's.
	w.do("GET", "/", "", hostOfPort(6080, sandboxID), key)
	if w.last().header.Get("Authorization") != "Bearer "+userKey {
		t.Error("the user's own Authorization did not reach the sandbox")
	}
}

func TestTheLoginPageGivesACookieForAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.do("GET", "/page?x=1", "", hostOfPort(6080, sandboxID)).header.Get("Location")
	login, err := url.Parse(sent)
	if err != nil {
		t.Fatal(err)
	}
	host := "Host: " + login.Host
	if got := w.do("GET", login.RequestURI(), "", host); got.status != 200 || !strings.Contains(got.body, "<form") {
		t.Errorf("the page: %d %s", got.status, got.body)
	}
	const formType = "Content-Type: application/x-www-form-urlencoded"
	if got := w.do("POST", login.RequestURI(), "key=nope", host, formType); got.status != 401 {
		t.Errorf("a wrong key: %d", got.status)
	}
	got := w.do("POST", login.RequestURI(), "key="+userKey, host, formType)
	if got.status != 302 || got.header.Get("Location") != "http://6080-dev1.proxy.localhost:4000/page?x=1" {
		t.Fatalf("got %d to %s", got.status, got.header.Get("Location"))
	}
	cookie, err := http.ParseSetCookie(got.header.Get("Set-Cookie"))
	if err != nil || cookie.Domain != "proxy.localhost" || cookie.MaxAge != 3600 || !cookie.HttpOnly {
		t.Fatalf("cookie %v, %v", cookie, err)
	}
	if got := w.do("GET", "/page", "", hostOfPort(6080, sandboxID), "Cookie: "+cookie.Name+"="+cookie.Value); got.status != 200 {
		t.Errorf("with the cookie: %d", got.status)
	}
	if got := w.last().header.Get("Cookie"); !strings.HasPrefix(got, "daytona-sandbox-auth-dev1=") {
		t.Errorf("the cookie reaches the runner as %q", got)
	}
	if got := w.do("GET", "/login?sandbox=dev1&to="+url.QueryEscape("http://6080-dev1.elsewhere.example/"), "", host); got.status != 400 {
		t.Errorf("an address elsewhere: %d", got.status)
	}
}

func TestHostsOfSandboxes(t *testing.T) {
	t.Parallel()
	for host, want := range map[string][2]string{
		"6080-dev1.proxy.localhost:4000": {"6080", "dev1"},
		"6080-a-b-c.x":                   {"6080", "a-b-c"},
		"6080-dev1":                      {}, // no dot
		"6080-dev1:4000":                 {},
		"127.0.0.1:4000":                 {},
		"proxy-1.localhost":              {},
		"-dev1.localhost":                {},
		"6080-.localhost":                {},
		"+80-dev1.localhost":             {},
		"":                               {},
	} {
		port, label, isHostForm := parseHost(host)
		if isHostForm != (want[0] != "") || isHostForm && (port != want[0] || label != want[1]) {
			t.Errorf("%q: %q %q %v", host, port, label, isHostForm)
		}
	}
}
