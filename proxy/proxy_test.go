package proxy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/proxy"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// Ensure each path of a browser is what it stands for, and that nothing else of the operator can be reached: above
// all nothing of another sandbox's device, however the path is written.
func TestPaths(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	h := serve(t, o.URL, proxy.Options{})
	for path, want := range map[string]string{
		"/style.css":                       "/devices/dev-1/files/style.css?",
		"/js/app.js?v=1&w=%2F":             "/devices/dev-1/files/js/app.js?v=1&w=%2F",
		"/a%20b.css":                       "/devices/dev-1/files/a b.css?",
		"/img/%C3%A9.png":                  "/devices/dev-1/files/img/é.png?",
		"/js/server_connector.operator.js": "/devices/dev-1/files/js/server_connector.js?",
	} {
		if got := h.Do("GET", base+path, ""); got.Status != 200 || got.Body != want {
			t.Errorf("%s: %d %q, want %q", path, got.Status, got.Body, want)
		}
	}
	for _, path := range []string{
		"/devices", "/devices/", "/devices/dev-1", "/devices/dev-2", "/devices/dev-2/files/client.html", "/devices/dev-1/files/client.html",
		"/devices%2Fdev-2%2Ffiles/client.html", "/devices/dev-2%2Fconnect", "/devices/dev-1/adb", "/devices/dev-1/services", "/devices/dev-1/openwrt/x",
		"/x/..%2f..%2f..%2fdev-2/files/client.html", "/x/%2e%2e/%2e%2e/dev-2", "/js//app.js", "/%5c..%5cdev-2", "/.", "/%00",
		"/polled_connections/conn-of-dev-2/messages", "/polled_connections/x", "/polled_connections/x/y/z", "/daytona-display/", "/daytona-display/nothing.js",
	} {
		if got := h.Do("GET", base+path, ""); got.Status != 404 {
			t.Errorf("%s: %d %.80q, want 404", path, got.Status, got.Body)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if got := h.Do(method, base+"/style.css", ""); got.Status != 404 {
			t.Errorf("%s: %d", method, got.Status)
		}
	}
	for _, r := range o.asked() {
		if strings.Contains(r.RequestURI, "dev-2") {
			t.Errorf("the operator was asked for %s", r.RequestURI)
		}
	}
}

// Ensure the page is there under its names, also for HEAD, and knows its device where it has a head.
func TestPage(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	h := serve(t, o.URL, proxy.Options{})
	const want = `<?--><html><head><base href="./"><script>window.__DAYTONA_DEVICE_ID="dev-1"</script><title>dev-1</title></head></html>`
	for _, path := range []string{"", "/", "/client.html", "/index.html", "/vnc.html?autoconnect=true&resize=scale"} {
		got := h.Do("GET", base+path, "", "If-None-Match: \"x\"")
		if got.Status != 200 || got.Body != want || got.Header.Get("Content-Type") != "text/html" {
			t.Errorf("%s: %d %v %s", path, got.Status, got.Header, got.Body)
		}
	}
	if got := h.Do("HEAD", base+"/", ""); got.Status != 200 || got.Body != "" || got.Header.Get("Content-Length") != fmt.Sprint(len(want)) {
		t.Errorf("HEAD: %d %v", got.Status, got.Header)
	}
	for _, r := range o.asked() {
		if r.Method != "GET" || r.Header.Get("If-None-Match") != "" {
			t.Errorf("the operator got %s with %v", r.Method, r.Header)
		}
	}
	for name, page := range map[string]func(http.ResponseWriter){
		"without a head": func(w http.ResponseWriter) { fmt.Fprint(w, "<html>no head</html>") },
		"compressed": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "\x1f\x8b<head>")
		},
	} {
		want := httptest.NewRecorder()
		page(want)
		o.serveFiles(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html"); page(w) })
		if got := h.Do("GET", base+"/", "", "Accept-Encoding: identity"); got.Status != 200 || got.Body != want.Body.String() {
			t.Errorf("%s: %d %q", name, got.Status, got.Body)
		}
	}
}

