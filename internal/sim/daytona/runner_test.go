package daytona

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const healthy = `{"appVersion":"v1","domain":"127.0.0.1","proxyUrl":"http://127.0.0.1:3107","apiUrl":"http://127.0.0.1:3107",
	"serviceHealth":[{"serviceName":"cvd","healthy":true}],
	"metrics":{"currentCpuUsagePercentage":5,"cpu":32,"memoryGiB":125,"diskGiB":878}}`

func TestTokensOpenTheRoutesOfTheirRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.startedSandbox()
	for _, tt := range []struct{ method, path, right, wrong string }{
		{"GET", "/api/jobs/poll?timeout=0", testToken, testKey},
		{"GET", "/api/jobs", testToken, testKey},
		{"GET", "/api/jobs/x", testToken, testKey},
		{"POST", "/api/jobs/x/status", testToken, testKey},
		{"POST", "/api/runners/healthcheck", testToken, testKey},
		{"GET", "/api/runners/me", testToken, testKey},
		{"GET", "/api/sandbox/for-runner", testToken, testKey},
		{"PUT", "/api/sandbox/dev1/state", testToken, testKey},
		{"GET", "/api/sandbox", testKey, testToken},
		{"GET", "/api/sandbox/dev1", testKey, testToken},
		{"GET", "/api/sandbox/dev1/toolbox-proxy-url", testKey, testToken},
		{"GET", "/api/sandbox/dev1/ports/6080/preview-url", testKey, testToken},
	} {
		call := func(token string) reply { return w.do(request(t.Context(), tt.method, tt.path, token, "{}")) }
		if got := call(tt.right); got.status == 401 || got.status == 403 {
			t.Errorf("%s %s: %d with the right token", tt.method, tt.path, got.status)
		}
		if got := call(tt.wrong); got.status != 403 || got.message() != "Invalid authentication context" {
			t.Errorf("%s %s: %d %s with another role's token", tt.method, tt.path, got.status, got.body)
		}
		for _, token := range []string{"", "guess"} {
			if got := call(token); got.status != 401 || got.message() != "Invalid credentials" {
				t.Errorf("%s %s: %d %s with token %q", tt.method, tt.path, got.status, got.body, token)
			}
		}
	}
	r := request(t.Context(), "GET", "/api/jobs", "", "")
	r.Header.Set("Authorization", "bearer "+testToken)
	if got := w.do(r); got.status != 401 {
		t.Errorf("another scheme: %d", got.status)
	}
}

func TestErrorsHaveTheAPIsBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	for _, tt := range []struct {
		method, path, token, short, message string
		status                              int
	}{
		{"GET", "/api/jobs/poll?limit=1", "", "Unauthorized", "Invalid credentials", 401},
		{"GET", "/api/nothing?x=1", "", "Not Found", "Cannot GET /api/nothing", 404},
		{"DELETE", "/api/jobs", testToken, "Not Found", "Cannot DELETE /api/jobs", 404},
		{"GET", "/api/jobs/none", testToken, "Not Found", "Job not found", 404},
	} {
		var got map[string]any
		answer := w.do(request(t.Context(), tt.method, tt.path, tt.token, ""))
		decode(t, answer.body, &got)
		path, _, _ := strings.Cut(tt.path, "?")
		want := map[string]any{"path": path, "statusCode": float64(tt.status), "error": tt.short, "message": tt.message, "timestamp": got["timestamp"]}
		if fmt.Sprint(got) != fmt.Sprint(want) || answer.status != tt.status || len(fmt.Sprint(got["timestamp"])) != 24 {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
	if got := w.do(request(t.Context(), "GET", "/", "", "")); got.status != 404 || !strings.HasPrefix(got.body, "{") {
		t.Errorf("outside: %d %s", got.status, got.body)
	}
}

func TestABodyThatIsNotDeclaredAsJSONIsNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	r := request(t.Context(), "POST", "/api/runners/healthcheck", testToken, healthy)
	r.Header.Del("Content-Type")
	if got := w.do(r); got.status != 400 || got.message() != "appVersion must be a string" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestHealthchecksAreValidatedAndRecorded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, complaint, violation string }{
		{name: "complete", body: healthy},
		{name: "the least", body: `{"appVersion":"v1"}`},
		{"no version", `{}`, "appVersion must be a string", badHealthcheck},
		{"a number for a version", `{"appVersion":1}`, "appVersion must be a string", badHealthcheck},
		{"health without verdict", `{"appVersion":"v1","serviceHealth":[{"serviceName":"cvd"}]}`,
			"serviceHealth.0.healthy must be a boolean value", badHealthcheck},
		{"two mistakes", `{"appVersion":"v1","domain":1,"serviceHealth":[{"serviceName":"a","healthy":true},{"healthy":"yes"}]}`,
			"domain must be a string, serviceHealth.1.serviceName must be a string, serviceHealth.1.healthy must be a boolean value", badHealthcheck},
		{"partial metrics are accepted", `{"appVersion":"v1","metrics":{"cpu":4}}`, "", poorTotals},
		{"a total of nothing", `{"appVersion":"v1","metrics":{"cpu":0,"memoryGiB":1,"diskGiB":1}}`, "", poorTotals},
		{"a GPU", `{"appVersion":"v1","metrics":{"cpu":1,"memoryGiB":1,"diskGiB":1,"gpu":1}}`, "", reportsGPU},
	} {
		w := newWorld(t, Options{})
		got := w.asRunner("POST", "/api/runners/healthcheck", tt.body)
		if tt.complaint == "" && (got.status != 201 || got.body != "") || tt.complaint != "" && (got.status != 400 || got.message() != tt.complaint) {
			t.Errorf("%s: %d %s", tt.name, got.status, got.body)
		}
		kinds := slices.Compact(w.violationKinds())
		if want := complaints(tt.violation); !slices.Equal(kinds, want) {
			t.Errorf("%s: violations %v, want %v", tt.name, kinds, want)
		}
		var checks []healthRecord
		if w.desk("GET", "/sim/healthchecks", "", &checks); len(checks) != 1 || checks[0].Status != got.status {
			t.Errorf("%s: recorded %+v", tt.name, checks)
		}
	}
}

func TestARunnerIsReadyWhileItSaysSo(t *testing.T) {
	t.Parallel()
	for _, scale := range []float64{1, 30} {
		inBubble(t, Options{Scale: scale}, func(t *testing.T, w *world) {
			state := func() string {
				var r runnerRecord
				w.desk("GET", "/sim/runner", "", &r)
				return r.State
			}
			expect := func(want string) {
				t.Helper()
				if got := state(); got != want {
					t.Errorf("the runner is %s, want %s", got, want)
				}
			}
			expect(runnerInitializing)
			w.asRunner("POST", "/api/runners/healthcheck", healthy)
			expect(runnerReady)
			limit := time.Duration(float64(60*time.Second) / scale)
			time.Sleep(limit - time.Millisecond)
			expect(runnerReady)
			time.Sleep(time.Millisecond)
			expect(runnerUnresponsive)
			const create = `{"type":"CREATE_SANDBOX","sandboxId":"dev1"}`
			if got := w.desk("POST", "/sim/jobs", create, nil); got.status != 409 || !strings.Contains(got.message(), "unresponsive") {
				t.Errorf("%d %s", got.status, got.body)
			}
			w.order(`{"type":"STOP_SANDBOX","sandboxId":"old"}`)
			w.order(`{"type":"CREATE_SANDBOX","sandboxId":"dev1","force":true}`)
			w.asRunner("POST", "/api/runners/healthcheck", healthy)
			expect(runnerReady)
			w.asRunner("POST", "/api/runners/healthcheck", `{"appVersion":"v1","serviceHealth":[{"serviceName":"cvd","healthy":false,"errorReason":"gone"}]}`)
			expect(runnerUnresponsive)
			var me map[string]any
			decode(t, w.asRunner("GET", "/api/runners/me", "").body, &me)
			if me["state"] != runnerUnresponsive || me["domain"] != "127.0.0.1" || me["cpu"] != 32.0 || me["apiVersion"] != "2" || me["serviceHealth"] == nil {
				t.Errorf("me: %v", me)
			}
			w.asRunner("POST", "/api/runners/healthcheck", `{"appVersion":"v2"}`)
			decode(t, w.asRunner("GET", "/api/runners/me", "").body, &me)
			if me["state"] != runnerReady || me["serviceHealth"] != nil || me["proxyUrl"] != "http://127.0.0.1:3107" || me["appVersion"] != "v2" {
				t.Errorf("me: %v", me)
			}
		})
	}
}

