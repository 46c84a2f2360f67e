package states_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport/states"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

const runnerToken = "dtn_test-token-0123456789"

func TestMain(m *testing.M) { transporttest.Main(m) }

// api answers everything with err, and lists these sandboxes.
type api struct {
	sandboxes []wire.SandboxDTO
	err       error
	asked     []string
	reports   []wire.SandboxStateDTO
}

var _ states.API = (*api)(nil)

func (a *api) Sandboxes(_ context.Context, asked ...string) ([]wire.SandboxDTO, error) {
	a.asked = asked
	return a.sandboxes, a.err
}

func (a *api) SetState(_ context.Context, _ string, s wire.SandboxStateDTO) error {
	a.reports = append(a.reports, s)
	return a.err
}

// Ensure only what can be compared is listed.
func TestBeliefs(t *testing.T) {
	t.Parallel()
	a := &api{sandboxes: []wire.SandboxDTO{
		{ID: "a", State: "started"}, {ID: "b", State: "stopped"}, {ID: "c", State: "archived"}, {ID: "../d", State: "started"}, {ID: "e", State: "nonsense"}, {},
	}}
	got, err := states.New(a, states.Options{}).Beliefs(t.Context())
	want := map[sandbox.ID]sandbox.State{"a": sandbox.Started, "b": sandbox.Stopped}
	if err != nil || !maps.Equal(got, want) || strings.Join(a.asked, ",") != "started,stopped" {
		t.Errorf("got %v, %v, asked for %v; want %v", got, err, a.asked, want)
	}
	a.err = fault.Unavailablef("down")
	if _, err := states.New(a, states.Options{}).Beliefs(t.Context()); !errors.Is(err, a.err) {
		t.Errorf("got %v; want the API's error", err)
	}
}

// Ensure each answer of the API says whether the report is over.
func TestReport(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		answer  error
		taken   bool
		settled bool
	}{
		{"taken", nil, true, true},
		{"another state on record", fault.Invalidf("Sandbox is not in a valid state to be updated"), false, true},
		{"not known", fault.NotFoundf("Sandbox not found"), false, true},
		{"conflict", fault.Conflictf("busy"), false, true},
		{"down", fault.Unavailablef("down"), false, false},
		{"wrong token", fault.New(fault.Unauthorized, "no"), false, false},
		{"of another role", fault.New(fault.Forbidden, "no"), false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			door := states.New(&api{err: tc.answer}, states.Options{Token: runnerToken})
			taken, err := door.Report(t.Context(), messages.StateReport{ID: "a", State: sandbox.Stopped})
			if taken != tc.taken || (err == nil) != tc.settled {
				t.Errorf("got %v, %v; want %v, settled %v", taken, err, tc.taken, tc.settled)
			}
		})
	}
}

// Ensure a report has Daytona's words, and no credential.
func TestReportIsInDaytonasWords(t *testing.T) {
	t.Parallel()
	a := &api{}
	door := states.New(a, states.Options{Token: runnerToken})
	report := messages.StateReport{ID: "a", State: sandbox.Error, Reason: "the device died: " + runnerToken, Recoverable: true}
	if taken, err := door.Report(t.Context(), report); !taken || err != nil {
		t.Fatalf("got %v, %v", taken, err)
	}
	got := a.reports[0]
	if got.State != "error" || got.Recoverable == nil || !*got.Recoverable || !strings.HasPrefix(got.ErrorReason, "the device died: ") ||
		strings.Contains(got.ErrorReason, runnerToken) {
		t.Errorf("reported %+v", got)
	}
	for _, s := range sandbox.States() {
		a.reports = nil
		_, err := door.Report(t.Context(), messages.StateReport{ID: "a", State: s})
		lawful := s == sandbox.Started || s == sandbox.Stopped || s == sandbox.Error
		if lawful != (err == nil) || lawful != (len(a.reports) == 1) {
			t.Errorf("%s: %v, %d calls", s, err, len(a.reports))
		}
	}
}
