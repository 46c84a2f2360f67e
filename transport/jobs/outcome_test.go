package jobs_test

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/daytonaio/runner-android/internal/daytona"
	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport/jobs"
)

func door(t testing.TB, q *queue) (*jobs.Door, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	return jobs.New(q, jobs.Options{Token: runnerToken, Log: zap.New(core)}), logs
}

func TestResultsAreAsDaytonaWantsThem(t *testing.T) {
	t.Parallel()
	image := sandbox.Image{Name: ref, Hash: "abc123", Bytes: 3 << 29}
	tests := []struct {
		name, kind string
		answer     any
		want       string
	}{
		{"create", wire.JobCreateSandbox, sandbox.Info{ID: "a"}, `{"daemonVersion":""}`},
		{"start", wire.JobStartSandbox, sandbox.Info{ID: "a"}, `{"daemonVersion":""}`},
		{"start of what had to be made anew", wire.JobStartSandbox, sandbox.Info{Recreated: true}, `{"daemonVersion":"","recreated":true}`},
		{"stop", wire.JobStopSandbox, sandbox.Info{}, ``},
		{"destroy", wire.JobDestroySandbox, messages.Done{}, ``},
		{"recover", wire.JobRecoverSandbox, sandbox.Info{}, ``},
		{"resize", wire.JobResizeSandbox, sandbox.Info{}, ``},
		{"network settings", wire.JobUpdateNetwork, sandbox.Info{}, ``},
		{"remove a snapshot", wire.JobRemoveSnapshot, messages.Done{}, ``},
		{"pull", wire.JobPullSnapshot, image, `{"name":"` + ref + `","sizeGB":1.5,"hash":"abc123"}`},
		{"inspect", wire.JobInspectSnapshot, image, `{"hash":"abc123","sizeGB":1.5}`},
	}
	d, logs := door(t, &queue{})
	for _, tt := range tests {
		job := messages.Job{ID: "j", Type: tt.kind, Subject: "s"}
		want := messages.Outcome{JobID: "j", Type: tt.kind, Subject: "s", Status: wire.StatusCompleted, Result: tt.want}
		if got := d.Outcome(job, tt.answer, nil); got != want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, want)
		}
	}
	if logs.Len() != 0 {
		t.Errorf("logged %v", logs.All())
	}
}

func TestAWrongAnswerIsAFailure(t *testing.T) {
	t.Parallel()
	d, logs := door(t, &queue{})
	for kind, wrong := range map[string]any{
		wire.JobCreateSandbox: "text", wire.JobStartSandbox: nil, wire.JobPullSnapshot: sandbox.Info{}, wire.JobInspectSnapshot: messages.Done{},
	} {
		got := d.Outcome(messages.Job{ID: "j", Type: kind}, wrong, nil)
		if got.Status != wire.StatusFailed || got.Result != "" || !strings.Contains(got.Error, fmt.Sprintf("the command was answered with %T, want sandbox.", wrong)) {
			t.Errorf("%s: got %+v", kind, got)
		}
	}
	if logs.Len() != 4 {
		t.Errorf("logged %v, want each as an internal error", logs.All())
	}
}

func TestDestroyingWhatIsGoneIsDone(t *testing.T) {
	t.Parallel()
	d, _ := door(t, &queue{})
	gone := fault.NotFoundf("sandbox a does not exist on this runner")
	destroy := messages.Job{ID: "j", Type: wire.JobDestroySandbox, Command: messages.DestroySandbox{ID: "a"}}
	if got := d.Outcome(destroy, nil, gone); got.Status != wire.StatusCompleted || got.Error != "" {
		t.Errorf("got %+v, want it completed", got)
	}
	if got := d.Outcome(destroy, nil, fault.Conflictf("busy")); got.Status != wire.StatusFailed || got.Error != "busy" {
		t.Errorf("got %+v, want it failed", got)
	}
	stop := messages.Job{ID: "j", Type: wire.JobStopSandbox, Command: messages.StopSandbox{ID: "a"}}
	if got := d.Outcome(stop, nil, gone); got.Status != wire.StatusFailed || got.Error != gone.Error() {
		t.Errorf("got %+v, want a stop to fail", got)
	}
}

