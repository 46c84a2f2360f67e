package daytona

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnIdlePollWaitsAsLongAsItAsked(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]time.Duration{
		"":                    30 * time.Second,
		"?timeout=3":          3 * time.Second,
		"?timeout=2.5":        2500 * time.Millisecond,
		"?timeout=many":       30 * time.Second,
		"?timeout=NaN":        30 * time.Second,
		"?timeout=90":         60 * time.Second,
		"?timeout=0":          0,
		"?timeout=-1":         0,
		"?timeout=1&limit=2x": time.Second,
	} {
		// The poll's own timeout is not scaled.
		inBubble(t, Options{Scale: 100}, func(t *testing.T, w *world) {
			began := time.Now()
			got := w.asRunner("GET", "/api/jobs/poll"+query, "")
			if took := time.Since(began); took != want || got.body != `{"jobs":[]}` {
				t.Errorf("%q: %s after %s, want an empty list after %s", query, got.body, took, want)
			}
		})
	}
}

func TestAJobOrderedDuringThePollIsDeliveredAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(t *testing.T, w *world) {
		began := time.Now()
		answers := make(chan reply, 1)
		go func() { answers <- w.asRunner("GET", "/api/jobs/poll?timeout=30", "") }()
		time.Sleep(7 * time.Second)
		w.order(`{"type":"CREATE_SANDBOX","sandboxId":"dev1"}`)
		jobs := jobsOf(t, <-answers)
		if took := time.Since(began); len(jobs) != 1 || took != 7*time.Second {
			t.Errorf("%d jobs after %s", len(jobs), took)
		}
	})
}

