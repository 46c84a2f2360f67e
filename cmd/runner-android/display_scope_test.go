package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Ensure that nothing of one sandbox's display, and nothing else of the operator, is reachable through another's
// host, whatever a request says; and that the operator sees no credential and no header of proxies and browsers.
func TestDisplaysAreApart(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	for _, id := range []string{"dev1", "dev2"} {
		h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": id})
		r.straight(id).wantDisplay("ready")
	}
	foreign := h.throughProxy("dev2").opened("dev2")
	link := r.share("dev1", nil)
	for _, w := range []way{h.throughProxy("dev1"), r.straight("dev1"), r.by(link.URL)} {
		t.Run(w.name, func(t *testing.T) {
			w.t = t
			w.header.Set("Cookie", "session=secret")
			w.header.Set("Referer", "http://elsewhere.example/")
			w.header.Set("X-Forwarded-Host", "6080-dev2.proxy.localhost")
			w.header.Set("X-Daytona-Secret", "secret")
			before := len(h.askedOfOperator())
			wantOwnDisplay(t, w)
			wantNothingForeign(t, w, foreign)
			for _, asked := range h.askedOfOperator()[before:] {
				if !asked.probe() && strings.HasPrefix(asked.URI, "/devices/") && !strings.HasPrefix(asked.URI+"/", "/devices/dev1/") {
					t.Errorf("the operator was asked %s %s", asked.Method, asked.URI)
				}
			}
		})
	}
	for _, asked := range h.askedOfOperator() {
		for name := range asked.Header {
			switch {
			case strings.HasPrefix(name, "X-"), name == "Cookie", name == "Authorization", name == "Referer", name == "Origin", name == "Forwarded":
				t.Errorf("%s %s: the operator sees %s: %s", asked.Method, asked.URI, name, asked.Header[name])
			}
		}
	}
}

// wantOwnDisplay wants all of what there is of a display.
func wantOwnDisplay(t *testing.T, w way) {
	t.Helper()
	for _, page := range []string{"/", "/client.html", "/index.html", "/vnc.html?autoconnect=true&resize=scale"} {
		if got := w.get(page); !strings.Contains(got, `__DAYTONA_DEVICE_ID="dev1"`) {
			t.Errorf("%s: %s", page, got)
		}
	}
	if got := w.get("/js/server_connector.js"); !strings.Contains(got, `"dev1"`) || strings.Contains(got, "{{") {
		t.Errorf("connector: %s", got)
	}
	for _, path := range []string{"/style.css", "/js/app.js", "/js/cf_webrtc.js", "/js/server_connector.operator.js", "/infra_config", "/daytona-display/media.js"} {
		w.get(path)
		if got := w.ask("HEAD", path, ""); got.status != http.StatusOK || len(got.body) != 0 {
			t.Errorf("HEAD %s: %d, %d bytes", path, got.status, len(got.body))
		}
	}
	w.described("dev1", nil)
	conn := w.opened("dev1")
	if got := w.ask("POST", "/polled_connections/"+conn+"/:forward", `{"payload":{"type":"request-offer"}}`); got.status != http.StatusOK {
		t.Errorf("forward: %d %s", got.status, got.body)
	}
	w.get("/polled_connections/" + conn + "/messages?start=0")
}

// wantNothingForeign tries to reach another device, and the rest of the operator.
func wantNothingForeign(t *testing.T, w way, foreign string) {
	t.Helper()
	for _, path := range []string{
		"/devices", "/devices/", "/devices/dev1", "/devices/dev2", "/devices/dev2/", "/devices/dev2/files/client.html",
		"/devices/dev1/files/client.html", "/devices/dev1/adb", "/devices/dev1/services", "/devices/dev1/openwrt/", "/devices/dev2/adb",
		"/devices/dev2/connect", "/devices/dev1%2f..%2fdev2/connect", "/devices/dev1/../dev2/connect", "/devices/dev1/%2e%2e/dev2/connect",
		"/devices%2fdev2%2fconnect", "/devices%2Fdev2%2Ffiles%2Fclient.html", "/%64evices/dev2/connect", "//devices/dev2/connect",
		"/..%2f..%2fdev2%2ffiles%2fclient.html", "/js/..%2f..%2f..%2fdev2/files/client.html", "/%2e%2e/%2e%2e/dev2/files/client.html",
		"/js/..%5c..%5cdev2%5cfiles%5cclient.html", "/sim/requests", "/..%2f..%2f..%2fsim%2frequests",
		"/polled_connections/" + foreign + "/messages", "/polled_connections/" + foreign + "/messages?start=0", "/polled_connections%2f" + foreign + "%2fmessages",
		"/polled_connections/..%2fdevices", "/polled_connections/" + foreign, "/devices/dev1%00/connect", "/devices/dev1%0d%0aX-A:%20b/connect",
	} {
		got := w.ask("GET", path, "")
		if got.status < 400 && !redirectedWithin(w, got) || strings.Contains(string(got.body), "dev2") {
			t.Errorf("GET %s: %d %s %s", path, got.status, got.header.Get("Location"), got.body)
		}
	}
	for _, path := range []string{"/devices/dev2/connect", "/devices/dev1%2f..%2fdev2/connect", "/devices/dev2%2fconnect", "/devices/dev1/adb", "/devices/dev2/adb"} {
		if conn, status := w.dial(path, nil); conn != nil || status != http.StatusNotFound {
			t.Errorf("WebSocket %s: %d", path, status)
		}
	}
	for body, path := range map[string]string{
		`{"device_id":"dev2"}`:                    "/polled_connections",
		`{"device_id":"dev1/../dev2"}`:            "/polled_connections",
		`{"device_id":"dev1","device_id":"dev2"}`: "/polled_connections",
		`{"Device_Id":"dev2"}`:                    "/polled_connections",
		`{"payload":{"type":"request-offer"}}`:    "/polled_connections/" + foreign + "/:forward",
		`{"payload":{}}`:                          "/polled_connections%2f" + foreign + "%2f:forward",
	} {
		if got := w.ask("POST", path, body); got.status != http.StatusNotFound {
			t.Errorf("POST %s %s: %d %s", path, body, got.status, got.body)
		}
	}
	for _, uri := range []string{ // at the proxy the first one asks who one is
		"http://6080-dev2.proxy.localhost/devices/dev2/files/client.html", "http://6080-dev2.proxy.localhost" + w.prefix + "/devices/dev2/files/client.html",
		"http://" + w.host + w.prefix + "/devices/dev2/files/client.html", "http://127.0.0.1:1080/devices", "http://127.0.0.1:1080" + w.prefix + "/devices",
	} {
		if got := w.raw("GET", uri, "", nil); got.status < 300 || got.status >= 400 && strings.Contains(string(got.body), "dev2") {
			t.Errorf("GET %s: %d %s", uri, got.status, got.body)
		}
	}
}

