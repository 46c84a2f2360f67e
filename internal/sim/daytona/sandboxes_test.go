package daytona

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAJobsOutcomeDecidesTheSandboxsState(t *testing.T) {
	t.Parallel()
	const create = `{"type":"CREATE_SANDBOX","sandboxId":"dev1"}`
	for _, tt := range []struct {
		name, order, during, report, state, desired, reason string
		recoverable                                         bool
	}{
		{name: "created", order: create, during: creating, report: done, state: started, desired: started},
		{name: "not created", order: create, during: creating, report: failedWith, state: errored, desired: started, reason: "no space"},
		{name: "recoverable", order: create, during: creating, state: errored, desired: started, reason: "disk full", recoverable: true,
			report: `{"status":"FAILED","errorMessage":"{\"errorReason\":\"disk full\",\"recoverable\":true}"}`},
		{name: "started", order: `{"type":"START_SANDBOX","sandboxId":"dev1"}`, during: starting, report: done, state: started, desired: started},
		{name: "not started", order: `{"type":"START_SANDBOX","sandboxId":"dev1"}`, during: starting, report: failedWith, state: errored, desired: started, reason: "no space"},
		{name: "stopped", order: `{"type":"STOP_SANDBOX","sandboxId":"dev1"}`, during: stopping, report: done, state: stopped, desired: stopped},
		{name: "not stopped", order: `{"type":"STOP_SANDBOX","sandboxId":"dev1"}`, during: stopping, report: failedWith, state: errored, desired: stopped, reason: "no space"},
		{name: "destroyed", order: `{"type":"DESTROY_SANDBOX","sandboxId":"dev1"}`, during: destroying, report: done, state: destroyed, desired: destroyed},
		{name: "not destroyed", order: `{"type":"DESTROY_SANDBOX","sandboxId":"dev1"}`, during: destroying, report: failedWith, state: errored, desired: destroyed, reason: "no space"},
		{name: "archived", order: `{"type":"DESTROY_SANDBOX","sandboxId":"dev1","archive":true}`, during: archiving, report: done, state: archived, desired: archived},
		{name: "archived although the runner could not", order: `{"type":"DESTROY_SANDBOX","sandboxId":"dev1","archive":true}`, during: archiving, report: failedWith, state: archived, desired: archived},
		{name: "resized", order: `{"type":"RESIZE_SANDBOX","sandboxId":"dev1","payload":{"cpu":8}}`, during: resizing, report: done, state: started, desired: started},
		{name: "not resized", order: `{"type":"RESIZE_SANDBOX","sandboxId":"dev1"}`, during: resizing, report: failedWith, state: started, desired: started},
		{name: "paused", order: `{"type":"PAUSE_SANDBOX","sandboxId":"dev1"}`, during: pausing, report: done, state: paused, desired: paused},
		{name: "not paused", order: `{"type":"PAUSE_SANDBOX","sandboxId":"dev1"}`, during: pausing, report: failedWith, state: errored, desired: paused, reason: "no space"},
		{name: "forked", order: `{"type":"FORK_SANDBOX","sandboxId":"dev1"}`, during: forking, report: done, state: started, desired: started},
		{name: "snapshot taken", order: `{"type":"SNAPSHOT_SANDBOX","sandboxId":"dev1"}`, during: snapshotting, report: done, state: started, desired: started},
		{name: "no snapshot taken", order: `{"type":"SNAPSHOT_SANDBOX","sandboxId":"dev1"}`, during: snapshotting, report: failedWith, state: started, desired: started},
		{name: "network settings", order: `{"type":"UPDATE_SANDBOX_NETWORK_SETTINGS","sandboxId":"dev1"}`, during: started, report: failedWith, state: started, desired: started},
		{name: "unknown type", order: `{"type":"NEVER_HEARD_OF","sandboxId":"dev1"}`, during: started, report: failedWith, state: started, desired: started},
	} {
		w := newWorld(t, Options{NoBackups: true})
		if tt.order != create {
			w.startedSandbox()
		}
		id := w.order(tt.order).ID
		if got := w.row("dev1").State; got != tt.during {
			t.Errorf("%s: %s while ordered, want %s", tt.name, got, tt.during)
		}
		w.claimNow()
		w.reportStatus(id, tt.report)
		got := w.row("dev1")
		if got.State != tt.state || got.DesiredState != tt.desired || got.ErrorReason != tt.reason || got.Recoverable != tt.recoverable {
			t.Errorf("%s: %s, desired %s, %q, %v", tt.name, got.State, got.DesiredState, got.ErrorReason, got.Recoverable)
		}
		if strings.Contains(tt.order, "PAUSE") || strings.Contains(tt.order, "RESIZE") {
			if cpu := map[bool]float64{true: 8, false: 2}[tt.name == "resized"]; got.CPU != cpu {
				t.Errorf("%s: %v CPUs", tt.name, got.CPU)
			}
		}
		if rec := w.recordOf(id); tt.order != `{"type":"FORK_SANDBOX","sandboxId":"dev1"}` && rec.SandboxState != tt.state {
			t.Errorf("%s: the record says %s", tt.name, rec.SandboxState)
		}
	}
}

func TestRecoveryStopsAndThenStartsUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	for skip, want := range map[bool]string{false: starting, true: stopped} {
		w := newWorld(t, Options{NoBackups: true})
		w.startedSandbox()
		w.asRunner("PUT", "/api/sandbox/dev1/state", `{"state":"error","errorReason":"device crashed","recoverable":true}`)
		if sb := w.row("dev1"); sb.State != errored || sb.DesiredState != started || !sb.Recoverable {
			t.Fatalf("after the crash: %+v", sb)
		}
		rec := w.settle(fmt.Sprintf(`{"type":"RECOVER_SANDBOX","sandboxId":"dev1","payload":{"skipStart":%v}}`, skip), done)
		if p, _ := rec.Payload.(map[string]any); p["errorReason"] != "device crashed" || p["snapshot"] != "android-LATEST" {
			t.Errorf("payload %v", p)
		}
		if got := w.row("dev1").State; got != want || rec.SandboxState != stopped {
			t.Errorf("skipStart %v: %s after %s, want %s", skip, got, rec.SandboxState, want)
		}
		jobs := w.claimNow()
		if started := len(jobs) == 1 && jobs[0].Type == startSandbox; started == skip {
			t.Errorf("skipStart %v: %v", skip, jobs)
		}
	}
}

