package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

const outcomesDir = ".outcomes"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 5, time.UTC)

func outcome(id string) ledger.Outcome {
	return ledger.Outcome{
		JobID: id, Type: "START_SANDBOX", Subject: "dev-1", Status: "FAILED", Error: "no \"space\"\n<left>", Result: `{"daemonVersion":""}`,
		Trace: "00-a-b-01", At: noon,
	}
}

func outcomes(t testing.TB, l *ledger.Ledger) ([]ledger.Outcome, []error) {
	t.Helper()
	kept, problems, err := l.Outcomes(t.Context())
	must(t, err)
	return kept, problems
}

// names lists a directory.
func names(t testing.TB, parts ...string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(parts...))
	must(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestOutcomesSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "instances") // not there yet
	l := ledger.New(localFiles(t), dir)
	if kept, problems := outcomes(t, l); len(kept)+len(problems) != 0 {
		t.Errorf("nothing was kept: got %v, %v", kept, problems)
	}
	var want []ledger.Outcome
	for i, id := range []string{"z-first", "m-second", "a-third"} {
		o := outcome(id)
		o.At = noon.Add(time.Duration(i) * time.Second)
		want = append(want, o)
	}
	for _, i := range []int{1, 2, 0} {
		must(t, l.SaveOutcome(t.Context(), want[i]))
	}
	kept, problems := outcomes(t, ledger.New(localFiles(t), dir))
	if len(problems) != 0 || !reflect.DeepEqual(kept, want) {
		t.Errorf("got %+v, %v, want oldest first %+v", kept, problems, want)
	}
	if info, err := os.Stat(filepath.Join(dir, outcomesDir, "z-first.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file for the runner alone", info, err)
	}
}

func TestASecondOutcomeReplacesTheFirst(t *testing.T) {
	t.Parallel()
	l := ledger.New(localFiles(t), t.TempDir())
	o := outcome("j")
	must(t, l.SaveOutcome(t.Context(), o))
	o.Status, o.Error = "COMPLETED", ""
	must(t, l.SaveOutcome(t.Context(), o))
	if kept, _ := outcomes(t, l); len(kept) != 1 || kept[0] != o {
		t.Errorf("got %+v, want %+v", kept, o)
	}
}

func TestDroppedOutcomesAreGone(t *testing.T) {
	t.Parallel()
	l := ledger.New(localFiles(t), t.TempDir())
	must(t, l.DropOutcome(t.Context(), "never-kept"))
	must(t, l.SaveOutcome(t.Context(), outcome("a")))
	must(t, l.SaveOutcome(t.Context(), outcome("b")))
	must(t, l.DropOutcome(t.Context(), "a"))
	must(t, l.DropOutcome(t.Context(), "a"))
	if kept, _ := outcomes(t, l); len(kept) != 1 || kept[0].JobID != "b" {
		t.Errorf("got %+v, want b alone", kept)
	}
}

// Ensure no job id reaches a file outside of the directory, or that of another job.
func TestOddJobIDsStayInside(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "instances")
	l := ledger.New(localFiles(t), dir)
	ids := []string{
		"60235ab9-1111-2222-3333-444455556666", "../x", "../../etc/passwd", "/abs", "a/b", ".", "..", "", ".hidden", "x.json", "x\x00y", "a b", "é→\u2028",
		strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("a", 300), "A", "a", "sha256-" + strings.Repeat("0", 57), "-dash", "line\nbreak",
	}
	for i, id := range ids {
		o := outcome(id)
		o.At = noon.Add(time.Duration(i))
		must(t, l.SaveOutcome(t.Context(), o))
	}
	kept, problems := outcomes(t, l)
	if len(problems) != 0 || len(kept) != len(ids) {
		t.Fatalf("got %d outcomes, %v, want %d", len(kept), problems, len(ids))
	}
	for i, id := range ids {
		if kept[i].JobID != id {
			t.Errorf("got job %q, want %q", kept[i].JobID, id)
		}
		must(t, l.DropOutcome(t.Context(), id))
	}
	if got := names(t, root); !reflect.DeepEqual(got, []string{"instances"}) {
		t.Errorf("beside the ledger there is %q", got)
	}
	if left := names(t, dir, outcomesDir); len(left) != 0 || len(names(t, dir)) != 1 {
		t.Errorf("%q and %q are left", names(t, dir), left)
	}
}