func TestViolations(t *testing.T) {
	t.Parallel()
	const stop = `{"type":"STOP_SANDBOX","sandboxId":"dev1"}`
	for _, tt := range []struct {
		name string
		do   func(w *world)
		want []string
	}{
		{"a good life", func(w *world) { w.settle(stop, done) }, nil},
		{"a job reported COMPLETED twice", func(w *world) { w.reportStatus(w.settle(stop, done).ID, done) }, []string{completedTwice}},
		{"FAILED after COMPLETED", func(w *world) { w.reportStatus(w.settle(stop, done).ID, failedWith) }, []string{contradiction}},
		{"a report for a job that nobody has", func(w *world) { w.reportStatus(w.order(stop).ID, failedWith) }, []string{unclaimedJob}},
		{"a report for no job", func(w *world) { w.reportStatus("none", done) }, []string{unknownJob}},
		{"PENDING is not for runners", func(w *world) { w.settleLoosely(stop, `{"status":"PENDING"}`) }, []string{badStatus}},
		{"FAILED without a reason", func(w *world) { w.settle(stop, `{"status":"FAILED"}`) }, []string{withoutReason}},
		{"an inspection without a hash", func(w *world) {
			w.settle(`{"type":"INSPECT_SNAPSHOT_IN_REGISTRY"}`, `{"status":"COMPLETED","resultMetadata":"{\"sizeGB\":1}"}`)
		}, []string{poorResult}},
		{"a hash with its algorithm", func(w *world) {
			w.settle(`{"type":"PULL_SNAPSHOT"}`, `{"status":"COMPLETED","resultMetadata":"{\"sizeGB\":1,\"hash\":\"sha256:ab\"}"}`)
		}, []string{poorResult}},
		{"a state that the API does not know", func(w *world) { w.asRunner("PUT", "/api/sandbox/dev1/state", `{"state":"crashed"}`) }, []string{unknownStateName}},
		{"a call without traceparent", func(w *world) {
			r := request(w.t.Context(), "GET", "/api/jobs", testToken, "")
			r.Header.Del("Traceparent")
			w.do(r)
		}, []string{withoutTraceparent}},
	} {
		w := newWorld(t, Options{NoBackups: true})
		tt.do(w)
		if got := w.violationKinds(); !slices.Equal(got, tt.want) && len(got)+len(tt.want) > 0 {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// settleLoosely reports without caring for the answer.
func (w *world) settleLoosely(order, report string) {
	id := w.order(order).ID
	w.claimNow()
	w.reportStatus(id, report)
}

func TestRequestsAreRememberedWithoutSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.asRunner("GET", "/api/jobs?limit=5", "")
	w.do(request(t.Context(), "GET", "/api/sandbox", testKey, ""))
	for range maxRequests {
		w.do(request(t.Context(), "GET", "/api/jobs", "guess", ""))
	}
	var list []requestRecord
	w.desk("GET", "/sim/requests", "", &list)
	if len(list) != maxRequests || list[0].Status != 401 || list[0].By != "" {
		t.Errorf("%d requests, the first %+v", len(list), list[0])
	}
	w = newWorld(t, Options{})
	w.asRunner("GET", "/api/jobs?limit=5", "")
	body := w.desk("GET", "/sim/requests", "", &list).body
	got := list[0]
	if strings.Contains(body, testToken) || got.By != "runner" || got.Path != "/api/jobs?limit=5" || got.Status != 200 || !got.Traceparent || got.Headers["Authorization"] != "…" {
		t.Errorf("got %s", body)
	}
}
