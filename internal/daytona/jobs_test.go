package daytona_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/daytona"
	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

func ids(jobs []wire.Job) string {
	var out []string
	for _, j := range jobs {
		out = append(out, j.ID)
	}
	return strings.Join(out, " ")
}

func TestPollReadsJobsAsRecorded(t *testing.T) {
	t.Parallel()
	api := serve(t, saying(200, `{"jobs":[{"id":"1","type":"CREATE_SANDBOX","status":"IN_PROGRESS","resourceType":"SANDBOX","resourceId":"s-1",`+
		`"payload":"{\"id\":\"s-1\"}","traceContext":{"traceparent":"00-a-b-01","tracestate":null},"createdAt":"2026-11-23T18:38:12.653Z","updatedAt":"2026-11-23T18:38:12.660Z"},`+
		`{"id":"2","type":"DESTROY_SANDBOX","status":"IN_PROGRESS","resourceType":"SANDBOX","resourceId":"s-2","payload":null,"traceContext":null,"errorMessage":null}]}`))
	got, err := api.client(t, daytona.Options{}).Poll(t.Context(), 30*time.Second, 10)
	if err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if j := got[0]; j.Payload != `{"id":"s-1"}` || j.ResourceID != "s-1" || j.Type != wire.JobCreateSandbox || j.TraceContext["traceparent"] != "00-a-b-01" {
		t.Errorf("got %+v", j)
	}
	if j := got[1]; j.Payload != "" || j.TraceContext != nil || j.ErrorMessage != "" {
		t.Errorf("got %+v, want nulls to be nothing", j)
	}
}

func TestPollWritesItsWait(t *testing.T) {
	t.Parallel()
	api := serve(t, saying(200, `{"jobs":[]}`))
	c := api.client(t, daytona.Options{})
	for _, wait := range []time.Duration{30 * time.Second, 2500 * time.Millisecond, 0} {
		if got, err := c.Poll(t.Context(), wait, 3); err != nil || len(got) != 0 {
			t.Errorf("got %v, %v", got, err)
		}
	}
	want := "GET /api/jobs/poll?timeout=30&limit=3|GET /api/jobs/poll?timeout=2.5&limit=3|GET /api/jobs/poll?timeout=0&limit=3"
	if got := strings.Join(api.lines(), "|"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAPollThatAGatewayGaveUpIsEmpty(t *testing.T) {
	t.Parallel()
	api := serve(t, saying(408, `{"message":"x"}`))
	if got, err := api.client(t, daytona.Options{}).Poll(t.Context(), time.Second, 1); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v, want nothing", got, err)
	}
}

// Ensure a poll whose answer was lost is not sent again by anybody, on an old connection either:
// net/http would, and the jobs that the first one claimed would be forgotten.
func TestALostPollIsNotSentAgain(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 2 {
			hangUp(w, r)
		}
		saying(200, `{"jobs":[]}`)(w, r)
	})
	c := api.client(t, daytona.Options{})
	if _, err := c.Poll(t.Context(), time.Second, 1); err != nil {
		t.Fatal(err)
	}
	_, err := c.Poll(t.Context(), time.Second, 1)
	if !fault.Is(err, fault.Unavailable) || calls.Load() != 2 {
		t.Errorf("got %v after %d requests, want Unavailable after 2", err, calls.Load())
	}
}

// listed serves n jobs, newest first, in pages; their number is told as told, 0: as it is.
func listed(n int, told string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.FormValue("page"))
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		items := []map[string]string{}
		for i := n - (page-1)*limit; i > max(n-page*limit, 0); i-- {
			items = append(items, map[string]string{"id": strconv.Itoa(i), "status": "IN_PROGRESS"})
		}
		data, _ := json.Marshal(items)
		pages := told
		if pages == "" {
			pages = strconv.Itoa((n + limit - 1) / limit)
		}
		saying(200, fmt.Sprintf(`{"items":%s,"total":%d,"page":%d,"totalPages":%s}`, data, n, page, pages))(w, r)
	}
}

func TestClaimedJobsComeOldestFirst(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		n        int
		told     string
		requests int
	}{
		{"none", 0, "", 1},
		{"one page", 3, "", 1},
		{"a full page", 200, "", 1},
		{"several pages", 450, "", 3},
		{"more pages are told than there are", 3, "1000000", 2},
		{"a million pages are told of nothing", 0, "1000000", 1},
		{"the number of pages is null", 3, "null", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, listed(tt.n, tt.told))
			got, err := api.client(t, daytona.Options{}).InProgress(t.Context())
			if err != nil || len(got) != tt.n {
				t.Fatalf("got %d jobs, %v, want %d", len(got), err, tt.n)
			}
			for i, j := range got {
				if j.ID != strconv.Itoa(i+1) {
					t.Fatalf("job %d is %s: %s", i+1, j.ID, ids(got))
				}
			}
			for i, line := range api.lines() {
				if want := fmt.Sprintf("GET /api/jobs?status=IN_PROGRESS&page=%d&limit=200", i+1); line != want {
					t.Errorf("got %s, want %s", line, want)
				}
			}
			if got := len(api.lines()); got != tt.requests {
				t.Errorf("asked %d times, want %d", got, tt.requests)
			}
		})
	}
}

