package ledger_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

const reportsDir = ".reports"

func report(id sandbox.ID) ledger.Report {
	return ledger.Report{ID: id, State: sandbox.Error, Reason: "the device \"died\"\n<left>", Recoverable: true, At: noon}
}

func reports(t testing.TB, l *ledger.Ledger) ([]ledger.Report, []error) {
	t.Helper()
	kept, problems, err := l.Reports(t.Context())
	must(t, err)
	return kept, problems
}

// Ensure reports are there after a restart, oldest first, one for each sandbox, until they are dropped.
func TestReportsSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "instances")
	l := ledger.New(localFiles(t), dir)
	if kept, problems := reports(t, l); len(kept)+len(problems) != 0 {
		t.Errorf("nothing was kept: got %v, %v", kept, problems)
	}
	first, second := report("b"), report("a")
	second.At = noon.Add(time.Second)
	must(t, l.SaveReport(t.Context(), second))
	must(t, l.SaveReport(t.Context(), ledger.Report{ID: "b", State: sandbox.Stopped}))
	must(t, l.SaveReport(t.Context(), first))
	again := ledger.New(localFiles(t), dir)
	if kept, problems := reports(t, again); len(problems) != 0 || !reflect.DeepEqual(kept, []ledger.Report{first, second}) {
		t.Errorf("got %+v, %v", kept, problems)
	}
	if info, err := os.Stat(filepath.Join(dir, reportsDir, "b.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file for the runner alone", info, err)
	}
	must(t, again.DropReport(t.Context(), "b"))
	must(t, again.DropReport(t.Context(), "b"))
	if kept, _ := reports(t, l); len(kept) != 1 || kept[0].ID != "a" {
		t.Errorf("got %+v", kept)
	}
}

// Ensure what is no report is moved aside and told, what a kill left is cleared, and sandboxes do not mind.
func TestBadReports(t *testing.T) {
	t.Parallel()
	l, _ := load(t, t.TempDir())
	must(t, l.SaveReport(t.Context(), report("good")))
	for name, text := range map[string]string{
		"torn.json": `{"id":`, "other.json": `{"id":"good","state":"error"}`, "nothing.json": `{"id":"nothing"}`, "empty.json": "",
	} {
		put(t, text, l.Dir(), reportsDir, name)
	}
	put(t, "{", l.Dir(), reportsDir, ".good.json4711")
	kept, problems := reports(t, l)
	if len(kept) != 1 || kept[0].ID != "good" || len(problems) != 4 {
		t.Errorf("got %+v, %v", kept, problems)
	}
	aside := 0
	for _, name := range names(t, l.Dir(), reportsDir) {
		if strings.Contains(name, ".bad-") {
			aside++
		} else if name != "good.json" {
			t.Errorf("%s is left", name)
		}
	}
	if aside != 4 {
		t.Errorf("%d moved aside; want 4", aside)
	}
	_, snap := load(t, l.Dir())
	noProblems(t, snap)
	if len(snap.Records) != 0 {
		t.Errorf("sandboxes: %v", snap.Records)
	}
}

// Ensure ids that are none name no file, and a full or deaf host is told.
func TestReportsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := ledger.New(localFiles(t), dir)
	if err := l.SaveReport(t.Context(), report("../x")); err == nil {
		t.Error("a path was taken for an id")
	}
	if err := l.DropReport(t.Context(), "../x"); err == nil {
		t.Error("a path was taken for an id")
	}
	full := ledger.New(&faulty{Files: localFiles(t), err: diskFull()}, dir)
	if err := full.SaveReport(t.Context(), report("a")); !fault.Is(err, fault.Exhausted) {
		t.Errorf("got %v", err)
	}
	must(t, l.SaveReport(t.Context(), report("a")))
	if kept, problems, err := ledger.New(deaf{localFiles(t)}, dir).Reports(t.Context()); !fault.Is(err, fault.Unavailable) || kept != nil || problems != nil {
		t.Errorf("got %v, %v, %v, want Unavailable alone", kept, problems, err)
	}
	if kept, _ := reports(t, l); len(kept) != 1 {
		t.Errorf("got %v", kept)
	}
}