func TestUnreadableOutcomesAreMovedAside(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, content, want string }{
		{"damaged", "a.json", `{"job_id":"a","status":`, "unexpected end"},
		{"empty", "b.json", ``, "unexpected end"},
		{"zeros", "c.json", strings.Repeat("\x00", 64), "invalid character"},
		{"null", "d.json", `null`, "it is not the outcome of job"},
		{"of another job", "e.json", `{"job_id":"x","status":"COMPLETED"}`, `it is not the outcome of job "x"`},
		{"without a status", "f.json", `{"job_id":"f"}`, `it is not the outcome of job "f"`},
		{"of the wrong types", "g.json", `{"job_id":7}`, "cannot unmarshal number"},
		{"a stranger", "READ ME.json", `{"hello":1}`, "it is not the outcome"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put(t, tt.content, dir, outcomesDir, tt.file)
			l := ledger.New(localFiles(t), dir)
			must(t, l.SaveOutcome(t.Context(), outcome("good")))
			kept, problems := outcomes(t, l)
			if len(kept) != 1 || len(problems) != 1 || !strings.Contains(problems[0].Error(), tt.want) || !strings.Contains(problems[0].Error(), tt.file) {
				t.Errorf("got %+v, %v, want the good one, and %q of %s", kept, problems, tt.want, tt.file)
			}
			aside, err := filepath.Glob(filepath.Join(dir, outcomesDir, tt.file+".bad-*"))
			if err != nil || len(aside) != 1 {
				t.Fatalf("moved aside: %q, %v", aside, err)
			}
			if data, err := os.ReadFile(aside[0]); err != nil || string(data) != tt.content {
				t.Errorf("it holds %q, %v", data, err)
			}
			if kept, problems := outcomes(t, l); len(kept) != 1 || len(problems) != 0 {
				t.Errorf("the second time: %+v, %v, want no more of it", kept, problems)
			}
		})
	}
}

func TestADirectoryAmongTheOutcomesIsMovedAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, "x", dir, outcomesDir, "d.json", "inside")
	if kept, problems := outcomes(t, ledger.New(localFiles(t), dir)); len(kept) != 0 || len(problems) != 1 {
		t.Errorf("got %v, %v, want one problem", kept, problems)
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, outcomesDir, "d.json.bad-*", "inside")); len(aside) != 1 {
		t.Errorf("it was not kept: %q", names(t, dir, outcomesDir))
	}
}

// Ensure half-written files are cleared, and nothing else that is not ours.
func TestHalfWrittenOutcomesAreCleared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{".j.json4711", ".sha256-00.json1", ".keep", "notes.txt", "j.json.bad-20261123T120000.000000000Z"} {
		put(t, `{"job`, dir, outcomesDir, name)
	}
	if kept, problems := outcomes(t, ledger.New(localFiles(t), dir)); len(kept)+len(problems) != 0 {
		t.Errorf("got %v, %v", kept, problems)
	}
	if got, want := names(t, dir, outcomesDir), []string{".keep", "j.json.bad-20261123T120000.000000000Z", "notes.txt"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Ensure a kill during a save leaves the old outcome or the new one.
func TestAKillDuringASave(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late %t", late), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, ledger.New(localFiles(t), dir).SaveOutcome(t.Context(), ledger.Outcome{JobID: "j", Status: "COMPLETED", Result: "1"}))
			dying := ledger.New(&faulty{Files: localFiles(t), n: 1, late: late, err: errDead}, dir)
			if err := dying.SaveOutcome(t.Context(), ledger.Outcome{JobID: "j", Status: "COMPLETED", Result: "2"}); err == nil {
				t.Fatal("the save went well")
			}
			want := map[bool]string{false: "1", true: "2"}[late]
			if kept, problems := outcomes(t, ledger.New(localFiles(t), dir)); len(problems) != 0 || len(kept) != 1 || kept[0].Result != want {
				t.Errorf("got %+v, %v, want result %s", kept, problems, want)
			}
			if got := names(t, dir, outcomesDir); len(got) != 1 {
				t.Errorf("left are %q", got)
			}
		})
	}
}