// Ensure no credential and nothing that a device's small server has no room for goes to the operator, nor a cookie of
// the device's to the browser.
func TestHeaders(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	h := serve(t, o.URL, proxy.Options{})
	o.serveFiles(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("X-Powered-By", "x")
		w.Header().Set("Etag", `"1"`)
		w.WriteHeader(http.StatusOK)
	})
	got := h.Do("GET", base+"/style.css", "", "X-Daytona-Authorization: Bearer "+transporttest.Token, "Authorization: Bearer user",
		"Cookie: daytona-sandbox-auth-x=1; big="+strings.Repeat("x", 3000), "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: h", "Origin: http://h",
		"Referer: http://h/", "Accept: text/css", "Accept-Encoding: gzip", "If-None-Match: \"1\"", "X-Anything: 1")
	if got.Status != 200 || got.Header.Get("Etag") != `"1"` || got.Header.Get("Set-Cookie") != "" || got.Header.Get("X-Powered-By") != "" {
		t.Errorf("%d %v", got.Status, got.Header)
	}
	asked := o.asked()
	r := asked[len(asked)-1]
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"Accept", "If-None-Match"}) || r.Host != strings.TrimPrefix(o.URL, "http://") {
		t.Errorf("the operator got %v for %s", r.Header, r.Host)
	}
}

// Ensure the connector knows its device whatever the page is called, and that the settings' ICE servers win.
func TestConnectorAndInfra(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	own, wrapped := serve(t, o.URL, proxy.Options{}), serve(t, o.URL, proxy.Options{Wrap: true, ICEServers: []byte(`[{"urls":["turn:t:1"],"username":"u"}]`)})
	for name, c := range map[string]struct {
		h     *host
		want  []string
		infra string
	}{
		"own":     {own, []string{`const device = "dev-1";`, "createConnector", "createParentController"}, "stun:compiled.in:1"},
		"wrapped": {wrapped, []string{`const device = "dev-1";`, "export * from './server_connector.operator.js'"}, "turn:t:1"},
	} {
		got := c.h.Do("GET", base+"/js/server_connector.js", "")
		if got.Status != 200 || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/javascript") || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", name, got.Status, got.Header)
		}
		for _, want := range c.want {
			if !strings.Contains(got.Body, want) {
				t.Errorf("%s: without %q: %s", name, want, got.Body)
			}
		}
		if got := c.h.Do("GET", base+"/infra_config", ""); got.Status != 200 || !strings.Contains(got.Body, c.infra) {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	for _, script := range []string{"media.js", "viewer.js"} {
		if got := own.Do("GET", base+"/daytona-display/"+script, ""); got.Status != 200 || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/javascript") {
			t.Errorf("%s: %d %v", script, got.Status, got.Header)
		}
	}
}

