package daytona

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const testProxyKey = "proxy-key"

// asProxy calls as Daytona's proxy does.
func (w *world) asProxy(method, path string) reply {
	return w.do(request(w.t.Context(), method, path, testProxyKey, ""))
}

func (w *world) asUser(method, path string) reply {
	return w.do(request(w.t.Context(), method, path, testKey, ""))
}

func TestWhatTheProxyMayKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{ProxyKey: testProxyKey})
	w.startedSandbox()
	var preview struct{ Token string }
	decode(t, w.asUser("GET", "/api/sandbox/dev1/ports/6080/preview-url").body, &preview)
	if w.asProxy("GET", "/api/preview/dev1/public").status != 404 {
		t.Error("a sandbox is private unless its user says otherwise")
	}
	w.asUser("POST", "/api/sandbox/dev1/public/true")
	if !w.row("dev1").Public {
		t.Error("the row does not say that it is public")
	}
	for _, tt := range []struct {
		method, path, token string
		status              int
		body                string
	}{
		{"GET", "/api/preview/dev1/public", testProxyKey, 200, "true"},
		{"GET", "/api/preview/none/public", testProxyKey, 404, ""},
		{"GET", "/api/preview/dev1/public", testKey, 403, ""},
		{"GET", "/api/preview/dev1/access", testKey, 200, "true"},
		{"GET", "/api/preview/none/access", testKey, 404, ""},
		{"GET", "/api/preview/dev1/access", "nope", 401, ""},
		{"GET", "/api/preview/dev1/validate/" + preview.Token, testProxyKey, 200, "true"},
		{"GET", "/api/preview/dev1/validate/nope", testProxyKey, 404, ""},
		{"GET", "/api/preview/none/validate/" + preview.Token, testProxyKey, 404, ""},
		{"GET", "/api/preview/nope/6080/sandbox-id", testProxyKey, 404, ""},
		{"GET", "/api/preview/dev1/6080/elsewhere", testProxyKey, 404, ""},
		{"POST", "/api/sandbox/dev1/last-activity", testProxyKey, 201, ""},
		{"POST", "/api/sandbox/none/last-activity", testProxyKey, 404, ""},
		{"GET", "/api/runners/by-sandbox/none", testProxyKey, 404, ""},
		{"GET", "/api/runners/by-sandbox/dev1", testToken, 403, ""},
	} {
		got := w.do(request(t.Context(), tt.method, tt.path, tt.token, ""))
		if got.status != tt.status || tt.status == 200 && got.body != tt.body {
			t.Errorf("%s %s: %d %s, want %d %s", tt.method, tt.path, got.status, got.body, tt.status, tt.body)
		}
	}
	var requests []requestRecord
	w.desk("GET", "/sim/requests", "", &requests)
	if slices.ContainsFunc(requests, func(r requestRecord) bool { return strings.Contains(r.Path, preview.Token) }) {
		t.Error("the list of requests shows a token")
	}
}

func TestTheProxyLearnsWhereTheRunnerIsFromItsHealthcheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{ProxyKey: testProxyKey})
	w.startedSandbox()
	row := map[string]any{}
	decode(t, w.asProxy("GET", "/api/runners/by-sandbox/dev1").body, &row)
	if url, has := row["proxyUrl"]; !has || url != nil || row["apiKey"] != testToken {
		t.Errorf("before a healthcheck: %v", row)
	}
	w.asRunner("POST", "/api/runners/healthcheck", `{"appVersion":"1","proxyUrl":"http://127.0.0.1:3107"}`)
	decode(t, w.asProxy("GET", "/api/runners/by-sandbox/dev1").body, &row)
	if row["proxyUrl"] != "http://127.0.0.1:3107" || row["apiKey"] != testToken {
		t.Errorf("after it: %v", row)
	}
}

func TestSignedAddressesEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{ProxyKey: testProxyKey, ProxyURL: "http://127.0.0.1:4100"}, func(t *testing.T, w *world) {
		w.startedSandbox()
		const path = "/api/sandbox/dev1/ports/6080/signed-preview-url"
		for _, tt := range []struct {
			query string
			life  time.Duration
		}{{"", time.Minute}, {"?expiresInSeconds=5", 5 * time.Second}} {
			var signed struct {
				SandboxID, Token, URL string
				Port                  int
			}
			decode(t, w.asUser("GET", path+tt.query).body, &signed)
			if signed.SandboxID != "dev1" || signed.Port != 6080 || signed.URL != "http://6080-"+signed.Token+".proxy.localhost:4100" {
				t.Errorf("got %+v", signed)
			}
			resolve := "/api/preview/" + signed.Token + "/6080/sandbox-id"
			time.Sleep(tt.life - time.Millisecond)
			if got := w.asProxy("GET", resolve); got.status != 200 || got.body != `"dev1"` {
				t.Errorf("%q, just before its end: %d %s", tt.query, got.status, got.body)
			}
			if got := w.asProxy("GET", strings.Replace(resolve, "6080", "6081", 1)); got.status != 404 {
				t.Errorf("%q, for another port: %d", tt.query, got.status)
			}
			time.Sleep(time.Millisecond)
			if got := w.asProxy("GET", resolve); got.status != 404 {
				t.Errorf("%q, at its end: %d", tt.query, got.status)
			}
		}
		var signed struct{ Token string }
		decode(t, w.asUser("GET", path).body, &signed)
		if got := w.asUser("POST", path+"/"+signed.Token+"/expire"); got.status != 200 {
			t.Errorf("expire: %d", got.status)
		}
		if got := w.asProxy("GET", "/api/preview/"+signed.Token+"/6080/sandbox-id"); got.status != 404 {
			t.Errorf("taken back: %d", got.status)
		}
		for query, want := range map[string]int{"?expiresInSeconds=0": 400, "?expiresInSeconds=86401": 400, "?expiresInSeconds=x": 400, "?expiresInSeconds=86400": 200} {
			if got := w.asUser("GET", path+query); got.status != want {
				t.Errorf("%s: %d", query, got.status)
			}
		}
		for _, call := range []reply{
			w.asUser("GET", "/api/sandbox/dev1/ports/0/signed-preview-url"), w.asUser("GET", "/api/sandbox/dev1/ports/many/preview-url"),
		} {
			if call.status != 400 {
				t.Errorf("a port that is none: %d", call.status)
			}
		}
		for _, sandbox := range []string{"/ports/1/signed-preview-url", "/ports/1/preview-url"} {
			if got := w.asUser("GET", "/api/sandbox/none"+sandbox); got.status != 404 {
				t.Errorf("a sandbox that does not exist: %d", got.status)
			}
		}
	})
}
