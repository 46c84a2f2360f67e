package daytona

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testToken = "runner-token"
	testKey   = "user-key"
)

// world is a double without sockets, whose time is a bubble's where the test runs in one.
type world struct {
	t *testing.T
	*Server
}

func newWorld(t *testing.T, o Options) *world {
	t.Helper()
	o.Token, o.UserKey = testToken, testKey
	return &world{t, New(o)}
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, o Options, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, o)) })
}

// reply is what came back; status 0 is a closed connection.
type reply struct {
	status int
	body   string
}

// message is the text of an error of either side.
func (r reply) message() string {
	var e struct{ Message, Error string }
	_ = json.Unmarshal([]byte(r.body), &e)
	if e.Message != "" {
		return e.Message
	}
	return e.Error
}

func (w *world) do(r *http.Request) (got reply) {
	recorder := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if err, isError := p.(error); !isError || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			got = reply{}
		}
	}()
	w.ServeHTTP(recorder, r)
	return reply{recorder.Code, recorder.Body.String()}
}

func request(ctx context.Context, method, path, token, body string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// runner calls as the runner does.
func (w *world) asRunner(method, path, body string) reply {
	return w.do(request(w.t.Context(), method, path, testToken, body))
}

// desk calls the desk and decodes its answer.
func (w *world) desk(method, path, body string, into any) reply {
	w.t.Helper()
	got := w.do(request(w.t.Context(), method, path, "", body))
	if into != nil {
		decode(w.t, got.body, into)
	}
	return got
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// order orders a job and wants it accepted.
func (w *world) order(body string) jobRecord {
	w.t.Helper()
	var rec jobRecord
	if got := w.desk("POST", "/sim/jobs", body, &rec); got.status != 201 {
		w.t.Fatalf("order %s: %d %s", body, got.status, got.body)
	}
	return rec
}

// poll claims what is there now.
func (w *world) claimNow() []wireJob {
	w.t.Helper()
	return jobsOf(w.t, w.asRunner("GET", "/api/jobs/poll?timeout=0", ""))
}

func jobsOf(t *testing.T, got reply) []wireJob {
	t.Helper()
	var list struct{ Jobs []wireJob }
	if got.status != 200 {
		t.Fatalf("poll: %d %s", got.status, got.body)
	}
	decode(t, got.body, &list)
	return list.Jobs
}

func (w *world) reportStatus(id, body string) reply {
	return w.asRunner("POST", "/api/jobs/"+id+"/status", body)
}

// settle orders a job, claims it and reports it.
func (w *world) settle(order, report string) jobRecord {
	w.t.Helper()
	rec := w.order(order)
	w.claimNow()
	if got := w.reportStatus(rec.ID, report); got.status != 201 {
		w.t.Fatalf("report %s: %d %s", report, got.status, got.body)
	}
	return w.recordOf(rec.ID)
}

func (w *world) recordOf(id string) jobRecord {
	w.t.Helper()
	var rec jobRecord
	w.desk("GET", "/sim/jobs/"+id, "", &rec)
	return rec
}

func (w *world) row(id string) sandboxRecord {
	w.t.Helper()
	var list []sandboxRecord
	w.desk("GET", "/sim/sandboxes", "", &list)
	for _, sb := range list {
		if sb.ID == id {
			return sb
		}
	}
	w.t.Fatalf("there is no sandbox %s", id)
	return sandboxRecord{}
}

// violationKinds are what the runner did wrong so far.
func (w *world) violationKinds() []string {
	w.t.Helper()
	var list []violation
	w.desk("GET", "/sim/violations", "", &list)
	kinds := []string{}
	for _, v := range list {
		kinds = append(kinds, v.Kind)
	}
	return kinds
}

const done = `{"status":"COMPLETED"}`

const failedWith = `{"status":"FAILED","errorMessage":"no space"}`

// started makes a sandbox dev1 that runs.
func (w *world) startedSandbox() {
	w.t.Helper()
	w.settle(`{"type":"CREATE_SANDBOX","sandboxId":"dev1"}`, `{"status":"COMPLETED","resultMetadata":"{\"daemonVersion\":\"\"}"}`)
}