// Ensure reports have the reason and no credentials, and what the API needs to offer a recovery.
func TestErrorsInReports(t *testing.T) {
	t.Parallel()
	full := fault.Exhaustedf("write userdata: no space left on device")
	late := errors.New(strings.Repeat("launcher says nothing. ", 400) + "No space left on device")
	tests := []struct {
		name, kind string
		err        error
		want       string // a pattern of the whole text
		loud       bool   // logged, under the id that the report has
	}{
		{"a reason", wire.JobStopSandbox, fault.Conflictf("sandbox a is creating"), `sandbox a is creating`, false},
		{"the runner's token", wire.JobStartSandbox, fault.Unavailablef("pull with %s: refused", runnerToken), `pull with \(redacted\): refused`, false},
		{"a registry's password in a payload", wire.JobPullSnapshot, fault.Invalidf(`payload %s`, registry), `payload \{.*"username":"admin","password":"\(redacted\)"\}`, false},
		{"a password in a URL", wire.JobPullSnapshot, fault.Unavailablef("get https://admin:pass-word-1@h/v2: EOF"), `get https://\(redacted\)@h/v2: EOF`, false},
		{"a bearer token", wire.JobPullSnapshot, fault.Unavailablef("sent Authorization: Bearer abcdef0123"), `sent Authorization: Bearer \(redacted\)`, false},
		{"a full disk in a sandbox", wire.JobStartSandbox, full, `\{"errorReason":"write userdata: no space left on device","recoverable":true\}`, false},
		{"a create that finds the host full", wire.JobCreateSandbox, full, `write userdata: no space left on device`, false},
		{"a create that is full inside", wire.JobCreateSandbox, fault.Invalidf("storage limit"), `\{"errorReason":"storage limit","recoverable":true\}`, false},
		{"a quota, in capitals", wire.JobResizeSandbox, fault.Invalidf("Disk Quota Exceeded"), `\{"errorReason":"Disk Quota Exceeded","recoverable":true\}`, false},
		{"a full disk at the end of a long text", wire.JobStartSandbox, late, `\{"errorReason":"launcher says nothing\. .*…","recoverable":true\}`, false},
		{"an internal error", wire.JobStopSandbox, errors.New("index out of range, token=" + runnerToken), `internal error [a-z2-7]{8}: index out of range, token=\(redacted\)`, true},
		{"an endless text", wire.JobStopSandbox, fault.Conflictf("%s", strings.Repeat("x", 10_000)), `x{1000}x+…`, false},
		{"no UTF-8", wire.JobStopSandbox, fault.Conflictf("a\xffb"), "a\ufffdb", false},
	}
	for _, tt := range tests {
		d, logs := door(t, &queue{})
		got := d.Outcome(messages.Job{ID: "j", Type: tt.kind}, nil, tt.err)
		if got.Status != wire.StatusFailed || got.Result != "" || !regexp.MustCompile(`^(?s:`+tt.want+`)$`).MatchString(got.Error) {
			t.Errorf("%s: got %+v\nwant %s", tt.name, got, tt.want)
		}
		if loud := logs.Len() == 1; loud != tt.loud {
			t.Errorf("%s: logged %v", tt.name, logs.All())
		}
		for _, line := range logs.All() {
			fields := line.ContextMap()
			if id, ok := fields["error_id"].(string); !ok || !strings.Contains(got.Error, id) || line.Level != zap.ErrorLevel {
				t.Errorf("%s: logged %v with %v", tt.name, line, fields)
			}
			if strings.Contains(fmt.Sprint(fields), runnerToken) {
				t.Errorf("%s: the token is in the log: %v", tt.name, fields)
			}
		}
	}
}

func TestReportsGoOutAsTheyAre(t *testing.T) {
	t.Parallel()
	q := &queue{}
	d, logs := door(t, q)
	o := messages.Outcome{JobID: "j", Type: wire.JobStartSandbox, Status: wire.StatusCompleted, Result: `{"daemonVersion":""}`, Trace: "x", At: time.Now()}
	failed := messages.Outcome{JobID: "k", Status: wire.StatusFailed, Error: "why"}
	if err := errors.Join(d.Report(t.Context(), o), d.ReportAgain(t.Context(), failed), d.Progress(t.Context(), "j", 7)); err != nil {
		t.Fatal(err)
	}
	if want := []string{"report j", "report again k", `progress j {"progress":7}`}; !reflect.DeepEqual(q.told, want) {
		t.Errorf("got %q, want %q", q.told, want)
	}
	if want := []wire.JobStatusDTO{{Status: "COMPLETED", ResultMetadata: `{"daemonVersion":""}`}, {Status: "FAILED", ErrorMessage: "why"}}; !reflect.DeepEqual(q.reports, want) {
		t.Errorf("got %+v, want %+v", q.reports, want)
	}
	if logs.Len() != 0 {
		t.Errorf("logged %v", logs.All())
	}
}

func TestSettledJobsAreReported(t *testing.T) {
	t.Parallel()
	d, logs := door(t, &queue{err: errors.Join(daytona.ErrSettled, fault.Conflictf("why"))})
	o := messages.Outcome{JobID: "j", Type: wire.JobStartSandbox}
	if err := errors.Join(d.Report(t.Context(), o), d.ReportAgain(t.Context(), o), d.Progress(t.Context(), "j", 1)); err != nil {
		t.Errorf("got %v, want nothing left to do", err)
	}
	if got := logs.FilterMessage("job was settled already").Len(); got != 2 {
		t.Errorf("said %d times, want 2: %v", got, logs.All())
	}
	refused := fault.Unavailablef("no")
	d, _ = door(t, &queue{err: refused})
	for _, err := range []error{d.Report(t.Context(), o), d.ReportAgain(t.Context(), o), d.Progress(t.Context(), "j", 1)} {
		if !errors.Is(err, refused) {
			t.Errorf("got %v, want %v", err, refused)
		}
	}
	for what, list := range map[string]func() ([]messages.Job, error){
		"poll":    func() ([]messages.Job, error) { return d.Poll(t.Context(), time.Second, 1) },
		"claimed": func() ([]messages.Job, error) { return d.Claimed(t.Context()) },
	} {
		if got, err := list(); !errors.Is(err, refused) || len(got) != 0 {
			t.Errorf("%s: got %v, %v", what, got, err)
		}
	}
}

func TestClaimedJobsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	d, _ := door(t, &queue{jobs: []wire.Job{{ID: "1", Type: wire.JobStopSandbox, ResourceID: "a"}, {ID: "2", Type: "NEW"}, {ID: "3", Type: wire.JobDestroySandbox, ResourceID: "a"}}})
	got, err := d.Claimed(t.Context())
	if err != nil || len(got) != 3 || got[0].ID != "1" || got[1].Type != "UNKNOWN" || got[2].ID != "3" {
		t.Errorf("got %+v, %v", got, err)
	}
}