func TestPollClaimsTheOldestFirstUpToItsLimit(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(t *testing.T, w *world) {
		var want []string
		for i := range 12 {
			want = append(want, w.order(fmt.Sprintf(`{"type":"STOP_SANDBOX","sandboxId":"s%d"}`, i)).ID)
			time.Sleep(time.Millisecond)
		}
		var got []string
		for _, query := range []string{"?limit=1.9", "", "?limit=1000"} {
			for _, j := range jobsOf(t, w.asRunner("GET", "/api/jobs/poll"+query, "")) {
				got = append(got, j.ID)
				if rec := w.recordOf(j.ID); j.Status != inProgress || rec.StartedAt == nil {
					t.Errorf("delivered as %s, started at %v", j.Status, rec.StartedAt)
				}
			}
			if query == "?limit=1.9" && len(got) != 1 || query == "" && len(got) != 11 {
				t.Errorf("after %q: %d jobs", query, len(got))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

func TestAPollerThatLeavesHasClaimedNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(t *testing.T, w *world) {
		ctx, leave := context.WithCancel(t.Context())
		answers := make(chan reply, 1)
		go func() { answers <- w.do(request(ctx, "GET", "/api/jobs/poll", testToken, "")) }()
		synctest.Wait()
		leave()
		if got := <-answers; got.status != 0 {
			t.Errorf("got %d", got.status)
		}
		rec := w.order(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`)
		if rec.Status != pending || len(w.claimNow()) != 1 {
			t.Errorf("the job is %s", rec.Status)
		}
	})
}

func TestJobsAreListedNewestFirstInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	var ids []string
	for i := range 5 {
		ids = append(ids, w.order(fmt.Sprintf(`{"type":"STOP_SANDBOX","sandboxId":"s%d"}`, i)).ID)
	}
	w.asRunner("GET", "/api/jobs/poll?limit=2", "")
	for _, tt := range []struct {
		query             string
		want              []string
		total, page, many int
	}{
		{"", []string{ids[4], ids[3], ids[2], ids[1], ids[0]}, 5, 1, 1},
		{"?limit=2&page=2", []string{ids[2], ids[1]}, 5, 2, 3},
		{"?limit=2&page=9", nil, 5, 9, 3},
		{"?status=IN_PROGRESS", []string{ids[1], ids[0]}, 2, 1, 1},
		{"?status=FAILED", nil, 0, 1, 0},
	} {
		var got struct {
			Items                   []wireJob
			Total, Page, TotalPages int
		}
		decode(t, w.asRunner("GET", "/api/jobs"+tt.query, "").body, &got)
		var have []string
		for _, j := range got.Items {
			have = append(have, j.ID)
		}
		if !slices.Equal(have, tt.want) || got.Total != tt.total || got.Page != tt.page || got.TotalPages != tt.many {
			t.Errorf("%q: got %+v, want %+v", tt.query, got, tt)
		}
	}
	for query, want := range map[string]string{
		"?limit=0":    "limit must not be less than 1",
		"?limit=201":  "limit must not be greater than 200",
		"?limit=1.5":  "limit must be an integer number",
		"?page=0":     "page must not be less than 1",
		"?status=NEW": "status must be one of the following values: PENDING, IN_PROGRESS, COMPLETED, FAILED",
	} {
		if got := w.asRunner("GET", "/api/jobs"+query, ""); got.status != 400 || got.message() != want {
			t.Errorf("%q: %d %q, want %q", query, got.status, got.message(), want)
		}
	}
}

func TestTransitions(t *testing.T) {
	t.Parallel()
	// How to bring a job into each status.
	paths := map[string][]string{
		pending: nil, inProgress: {inProgress}, completed: {inProgress, completed}, failed: {failed},
	}
	allowed := map[string][]string{
		pending: {pending, inProgress, failed}, inProgress: {inProgress, completed, failed}, completed: {completed}, failed: {failed},
	}
	for from, path := range paths {
		for _, to := range statuses() {
			w := newWorld(t, Options{})
			id := w.order(`{"type":"START_SANDBOX","sandboxId":"dev1"}`).ID
			for _, status := range path {
				if got := w.reportStatus(id, `{"status":"`+status+`","errorMessage":"e"}`); got.status != 201 {
					t.Fatalf("%s: %d %s", status, got.status, got.body)
				}
			}
			got := w.reportStatus(id, `{"status":"`+to+`","errorMessage":"e"}`)
			if slices.Contains(allowed[from], to) {
				var j wireJob
				if decode(t, got.body, &j); got.status != 201 || j.Status != to {
					t.Errorf("%s to %s: %d %s", from, to, got.status, got.body)
				}
				continue
			}
			want := "Invalid job status transition from " + from + " to " + to + " for job " + id
			if got.status != 409 || got.message() != want {
				t.Errorf("%s to %s: %d %q, want %q", from, to, got.status, got.message(), want)
			}
		}
	}
}

func TestARepeatedCompletionRunsTheHandlerAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.startedSandbox()
	// The user wants it started again, the report is of the stop before: it must not count.
	stop := w.settle(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`, done)
	w.reportStatus(stop.ID, done)
	if w.row("dev1").State != stopped || w.recordOf(stop.ID).Reports != 2 {
		t.Errorf("state %s, %d reports", w.row("dev1").State, w.recordOf(stop.ID).Reports)
	}
	w.asRunner("PUT", "/api/sandbox/dev1/state", `{"state":"started"}`)
	w.reportStatus(stop.ID, done)
	if got := w.row("dev1").State; got != started {
		t.Errorf("state %s: the old stop was applied although the sandbox is wanted started", got)
	}
	if kinds := w.violationKinds(); !slices.Equal(kinds, []string{completedTwice}) {
		t.Errorf("violations %v", kinds)
	}
}

func TestOnlyAChangeMovesUpdatedAt(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(t *testing.T, w *world) {
		id := w.order(`{"type":"START_SANDBOX","sandboxId":"dev1"}`).ID
		w.claimNow()
		claimed := time.Now()
		for i, tt := range []struct {
			result string
			moves  bool
		}{
			{``, false},
			{`,"resultMetadata":"{\"progress\":1}"`, true},
			{`,"resultMetadata":"{\"progress\":1}"`, false},
			{`,"resultMetadata":"{\"progress\":2}"`, true},
		} {
			time.Sleep(time.Minute)
			var j wireJob
			decode(t, w.reportStatus(id, `{"status":"IN_PROGRESS"`+tt.result+`}`).body, &j)
			if moved := j.UpdatedAt == iso(time.Now()); moved != tt.moves {
				t.Errorf("report %d: updatedAt %s, claimed %s", i, j.UpdatedAt, iso(claimed))
			}
			if strings.Contains(w.asRunner("GET", "/api/jobs/"+id, "").body, "resultMetadata") {
				t.Error("the result is shown")
			}
		}
		// A heartbeat each 9 minutes keeps it from the sweep, although the start takes longer.
		for i := range 3 {
			time.Sleep(9 * time.Minute)
			w.reportStatus(id, fmt.Sprintf(`{"status":"IN_PROGRESS","resultMetadata":"{\"beat\":%d}"}`, i))
		}
		if got := w.recordOf(id).Status; got != inProgress {
			t.Errorf("a job with a heartbeat is %s", got)
		}
	})
}

func TestStaleJobsFail(t *testing.T) {
	t.Parallel()
	for kind, minutes := range map[string]int{
		createSandbox: 30, startSandbox: 10, stopSandbox: 10, destroySandbox: 10, resizeSandbox: 10, recoverSandbox: 10,
		updateNetwork: 10, forkSandbox: 10, pauseSandbox: 10, inspectSnapshot: 10, removeSnapshot: 10, "NEVER_HEARD_OF": 10,
		buildSnapshot: 120, createBackup: 120, pullSnapshot: 120, snapshotSandbox: 120,
	} {
		for _, scale := range []float64{1, 60} {
			inBubble(t, Options{Scale: scale, NoBackups: true}, func(t *testing.T, w *world) {
				id := w.order(fmt.Sprintf(`{"type":%q,"sandboxId":"dev1","snapshot":"a:1"}`, kind)).ID
				limit := time.Duration(float64(minutes) * float64(time.Minute) / scale)
				time.Sleep(2 * limit)
				if got := w.recordOf(id).Status; got != pending {
					t.Errorf("%s: a pending job was swept: %s", kind, got)
				}
				w.claimNow()
				time.Sleep(limit - time.Millisecond)
				if got := w.recordOf(id).Status; got != inProgress {
					t.Errorf("%s: %s before its limit", kind, got)
				}
				time.Sleep(time.Millisecond)
				rec := w.recordOf(id)
				want := fmt.Sprintf("Job timed out - no update received for %d minutes", minutes)
				if rec.Status != failed || rec.ErrorMessage != want || rec.SettledBy != "api" {
					t.Errorf("%s: %s %q by %s, want FAILED %q", kind, rec.Status, rec.ErrorMessage, rec.SettledBy, want)
				}
				if got := w.reportStatus(id, done); got.status != 409 {
					t.Errorf("%s: a late report got %d", kind, got.status)
				}
			})
		}
	}
}

func TestReportsAreValidated(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, want, violation string }{
		{"no status", `{}`, "status must be one of the following values: PENDING, IN_PROGRESS, COMPLETED, FAILED", badStatus},
		{"a status in small letters", `{"status":"completed"}`, "status must be one of", badStatus},
		{"a result that is an object", `{"status":"COMPLETED","resultMetadata":{}}`, "resultMetadata must be a string", badResult},
		{"a result that holds no JSON", `{"status":"COMPLETED","resultMetadata":"ok"}`, "resultMetadata must be a json string", badResult},
		{"an error that is an object", `{"status":"FAILED","errorMessage":{}}`, "errorMessage must be a string", ""},
		{"no object", `[]`, "the body is not a JSON object", ""},
	} {
		w := newWorld(t, Options{})
		id := w.order(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`).ID
		w.claimNow()
		got := w.reportStatus(id, tt.body)
		if got.status != 400 || !strings.HasPrefix(got.message(), tt.want) {
			t.Errorf("%s: %d %q, want %q", tt.name, got.status, got.message(), tt.want)
		}
		if kinds := w.violationKinds(); tt.violation != "" && !slices.Equal(kinds, []string{tt.violation}) {
			t.Errorf("%s: violations %v", tt.name, kinds)
		}
		if got := w.reportStatus(id, `{"status":"COMPLETED","errorMessage":null,"resultMetadata":null}`); got.status != 201 {
			t.Errorf("%s: nulls got %d %s", tt.name, got.status, got.body)
		}
	}
	w := newWorld(t, Options{})
	for _, call := range [][2]string{{"POST", "/api/jobs/none/status"}, {"GET", "/api/jobs/none"}} {
		if got := w.asRunner(call[0], call[1], done); got.status != 404 || got.message() != "Job not found" {
			t.Errorf("%s: %d %s", call, got.status, got.body)
		}
	}
}

func TestOverlongErrorMessagesKeepFirstLineAndTail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	long := `boot failed\n` + strings.Repeat("é", 20_000) + ` the end`
	rec := w.settle(`{"type":"START_SANDBOX","sandboxId":"dev1"}`, `{"status":"FAILED","errorMessage":"`+long+`"}`)
	got := rec.ErrorMessage
	if len([]rune(got)) != 10_000 || !strings.HasPrefix(got, "boot failed\n") || !strings.HasSuffix(got, " the end") {
		t.Errorf("%d characters: %.20q … %q", len([]rune(got)), got, got[len(got)-10:])
	}
	for _, text := range []string{strings.Repeat("x", 30_000), strings.Repeat("x\n", 9000)} {
		if n := len([]rune(truncate(text))); n != 10_000 {
			t.Errorf("%d characters", n)
		}
	}
}

func TestOneOpenJobPerResourceAndOneBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.order(`{"type":"CREATE_SANDBOX","sandboxId":"dev1"}`)
	w.order(`{"type":"CREATE_BACKUP","sandboxId":"dev1"}`)
	w.order(`{"type":"CREATE_SANDBOX","sandboxId":"dev2"}`)
	w.order(`{"type":"PULL_SNAPSHOT","resourceId":"ref"}`)
	for _, order := range []string{
		`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`, `{"type":"CREATE_BACKUP","sandboxId":"dev1"}`,
		`{"type":"REMOVE_SNAPSHOT","resourceId":"ref"}`, `{"type":"NEVER_HEARD_OF","sandboxId":"dev1","force":true}`,
	} {
		got := w.desk("POST", "/sim/jobs", order, nil)
		if got.status != 409 || got.message() != "An operation is already in progress for this resource" {
			t.Errorf("%s: %d %s", order, got.status, got.body)
		}
	}
	if w.row("dev1").State != creating {
		t.Error("a refused order changed the sandbox")
	}
	for _, j := range w.claimNow() {
		w.reportStatus(j.ID, done)
	}
	w.order(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`)
}

func TestTheOldestSettledJobMakesRoom(t *testing.T) {
	t.Parallel()
	var st jobStore
	now := time.Now()
	for i := range maxJobs {
		if err := st.add(&job{kind: stopSandbox, resourceID: fmt.Sprint(i)}, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.add(&job{kind: stopSandbox, resourceID: "more"}, now); err == nil {
		t.Error("an open job was forgotten")
	}
	st.all[5].to(failed, now)
	if err := st.add(&job{kind: stopSandbox, resourceID: "more"}, now); err != nil || len(st.all) != maxJobs || st.all[5].resourceID != "6" {
		t.Errorf("%v, %d jobs", err, len(st.all))
	}
}