// Ensure the display of a device that somebody else has launched is found by what its host says of it.
func TestDisplayOfAnAdoptedDevice(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	h.cvd("--group_name=cvd_7", "create", "--host_path="+h.get("CVD_HOME"), "--product_path="+h.get("CVD_ARTIFACTS_PATH")+"/android-LATEST",
		"--instance_nums=3", "--report_anonymous_usage_stats=n", "--daemon")
	instances := h.get("CVD_INSTANCES_PATH")
	if err := os.MkdirAll(instances, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(instances, "mappings.json"), []byte(`{"old-one": 3}`), 0o644); err != nil {
		t.Fatal(err)
	}
	h.misbehaveOperator("restart:0.1") // what cvd had told of it is gone
	r := startRunner(h, alert...)
	r.wantState("old-one", "started")
	w := r.straight("old-one")
	w.wantDisplay("ready")
	r.wantEvidence("old-one", "display", "serves its page")
	var listed []struct {
		ID string `json:"device_id"`
	}
	if h.operatorGet("/devices", &listed); len(listed) != 1 || listed[0].ID == "old-one" {
		t.Fatalf("%+v", listed)
	}
	id := listed[0].ID
	if got := w.get("/"); !strings.Contains(got, `"`+id+`"`) {
		t.Errorf("page: %s", got)
	}
	w.described(id, nil)
	w.opened(id)
	if conn, status := w.dial("/devices/old-one/connect", nil); conn != nil || status != http.StatusNotFound {
		t.Errorf("signalling by its sandbox's id: %d", status)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/old-one/stop", nil)
	r.want(http.StatusOK, "POST", "/sandboxes/old-one/start", "{}")
	w.wantDisplay("ready")
	w.described("old-one", nil)
}

// redirectedWithin reports a redirect that stays below the page's root: the proxies in front clean paths.
func redirectedWithin(w way, got reply) bool {
	at := got.header.Get("Location")
	return got.status/100 == 3 && (w.prefix == "" || strings.HasPrefix(at, w.prefix+"/")) && !strings.Contains(at, "//")
}

// Ensure a page of somebody else cannot open the signalling in the name of a browser: its Origin is compared with
// the host that the last proxy in front saw, which the browser cannot choose.
func TestDisplayOfAForeignPage(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	w := h.throughProxy("dev1")
	w.wantDisplay("ready")
	own := "http://" + w.host
	w.described("dev1", http.Header{"Origin": {own}})
	r.straight("dev1").described("dev1", http.Header{"Origin": {own}, "X-Forwarded-Host": {"evil.example, " + w.host}})
	for _, header := range []http.Header{
		{"Origin": {"http://evil.example"}},
		{"Origin": {"null"}},
		{"Origin": {"http://evil.example"}, "X-Forwarded-Host": {"evil.example"}},
		{"Origin": {own + ".evil.example"}},
	} {
		if conn, status := w.dial("/devices/dev1/connect", header); conn != nil || status != http.StatusForbidden {
			t.Errorf("%v: %d", header, status)
		}
		if conn, status := w.dial("/daytona-display/frames", header); conn != nil || status != http.StatusForbidden {
			t.Errorf("frames: %v: %d", header, status)
		}
		if got := w.raw("POST", "/polled_connections", `{"device_id":"dev1"}`, header); got.status != http.StatusForbidden {
			t.Errorf("polled: %v: %d %s", header, got.status, got.body)
		}
	}
}