// Ensure a viewer that never reads is given up in bounded time, while another goes on.
func TestAViewerThatNeverReads(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	gone, echo := make(chan struct{}), o.talk
	o.talk = func(conn *websocket.Conn) {
		if _, first, err := conn.ReadMessage(); err != nil || string(first) != "flood" {
			echo(conn)
			return
		}
		defer close(gone)
		for flood := []byte(`"` + strings.Repeat("x", 1<<19) + `"`); conn.WriteMessage(websocket.TextMessage, flood) == nil; {
		}
	}
	h := serve(t, o.URL, proxy.Options{})
	stalled, _, err := h.socket(t, base+"/devices/dev-1/connect", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = stalled.WriteMessage(websocket.TextMessage, []byte("flood"))
	other, _, err := h.socket(t, base+"/devices/dev-1/connect", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = other.WriteMessage(websocket.TextMessage, []byte(`{}`))
	_ = other.WriteMessage(websocket.TextMessage, []byte(`{"n":1}`))
	for range 2 {
		if _, _, err := other.ReadMessage(); err != nil {
			t.Errorf("the other viewer: %v", err)
		}
	}
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Error("the operator still writes to a viewer that never reads")
	}
}

// Ensure a device that was not launched by this runner is found by its ADB port.
func TestAdoptedDevices(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	h := serve(t, o.URL, proxy.Options{})
	for id, want := range map[string]string{"dev-1": "true", "adopted": "true", "unregistered": "false"} {
		if got := h.Do("GET", "/sandboxes/"+id+"/watchable", ""); got.Status != 200 || got.Body != want {
			t.Errorf("%s can be watched: %d %s; want %s", id, got.Status, got.Body, want)
		}
	}
	const at = "/sandboxes/adopted/toolbox/proxy/6080"
	if got := h.Do("GET", at+"/daytona-display/status", ""); !strings.Contains(got.Body, `"display":"ready"`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := h.Do("GET", at+"/", ""); got.Status != 200 || !strings.Contains(got.Body, `window.__DAYTONA_DEVICE_ID="adopted-3"`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if conn, _, err := h.socket(t, at+"/devices/adopted-3/connect", nil); err != nil {
		t.Error(err)
	} else if _, _, err := conn.ReadMessage(); err != nil {
		t.Error(err)
	}
}

// Ensure a file that is missing leads to no other device, also not to a stale one with the same ADB port.
func TestAMissingFileMovesNothing(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	o.files = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "favicon.ico") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<head>")
	}
	h := serve(t, o.URL, proxy.Options{})
	for _, path := range []string{"/", "/favicon.ico", "/"} {
		got := h.Do("GET", base+path, "")
		if missing := strings.HasSuffix(path, "ico"); missing != (got.Status == 404) || !missing && !strings.Contains(got.Body, `"dev-1"`) {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
}

// Ensure what a device's server or somebody in front of it answers instead of the page is not taken for the page.
func TestPageErrors(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	h := serve(t, o.URL, proxy.Options{})
	for _, status := range []int{400, 431, 500, 502, 503} {
		o.files = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
		if got := h.Do("GET", base+"/", ""); got.Status != 503 || !strings.Contains(got.Body, "comes back by itself") {
			t.Errorf("%d: %d %.200s", status, got.Status, got.Body)
		}
	}
}

// Ensure a page of our own says why there is no screen, whatever the reason, and nothing of it can be taken for HTML.
func TestWaitingPages(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	down := httptest.NewServer(nil)
	down.Close()
	options := proxy.Options{File: 300 * time.Millisecond, Look: 200 * time.Millisecond}
	up, nobody := serve(t, o.URL, options), serve(t, down.URL, options)
	for _, c := range []struct {
		name, sandbox  string
		h              *host
		files          http.HandlerFunc
		status         int
		word, sentence string
	}{
		{"booting", "booting", up, nil, 503, "booting", "The device is booting."},
		{"unknown", "gone", up, nil, 404, "unknown", "There is no such device."},
		{"not registered", "unregistered", up, nil, 503, "registering", "has not registered its screen yet"},
		{"operator down", "dev-2", nobody, nil, 503, "operator-down", "The display operator of the host cannot be reached."},
		{"stale", "dev-1", up, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Cutf-Proxy", "op-device")
			w.WriteHeader(http.StatusBadGateway)
		}, 502, "gone", "the process that serves its screen is gone"},
		{"frozen", "dev-2", up, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}, 504, "frozen", "is registered, but does not answer"},
	} {
		o.serveFiles(c.files)
		at := "/sandboxes/" + c.sandbox + "/toolbox/proxy/6080"
		got := c.h.Do("GET", at+"/", "")
		if got.Status != c.status || !strings.Contains(got.Body, c.sentence) || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %s", c.name, got.Status, got.Header, got.Body)
		}
		if strings.Contains(got.Body, "<3 of 6>") {
			t.Errorf("%s: a reason was taken for HTML", c.name)
		}
		if got := c.h.Do("GET", at+"/daytona-display/status", ""); got.Status != 200 || got.Field(t, "display") != c.word {
			t.Errorf("%s: %d %s, want %s", c.name, got.Status, got.Body, c.word)
		}
	}
	o.serveFiles(nil)
	if got := up.Do("GET", "/sandboxes/dev-1/toolbox/proxy/6080/daytona-display/status", ""); got.Status != 200 {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// Ensure files of a device that stops in the middle end in time.
func TestSlowFiles(t *testing.T) {
	t.Parallel()
	o := startConsole(t)
	h := serve(t, o.URL, proxy.Options{File: 300 * time.Millisecond})
	o.serveFiles(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("begun"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	if got, err := h.Try("GET", base+"/style.css", http.NoBody); err == nil {
		t.Errorf("%d %q was taken for whole", got.Status, got.Body)
	}
	if u, err := url.Parse(o.URL); err != nil || u.Host == "" {
		t.Error(err)
	}
}