func TestAFullDiskIsTold(t *testing.T) {
	t.Parallel()
	l := ledger.New(&faulty{Files: localFiles(t), err: diskFull()}, t.TempDir())
	if err := l.SaveOutcome(t.Context(), outcome("j")); !fault.Is(err, fault.Exhausted) || !strings.HasPrefix(err.Error(), "keep the outcome of job j: ") {
		t.Errorf("got %v", err)
	}
}

// Ensure an outcome is not moved aside because the host did not answer.
func TestOutcomesOfAHostThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, ledger.New(localFiles(t), dir).SaveOutcome(t.Context(), outcome("j")))
	if kept, problems, err := ledger.New(deaf{localFiles(t)}, dir).Outcomes(t.Context()); !fault.Is(err, fault.Unavailable) || kept != nil || problems != nil {
		t.Errorf("got %v, %v, %v, want Unavailable alone", kept, problems, err)
	}
	if kept, _ := outcomes(t, ledger.New(localFiles(t), dir)); len(kept) != 1 {
		t.Errorf("got %v, want it kept", kept)
	}
}

// forgetful loses each file between the list and the reading.
type forgetful struct{ host.Files }

func (forgetful) ReadFile(context.Context, string, int64) ([]byte, error) {
	return nil, fault.NotFoundf("no such file")
}

func TestAnOutcomeDroppedDuringTheListIsNoProblem(t *testing.T) {
	t.Parallel()
	l := ledger.New(forgetful{localFiles(t)}, t.TempDir())
	must(t, l.SaveOutcome(t.Context(), outcome("j")))
	if kept, problems := outcomes(t, l); len(kept)+len(problems) != 0 {
		t.Errorf("got %v, %v, want nothing", kept, problems)
	}
}

// Ensure outcomes are no sandboxes, and a sandbox with their name is a sandbox.
func TestOutcomesAndSandboxesDoNotMeet(t *testing.T) {
	t.Parallel()
	l, _ := load(t, t.TempDir())
	r := full("outcomes")
	must(t, l.SaveRecord(t.Context(), r))
	must(t, l.SaveMappings(t.Context(), numbers{"outcomes": r.Instance}))
	must(t, l.SaveOutcome(t.Context(), outcome("instance")))
	again, snap := load(t, l.Dir())
	noProblems(t, snap)
	wantNumbers(t, snap, numbers{"outcomes": r.Instance})
	if got := snap.Records[sandbox.ID("outcomes")]; got.Snapshot != r.Snapshot || len(snap.Records) != 1 {
		t.Errorf("got %+v", snap.Records)
	}
	if kept, problems := outcomes(t, again); len(problems) != 0 || len(kept) != 1 || kept[0].JobID != "instance" {
		t.Errorf("got %+v, %v", kept, problems)
	}
}

// Ensure any file is either read as it stands or moved aside and told, and lost in neither case.
func FuzzOutcomes(f *testing.F) {
	f.Add([]byte(`{"job_id":"j","status":"COMPLETED","at":"2026-11-23T12:00:00Z"}`))
	f.Add([]byte(`{"job_id":"../j","status":"X"}`))
	f.Add([]byte(`{"job_id":"j","status":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		put(t, string(data), dir, outcomesDir, "j.json")
		l := ledger.New(localFiles(t), dir)
		kept, problems := outcomes(t, l)
		if len(kept)+len(problems) != 1 || len(names(t, dir, outcomesDir)) != 1 {
			t.Fatalf("got %v, %v, %q", kept, problems, names(t, dir, outcomesDir))
		}
		for _, o := range kept {
			var want ledger.Outcome
			if err := json.Unmarshal(data, &want); err != nil || o.JobID != "j" || o.Status == "" {
				t.Errorf("%s was read as %+v: %v", data, o, err)
			}
			must(t, l.DropOutcome(t.Context(), o.JobID))
			if left := names(t, dir, outcomesDir); len(left) != 0 {
				t.Errorf("%q is left", left)
			}
		}
	})
}