// Ensure half a list is none: a job left out would be taken for settled.
func TestAListThatBreaksOffIsAnError(t *testing.T) {
	t.Parallel()
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("page") == "2" {
			saying(401, ``)(w, r)
			return
		}
		listed(300, "")(w, r)
	})
	if got, err := api.client(t, daytona.Options{}).InProgress(t.Context()); !fault.Is(err, fault.Unauthorized) || got != nil {
		t.Errorf("got %d jobs, %v", len(got), err)
	}
}

func TestReportsOfSettledJobs(t *testing.T) {
	t.Parallel()
	done := wire.JobStatusDTO{Status: wire.StatusCompleted}
	for _, status := range []int{404, 409} {
		api := serve(t, saying(status, `{"message":"why"}`))
		c := api.client(t, daytona.Options{})
		for what, err := range map[string]error{"report": c.Report(t.Context(), "j", done), "progress": c.Progress(t.Context(), "j", "{}")} {
			if !errors.Is(err, daytona.ErrSettled) || !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "why") {
				t.Errorf("%s answered %d: got %v, want ErrSettled and the API's words", what, status, err)
			}
		}
	}
	for _, status := range []int{400, 401, 403, 500} {
		api := serve(t, saying(status, ``))
		if err := api.client(t, daytona.Options{}).Report(t.Context(), "j", done); err == nil || errors.Is(err, daytona.ErrSettled) {
			t.Errorf("%d: got %v, want an error that leaves it open", status, err)
		}
	}
}

// Ensure nothing is reported twice: the API would act on it twice.
func TestReportingAgainAsksFirst(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		get     int
		status  string
		post    int
		settled bool
		kind    fault.Kind // of an error that is not ErrSettled
		want    string     // the requests
	}{
		{"still open", 200, wire.StatusInProgress, 201, false, 0, "GET POST"},
		{"not claimed any more", 200, wire.StatusPending, 409, true, 0, "GET POST"},
		{"reported before", 200, wire.StatusCompleted, 201, true, 0, "GET"},
		{"given up by the API", 200, wire.StatusFailed, 201, true, 0, "GET"},
		{"forgotten by the API", 404, "", 201, true, 0, "GET"},
		{"given up in between", 200, wire.StatusInProgress, 409, true, 0, "GET POST"},
		{"not to be had", 503, "", 201, false, fault.Unavailable, "GET GET GET"},
		{"a token that is refused", 401, "", 201, false, fault.Unauthorized, "GET"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					saying(tt.post, `{"id":"j","status":"FAILED"}`)(w, r)
					return
				}
				saying(tt.get, `{"id":"j","status":"`+tt.status+`"}`)(w, r)
			})
			err := api.client(t, daytona.Options{}).ReportAgain(t.Context(), "j", wire.JobStatusDTO{Status: wire.StatusFailed, ErrorMessage: "no"})
			if errors.Is(err, daytona.ErrSettled) != tt.settled || !tt.settled && err != nil && !fault.Is(err, tt.kind) || err == nil && tt.kind != 0 {
				t.Errorf("got %v", err)
			}
			var methods []string
			for _, h := range api.requests() {
				methods = append(methods, strings.Fields(h.line)[0])
				if h.body != "" && h.body != `{"status":"FAILED","errorMessage":"no"}` {
					t.Errorf("reported %s", h.body)
				}
			}
			if got := strings.Join(methods, " "); got != tt.want {
				t.Errorf("requests %s, want %s", got, tt.want)
			}
		})
	}
}

// Ensure a 200 that says nothing of the job, such as a gateway's page, is not taken for a settled job.
func TestAReportWantsTheJobBack(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"nothing": ``, "a page": `<html>`, "another status": `{"id":"j","status":"IN_PROGRESS"}`} {
		api := serve(t, saying(201, answer))
		err := api.client(t, daytona.Options{}).Report(t.Context(), "j", wire.JobStatusDTO{Status: wire.StatusFailed, ErrorMessage: "no"})
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSandboxesAreRead(t *testing.T) {
	t.Parallel()
	api := serve(t, saying(200, `[{"id":"a","state":"started","desiredState":"stopped","networkAllowList":null,"cpu":1.5},{"id":"b","state":null}]`))
	got, err := api.client(t, daytona.Options{}).Sandboxes(t.Context(), "started")
	want := []wire.SandboxDTO{{ID: "a", State: "started", DesiredState: "stopped"}, {ID: "b"}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// Ensure whatever an API says is read or refused, and never lost without an error.
func FuzzPoll(f *testing.F) {
	f.Add([]byte(`{"jobs":[{"id":"1","type":"CREATE_SANDBOX","payload":"{}","traceContext":{"traceparent":"x"},"createdAt":"2026-11-23T18:38:12.653Z"}]}`))
	f.Add([]byte(`{"jobs":null}`))
	f.Add([]byte(`{"jobs":[{"createdAt":""}]}`))
	answer := []byte{}
	api := serve(f, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })
	c := api.client(f, daytona.Options{})
	f.Fuzz(func(t *testing.T, data []byte) {
		answer = data
		jobs, err := c.Poll(t.Context(), 0, 1)
		if err != nil && !fault.Is(err, fault.Unavailable) {
			t.Errorf("got %v (%s), want Unavailable", err, fault.KindOf(err))
		}
		if err == nil && !json.Valid(data) {
			t.Errorf("%q was read as %v", data, jobs)
		}
	})
}
