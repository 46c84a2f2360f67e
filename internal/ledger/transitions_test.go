package ledger_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Ensure what a sandbox went through is kept with its record, and damage costs the damaged lines only.
func TestTransitions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := ledger.New(localFiles(t), dir)
	went := []sandbox.Transition{
		{From: sandbox.Creating, To: sandbox.Started, At: time.Unix(1, 0).UTC()},
		{From: sandbox.Started, To: sandbox.Error, Reason: "it died\nof \"this\"", At: time.Unix(2, 0).UTC()},
	}
	if err := l.SaveTransitions(t.Context(), "a", went); !fault.Is(err, fault.NotFound) {
		t.Errorf("of a sandbox that is not on record: %v", err)
	}
	if err := l.SaveRecord(t.Context(), ledger.Record{ID: "a", Group: "s_61", Intent: sandbox.IntentStarted}); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Transitions(t.Context(), "a"); err != nil || len(got) != 0 {
		t.Errorf("before there are any: %v, %v", got, err)
	}
	if err := l.SaveTransitions(t.Context(), "a", went); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Transitions(t.Context(), "a"); err != nil || !slices.Equal(got, went) {
		t.Errorf("got %+v, %v", got, err)
	}
	file := filepath.Join(dir, "a", "transitions.jsonl")
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string]string{
		"cut short": string(kept) + `{"from":"err`, "garbage between": "\x00\n[]\n{}\n" + string(kept) + "null\n",
	} {
		if err := os.WriteFile(file, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Transitions(t.Context(), "a"); err != nil || !slices.Equal(got, went) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	temp := filepath.Join(dir, "a", ".transitions.jsonl4711")
	if err := os.WriteFile(temp, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(temp); err == nil {
		t.Error("what a kill left of a write stays")
	}
	if err := l.RemoveRecord(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Transitions(t.Context(), "a"); err != nil || len(got) != 0 {
		t.Errorf("of a sandbox that is gone: %v, %v", got, err)
	}
}