func TestAnArchivedSandboxIsRestoredFromItsBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{NoBackups: true})
	w.startedSandbox()
	w.settle(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`, done)
	w.settle(`{"type":"CREATE_BACKUP","sandboxId":"dev1"}`, done)
	backup := w.row("dev1").BackupSnapshot
	w.settle(`{"type":"DESTROY_SANDBOX","sandboxId":"dev1","archive":true}`, done)
	rec := w.order(`{"type":"CREATE_SANDBOX","sandboxId":"dev1"}`)
	p, _ := rec.Payload.(map[string]any)
	if backup == "" || p["snapshot"] != backup || w.row("dev1").State != restoring {
		t.Errorf("snapshot %v, want %s; state %s", p["snapshot"], backup, w.row("dev1").State)
	}
}

func TestStatesHaveTimeLimits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		order, reason string
		limit         time.Duration
	}{
		{`{"type":"START_SANDBOX","sandboxId":"dev1"}`, "Timeout while starting sandbox", 5 * time.Minute},
		{`{"type":"CREATE_SANDBOX","sandboxId":"dev1"}`, "Timeout while creating sandbox", 15 * time.Minute},
		{`{"type":"SNAPSHOT_SANDBOX","sandboxId":"dev1"}`, "Timeout while snapshotting sandbox", 60 * time.Minute},
	} {
		inBubble(t, Options{Scale: 10, NoBackups: true}, func(t *testing.T, w *world) {
			rec := w.order(tt.order)
			w.claimNow()
			time.Sleep(tt.limit/10 - time.Millisecond)
			if w.row("dev1").State == errored {
				t.Errorf("%s: too early", tt.order)
			}
			time.Sleep(time.Millisecond)
			if got := w.row("dev1"); got.State != errored || got.ErrorReason != tt.reason {
				t.Errorf("%s: %s %q", tt.order, got.State, got.ErrorReason)
			}
			// The job may still complete, and then sets the state.
			w.reportStatus(rec.ID, done)
			if got := w.row("dev1").State; got != started {
				t.Errorf("%s: %s after a late completion", tt.order, got)
			}
		})
	}
}

func TestEveryStopBringsABackupUnasked(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(t *testing.T, w *world) {
		w.startedSandbox()
		for round := range 2 {
			w.settle(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`, done)
			began := time.Now()
			jobs := jobsOf(t, w.asRunner("GET", "/api/jobs/poll", ""))
			if len(jobs) != 1 || jobs[0].Type != createBackup || time.Since(began) != 13*time.Second {
				t.Fatalf("round %d: %v after %s", round, jobs, time.Since(began))
			}
			if got := w.row("dev1"); got.BackupState != backupInProgress {
				t.Errorf("backup %s while it is made", got.BackupState)
			}
			w.reportStatus(jobs[0].ID, map[int]string{0: done, 1: failedWith}[round])
			want := map[int]string{0: backupCompleted, 1: backupError}[round]
			if got := w.row("dev1"); got.State != stopped || got.BackupState != want {
				t.Errorf("%s, backup %s, want %s", got.State, got.BackupState, want)
			}
			if more := jobsOf(t, w.asRunner("GET", "/api/jobs/poll?timeout=60", "")); len(more) != 0 {
				t.Errorf("a second backup of one stop: %v", more)
			}
			w.settle(`{"type":"START_SANDBOX","sandboxId":"dev1"}`, done)
			if got := w.row("dev1").BackupState; got != backupNone {
				t.Errorf("backup %s after a start", got)
			}
		}
	})
	inBubble(t, Options{NoBackups: true}, func(t *testing.T, w *world) {
		w.startedSandbox()
		w.settle(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`, done)
		if jobs := jobsOf(t, w.asRunner("GET", "/api/jobs/poll", "")); len(jobs) != 0 {
			t.Errorf("NoBackups: %v", jobs)
		}
	})
}

func TestABackupCanRunDuringAStartWhichForgetsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{NoBackups: true})
	w.startedSandbox()
	w.settle(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`, done)
	old := w.order(`{"type":"CREATE_BACKUP","sandboxId":"dev1"}`)
	w.claimNow()
	start := w.order(`{"type":"START_SANDBOX","sandboxId":"dev1"}`)
	w.reportStatus(old.ID, done)
	if got := w.row("dev1").BackupState; got != backupNone {
		t.Errorf("a backup that the API does not track any more: %s", got)
	}
	w.claimNow()
	w.reportStatus(start.ID, done)
	w.settle(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`, done)
	w.order(`{"type":"START_SANDBOX","sandboxId":"dev1","backup":true}`)
	if jobs := w.claimNow(); len(jobs) != 2 || jobs[0].Type != startSandbox || jobs[1].Type != createBackup {
		t.Errorf("got %v", jobs)
	}
}

func TestRunningSandboxesAreBackedUpHourly(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{Scale: 60}, func(t *testing.T, w *world) {
		w.startedSandbox()
		w.settle(`{"type":"CREATE_SANDBOX","sandboxId":"short","ephemeral":true}`, done)
		began, times := time.Now(), []time.Duration{}
		for time.Since(began) < 125*time.Second {
			for _, j := range jobsOf(t, w.asRunner("GET", "/api/jobs/poll?timeout=1", "")) {
				if j.Type != createBackup || j.ResourceID != "dev1" {
					t.Errorf("got %s of %s", j.Type, j.ResourceID)
				}
				times = append(times, time.Since(began))
				w.reportStatus(j.ID, done)
			}
		}
		// Looked at each 5 s of this time: at once because there is none, then after each 60 s.
		if want := []time.Duration{5 * time.Second, 65 * time.Second, 125 * time.Second}; !slices.Equal(times, want) {
			t.Errorf("backups after %v, want %v", times, want)
		}
	})
}

func TestRunnersComparisonList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{NoBackups: true})
	w.startedSandbox()
	for id, order := range map[string]string{"dev2": stopSandbox, "dev3": startSandbox, "dev4": destroySandbox} {
		w.settle(fmt.Sprintf(`{"type":%q,"sandboxId":%q}`, order, id), done)
	}
	w.order(`{"type":"STOP_SANDBOX","sandboxId":"dev3"}`)
	for query, want := range map[string][]string{
		"":                       {"dev1", "dev2", "dev3", "dev4"},
		"?states=started":        {"dev1"},
		"?states=started,paused": {"dev1"},
		"?states=stopped,destroyed&skipReconcilingSandboxes=true": {"dev2", "dev4"},
		"?skipReconcilingSandboxes=true":                          {"dev1", "dev2", "dev4"},
	} {
		var list []sandboxDTO
		decode(t, w.asRunner("GET", "/api/sandbox/for-runner"+query, "").body, &list)
		var got []string
		for _, sb := range list {
			got = append(got, sb.ID)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	if got := w.asRunner("GET", "/api/sandbox/for-runner?states=started,error", ""); got.status != 400 {
		t.Errorf("error is no state to ask for: %d", got.status)
	}
}

func TestReportedStatesOfSandboxes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, before, body       string
		status                   int
		state, desired, complain string
	}{
		{"stopped by itself", "", `{"state":"stopped"}`, 200, stopped, stopped, ""},
		{"crashed", "", `{"state":"error","errorReason":"device crashed","recoverable":true}`, 200, errored, started, ""},
		{"as known", "", `{"state":"started"}`, 200, started, started, ""},
		{"gone", "", `{"state":"destroyed"}`, 200, destroyed, destroyed, ""},
		{"while it starts", `{"type":"START_SANDBOX","sandboxId":"dev1"}`, `{"state":"stopped"}`, 400, starting, started,
			"Sandbox is not in a valid state to be updated"},
		{"while it is destroyed", `{"type":"DESTROY_SANDBOX","sandboxId":"dev1"}`, `{"state":"stopped"}`, 400, destroying, destroyed,
			"Sandbox is not in a valid state to be updated"},
		{"a state of another API", "", `{"state":"crashed"}`, 400, started, started, "state must be one of the following values: creating, "},
		{"a wrong flag", "", `{"state":"stopped","recoverable":"yes"}`, 400, started, started, "recoverable must be a boolean value"},
		{"a wrong reason", "", `{"state":"stopped","errorReason":1}`, 400, started, started, "errorReason must be a string"},
	} {
		w := newWorld(t, Options{NoBackups: true})
		w.startedSandbox()
		if tt.before != "" {
			w.order(tt.before)
		}
		got := w.asRunner("PUT", "/api/sandbox/dev1/state", tt.body)
		if got.status != tt.status || !strings.HasPrefix(got.message(), tt.complain) || got.status == 200 && got.body != "" {
			t.Errorf("%s: %d %s", tt.name, got.status, got.body)
		}
		if sb := w.row("dev1"); sb.State != tt.state || sb.DesiredState != tt.desired {
			t.Errorf("%s: %s, desired %s", tt.name, sb.State, sb.DesiredState)
		}
	}
	w := newWorld(t, Options{NoBackups: true})
	if got := w.asRunner("PUT", "/api/sandbox/none/state", `{"state":"stopped"}`); got.status != 404 {
		t.Errorf("unknown sandbox: %d", got.status)
	}
	w.startedSandbox()
	w.asRunner("PUT", "/api/sandbox/dev1/state", `{"state":"error"}`)
	if got := w.asRunner("PUT", "/api/sandbox/dev1/state", `{"state":"started"}`); got.status != 400 {
		t.Errorf("from error there is no way back but a recovery: %d", got.status)
	}
}

func TestSDKRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{ProxyURL: "http://127.0.0.1:4100"})
	w.startedSandbox()
	user := func(path string) reply { return w.do(request(t.Context(), "GET", path, testKey, "")) }
	var sb map[string]any
	decode(t, user("/api/sandbox/dev1").body, &sb)
	for _, field := range []string{
		"id", "organizationId", "name", "snapshot", "user", "env", "labels", "public", "networkBlockAll", "target", "cpu", "gpu",
		"memory", "disk", "state", "desiredState", "toolboxProxyUrl", "runnerId", "sandboxClass", "createdAt",
	} {
		if _, has := sb[field]; !has {
			t.Errorf("%s is missing", field)
		}
	}
	if sb["toolboxProxyUrl"] != "http://127.0.0.1:4100/toolbox" || sb["state"] != started {
		t.Errorf("got %v", sb)
	}
	if got := user("/api/sandbox/dev1/toolbox-proxy-url"); got.body != `{"url":"http://127.0.0.1:4100/toolbox"}` {
		t.Errorf("got %s", got.body)
	}
	var preview struct{ SandboxID, URL, Token string }
	decode(t, user("/api/sandbox/dev1/ports/6080/preview-url").body, &preview)
	if preview.SandboxID != "dev1" || preview.URL != "http://6080-dev1.proxy.localhost:4100" || preview.Token == "" {
		t.Errorf("got %+v", preview)
	}
	var list struct {
		Items      []sandboxDTO
		NextCursor *string
	}
	if decode(t, user("/api/sandbox").body, &list); len(list.Items) != 1 {
		t.Errorf("got %+v", list)
	}
	w.settle(`{"type":"DESTROY_SANDBOX","sandboxId":"dev1"}`, done)
	for _, path := range []string{"", "/toolbox-proxy-url", "/ports/6080/preview-url"} {
		if got := user("/api/sandbox/dev1" + path); got.status != 404 {
			t.Errorf("%q of a destroyed sandbox: %d", path, got.status)
		}
	}
}

func TestAnOrderCanWaitForItsOutcome(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(t *testing.T, w *world) {
		answers := make(chan reply, 1)
		go func() {
			answers <- w.do(request(t.Context(), "POST", "/sim/jobs?wait=90s", "", `{"type":"CREATE_SANDBOX","sandboxId":"dev1"}`))
		}()
		synctest.Wait()
		time.Sleep(time.Minute)
		w.reportStatus(w.claimNow()[0].ID, `{"status":"COMPLETED","resultMetadata":"{\"daemonVersion\":\"v1\"}"}`)
		got := <-answers
		var rec jobRecord
		decode(t, got.body, &rec)
		if got.status != 200 || rec.Status != completed || rec.SandboxState != started || len(rec.Transitions) != 3 || rec.Reports != 1 {
			t.Errorf("%d %+v", got.status, rec)
		}
		if w.row("dev1").DaemonVersion != "v1" {
			t.Error("daemonVersion is not kept")
		}
		began := time.Now()
		got = w.desk("POST", "/sim/jobs?wait=90", `{"type":"STOP_SANDBOX","sandboxId":"dev1"}`, &rec)
		if took := time.Since(began); got.status != 202 || rec.Status != pending || took != 90*time.Second {
			t.Errorf("%d %s after %s", got.status, rec.Status, took)
		}
	})
}
