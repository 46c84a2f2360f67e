package ledger_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

type numbers = map[sandbox.ID]sandbox.Instance

func put(t testing.TB, content string, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t testing.TB, dir string) (*ledger.Ledger, ledger.Snapshot) {
	t.Helper()
	l := ledger.New(localFiles(t), dir)
	snap, err := l.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l, snap
}

func noProblems(t testing.TB, snap ledger.Snapshot) {
	t.Helper()
	for _, p := range snap.Problems {
		t.Errorf("unexpected problem: %v", p)
	}
}

func wantNumbers(t testing.TB, snap ledger.Snapshot, want numbers) {
	t.Helper()
	if got := snap.Mappings(); !maps.Equal(got, want) {
		t.Errorf("got numbers %v, want %v", got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func object(t testing.TB, path string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	var all map[string]any
	must(t, json.Unmarshal(data, &all))
	return all
}

func full(id sandbox.ID) ledger.Record {
	begun := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	return ledger.Record{
		ID: id, Group: id.Group(), Instance: 3, Snapshot: "android-LATEST",
		Flags:  []string{"--cpus=4", "--memory_mb=4096"},
		Paths:  ledger.Paths{GroupHome: "/g/home", InstanceDir: "/g/i", HostPath: "/h", ProductPath: "/p", Base: json.RawMessage(`{"dir":"/a"}`)},
		Intent: sandbox.IntentStarted, Begun: begun, Created: true, Launcher: host.ProcessID{PID: 7, Start: 8},
		Resources: ledger.Quotas{CPUs: 4, MemoryMB: 4096, DiskGB: 20}, Metadata: map[string]string{"a": "b"},
		Failure: "none", CreatedAt: begun,
	}
}

func text(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	must(t, err)
	return string(data)
}

func TestAnEmptyDirectoryIsAnEmptyLedger(t *testing.T) {
	t.Parallel()
	_, snap := load(t, filepath.Join(t.TempDir(), "not", "yet"))
	noProblems(t, snap)
	wantNumbers(t, snap, numbers{})
}

func TestAnOlderInstallationLoads(t *testing.T) {
	t.Parallel()
	plain, err := os.ReadFile("testdata/plain_mappings.json")
	must(t, err)
	dir := t.TempDir()
	path := put(t, string(plain), dir, "mappings.json")
	put(t, `{"instanceNum": 2, "created": "yesterday", "version": null}`, dir, "dev-1", "instance.json")
	l, snap := load(t, dir)
	noProblems(t, snap)
	want := numbers{"0b6d9a3e-2f5c-4a31-9d0e-7c1f5c0c9a11": 1, "dev-1": 2, "e2e_android.test": 17}
	wantNumbers(t, snap, want)
	for id, r := range snap.Records {
		if r.Version != 0 || r.ID != id || r.Created || r.Intent != "" {
			t.Errorf("%s: got %+v, want nothing but its number", id, r)
		}
	}
	must(t, l.SaveMappings(t.Context(), want))
	if got, err := os.ReadFile(path); err != nil || string(got) != string(plain) {
		t.Errorf("rewritten as %s, %v", got, err)
	}
	r := snap.Records["dev-1"]
	r.Intent = sandbox.IntentStopped
	must(t, l.SaveRecord(t.Context(), r))
	got := object(t, filepath.Join(dir, "dev-1", "instance.json"))
	if got["instanceNum"] != 2.0 || got["created"] != false || got["intent"] != "stopped" {
		t.Errorf("got %v, want their fields beside ours", got)
	}
}

func TestARecordComesBackAsItWasSaved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, _ := load(t, dir)
	want := full("dev-1")
	must(t, l.SaveMappings(t.Context(), numbers{"dev-1": 3}))
	must(t, l.SaveRecord(t.Context(), want))
	if info, err := os.Stat(l.LogsDir("dev-1")); err != nil || !info.IsDir() {
		t.Errorf("no directory for logs: %v", err)
	}
	got, err := l.Record(t.Context(), "dev-1")
	must(t, err)
	if got.UpdatedAt.IsZero() || got.Version != ledger.FormatVersion {
		t.Errorf("not stamped: %+v", got)
	}
	want.Version, want.UpdatedAt = got.Version, got.UpdatedAt
	if text(t, got) != text(t, want) {
		t.Errorf("got  %s\nwant %s", text(t, got), text(t, want))
	}
	_, snap := load(t, dir)
	noProblems(t, snap)
	if text(t, snap.Records["dev-1"]) != text(t, want) {
		t.Errorf("loaded %s", text(t, snap.Records["dev-1"]))
	}
}

func TestUnknownFieldsSurviveARewrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mappings := put(t, `{"dev-1": 3, "_note": {"by": "somebody"}, "other": "text"}`, dir, "mappings.json")
	record := put(t, `{"version":2,"sandbox_id":"dev-1","instance_num":3,"new":[1,2],"paths":{"host_path":"/h","newer":true}}`,
		dir, "dev-1", "instance.json")
	l, snap := load(t, dir)
	if len(snap.Problems) != 3 { // two members that are no mapping, one newer record
		t.Errorf("got problems %v", snap.Problems)
	}
	r := snap.Records["dev-1"]
	r.Intent = sandbox.IntentStopped
	r.Paths.ProductPath = "/p"
	must(t, l.SaveRecord(t.Context(), r))
	must(t, l.SaveMappings(t.Context(), numbers{"dev-2": 4}))
	got := object(t, record)
	paths, _ := got["paths"].(map[string]any)
	if text(t, got["new"]) != "[1,2]" || got["version"] != 2.0 || paths["newer"] != true || paths["product_path"] != "/p" {
		t.Errorf("record: got %v", got)
	}
	if got := text(t, object(t, mappings)); got != `{"_note":{"by":"somebody"},"dev-2":4,"other":"text"}` {
		t.Errorf("mappings: got %s", got)
	}
}

func TestRecordsAndMappingsAreBroughtTogether(t *testing.T) {
	t.Parallel()
	record := func(id string, n int) string {
		return `{"version":1,"sandbox_id":"` + id + `","instance_num":` + text(t, n) + `}`
	}
	for name, c := range map[string]struct {
		mappings string // empty: no file
		records  map[string]string
		want     numbers
		known    []sandbox.ID
		problem  string // part of the only problem; empty: none
	}{
		"a mapping without record is a sandbox with a number": {`{"a":5}`, nil, numbers{"a": 5}, []sandbox.ID{"a"}, ""},
		"a record without mapping holds no number":            {`{}`, map[string]string{"a": record("a", 5)}, numbers{}, []sandbox.ID{"a"}, ""},
		"the mapping is right where the record differs":       {`{"a":6}`, map[string]string{"a": record("a", 5)}, numbers{"a": 6}, []sandbox.ID{"a"}, ""},
		"without mappings.json the records tell":              {"", map[string]string{"a": record("a", 5)}, numbers{"a": 5}, []sandbox.ID{"a"}, "the numbers are those in the records"},
		"a doubled number is left to whose record says so": {
			`{"a":5,"b":5}`, map[string]string{"b": record("b", 5)}, numbers{"b": 5}, []sandbox.ID{"a", "b"}, "held by b and by a: left to b"},
		"a doubled number without records is left to the first": {`{"b":5,"a":5}`, nil, numbers{"a": 5}, []sandbox.ID{"a", "b"}, "left to a"},
		"a number out of range is not used":                     {`{"a":129}`, nil, numbers{}, []sandbox.ID{"a"}, "not an instance number"},
		"zero is not a number":                                  {`{"a":0}`, nil, numbers{}, []sandbox.ID{"a"}, "not an instance number"},
		"a fraction is not a number":                            {`{"a":1.5}`, nil, numbers{}, []sandbox.ID{"a"}, "not an instance number"},
		"a name against the grammar is no sandbox":              {`{"../x":1}`, nil, numbers{}, nil, "not a sandbox"},
		"a directory without record is not ours":                {`{}`, map[string]string{"backup": ""}, numbers{}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if c.mappings != "" {
				put(t, c.mappings, dir, "mappings.json")
			}
			for id, content := range c.records {
				if content == "" {
					must(t, os.Mkdir(filepath.Join(dir, id), 0o755))
				} else {
					put(t, content, dir, id, "instance.json")
				}
			}
			_, snap := load(t, dir)
			wantNumbers(t, snap, c.want)
			if len(snap.Records) != len(c.known) {
				t.Errorf("got records %v, want %v", snap.Records, c.known)
			}
			for _, id := range c.known {
				if r, ok := snap.Records[id]; !ok || r.ID != id {
					t.Errorf("sandbox %s is not known", id)
				}
			}
			if c.problem == "" {
				noProblems(t, snap)
			} else if len(snap.Problems) != 1 || !strings.Contains(snap.Problems[0].String(), c.problem) {
				t.Errorf("got problems %v, want one with %q", snap.Problems, c.problem)
			}
		})
	}
}

func TestABadFileIsMovedAside(t *testing.T) {
	t.Parallel()
	good := `{"version":1,"sandbox_id":"a","instance_num":5}`
	for name, c := range map[string]struct {
		mappings, record string
		bad              string
	}{
		"mappings cut short":             {`{"a":5`, good, "mappings.json"},
		"mappings that are a list":       {`[1]`, good, "mappings.json"},
		"mappings that are null":         {`null`, good, "mappings.json"},
		"empty mappings":                 {"", good, "mappings.json"},
		"a record cut short":             {`{"a":5}`, good[:20], "a/instance.json"},
		"an empty record":                {`{"a":5}`, "", "a/instance.json"},
		"a record of another sandbox":    {`{"a":5}`, `{"version":1,"sandbox_id":"b"}`, "a/instance.json"},
		"a record with a wrong type":     {`{"a":5}`, `{"version":1,"sandbox_id":"a","flags":7}`, "a/instance.json"},
		"a record with a strange intent": {`{"a":5}`, `{"version":1,"sandbox_id":"a","intent":"dance"}`, "a/instance.json"},
		"a record with a strange number": {`{"a":5}`, `{"version":1,"sandbox_id":"a","instance_num":500}`, "a/instance.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put(t, c.mappings, dir, "mappings.json")
			put(t, c.record, dir, "a", "instance.json")
			content, err := os.ReadFile(filepath.Join(dir, c.bad))
			must(t, err)
			_, snap := load(t, dir)
			wantNumbers(t, snap, numbers{"a": 5}) // from whichever file is left
			if len(snap.Problems) == 0 || snap.Problems[0].Path != filepath.Join(dir, c.bad) {
				t.Fatalf("got problems %v", snap.Problems)
			}
			if got, err := os.ReadFile(snap.Problems[0].MovedTo); err != nil || string(got) != string(content) {
				t.Errorf("moved aside: got %q, %v", got, err)
			}
			if _, err := os.Stat(filepath.Join(dir, c.bad)); !os.IsNotExist(err) {
				t.Errorf("the bad file is still there: %v", err)
			}
		})
	}
}

// Ensure a link in the place of a file is moved aside, is not followed, and costs nothing that the other file tells.
func TestALinkIsNotFollowed(t *testing.T) {
	t.Parallel()
	for bad, elsewhere := range map[string]string{
		"mappings.json":   `{"a":9}`,
		"a/instance.json": `{"version":1,"sandbox_id":"a","instance_num":9}`,
	} {
		dir := t.TempDir()
		put(t, `{"a":5}`, dir, "mappings.json")
		put(t, `{"version":1,"sandbox_id":"a","instance_num":5}`, dir, "a", "instance.json")
		target := put(t, elsewhere, t.TempDir(), "elsewhere")
		must(t, os.Remove(filepath.Join(dir, bad)))
		must(t, os.Symlink(target, filepath.Join(dir, bad)))
		l, snap := load(t, dir)
		wantNumbers(t, snap, numbers{"a": 5})
		if len(snap.Problems) == 0 || snap.Problems[0].MovedTo == "" || !strings.Contains(snap.Problems[0].Reason, "link") {
			t.Errorf("%s: problems %v", bad, snap.Problems)
		}
		must(t, l.SaveMappings(t.Context(), numbers{"a": 5}))
		must(t, l.SaveRecord(t.Context(), ledger.Record{ID: "a", Instance: 5}))
		if got, err := os.ReadFile(target); err != nil || string(got) != elsewhere {
			t.Errorf("%s: where the link led: %q, %v", bad, got, err)
		}
	}
}

func TestALinkInThePlaceOfADirectoryIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.Symlink(t.TempDir(), filepath.Join(dir, "a")))
	if _, snap := load(t, dir); len(snap.Problems) != 1 || snap.Problems[0].Sandbox != "a" || len(snap.Records) != 0 {
		t.Errorf("got %+v", snap)
	}
}

// Ensure a file of another owner is used, and told.
func TestAFileOfAnotherOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("skipped: only root can give files away")
	}
	dir := t.TempDir()
	record := put(t, `{"version":1,"sandbox_id":"a","instance_num":5}`, dir, "a", "instance.json")
	mappings := put(t, `{"a":5}`, dir, "mappings.json")
	must(t, errors.Join(os.Chown(record, 4711, -1), os.Chown(mappings, 4711, -1)))
	_, snap := load(t, dir)
	wantNumbers(t, snap, numbers{"a": 5})
	if len(snap.Problems) != 2 || !strings.Contains(snap.Problems[0].Reason, "uid 4711") || snap.Records["a"].Version != 1 {
		t.Errorf("got %+v", snap)
	}
}

// Ensure a ledger that can be read and not written is loaded, and says so at every write.
func TestAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := before(t)
	put(t, "half", dir, ".mappings.json123")
	l := ledger.New(&faulty{Files: localFiles(t), n: 1, err: readOnly()}, dir) // the directory is there
	snap, err := l.Load(t.Context())
	must(t, err)
	wantNumbers(t, snap, numbers{"old": 3})
	if len(snap.Problems) != 1 || !strings.Contains(snap.Problems[0].Reason, "read-only file system") {
		t.Errorf("problems %v", snap.Problems)
	}
	for what, err := range map[string]error{
		"mappings": l.SaveMappings(t.Context(), numbers{}), "record": l.SaveRecord(t.Context(), full("old")), "removal": l.RemoveRecord(t.Context(), "old"),
	} {
		if err == nil || !strings.Contains(err.Error(), "read-only file system") {
			t.Errorf("%s: got %v", what, err)
		}
	}
	_, snap = load(t, dir)
	wantNumbers(t, snap, numbers{"old": 3})
}

func TestABadRecordWithoutMappingIsStillASandbox(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, `{}`, dir, "mappings.json")
	put(t, `{`, dir, "a", "instance.json")
	_, snap := load(t, dir)
	if r, ok := snap.Records["a"]; !ok || r.Instance != 0 || len(snap.Problems) != 1 || snap.Problems[0].Sandbox != "a" {
		t.Errorf("got %+v", snap)
	}
}

func TestAHostThatDoesNotAnswerMovesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, `{"a":5}`, dir, "mappings.json")
	l := ledger.New(deaf{localFiles(t)}, dir)
	if _, err := l.Load(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want Unavailable", err)
	}
	if err := l.SaveMappings(t.Context(), numbers{}); !fault.Is(err, fault.Internal) {
		t.Errorf("save without a load: got %v, want a refusal", err)
	}
	_, snap := load(t, dir)
	noProblems(t, snap)
	wantNumbers(t, snap, numbers{"a": 5})
}

func TestWhatIsNotLawfulIsNotWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, _ := load(t, dir)
	for name, m := range map[string]numbers{
		"a bad id": {"../x": 1}, "zero": {"a": 0}, "129": {"a": 129}, "a number twice": {"a": 1, "b": 1},
	} {
		if err := l.SaveMappings(t.Context(), m); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: got %v, want Internal", name, err)
		}
	}
	for _, r := range []ledger.Record{{ID: "../x"}, {}, {ID: "a", Instance: 500}, {ID: "a", Intent: "dance"}} {
		if err := l.SaveRecord(t.Context(), r); !fault.Is(err, fault.Internal) {
			t.Errorf("%+v: got %v, want Internal", r, err)
		}
	}
	if err := l.RemoveRecord(t.Context(), ".."); !fault.Is(err, fault.Internal) {
		t.Errorf("remove ..: got %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("written: %v", entries)
	}
}

func TestRemoveRecordTakesTheLogsAlong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, _ := load(t, dir)
	must(t, l.SaveRecord(t.Context(), full("dev-1")))
	put(t, "said", l.LogsDir("dev-1"), "launch.log")
	for range 2 {
		must(t, l.RemoveRecord(t.Context(), "dev-1"))
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
	if _, err := l.Record(t.Context(), "dev-1"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v, want NotFound", err)
	}
}

func TestManyWritersAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, _ := load(t, dir)
	all := numbers{}
	var wg sync.WaitGroup
	for i := range 16 {
		id := sandbox.ID("dev-" + string(rune('a'+i)))
		all[id] = sandbox.Instance(i + 1)
		now := maps.Clone(all)
		wg.Go(func() {
			r := full(id)
			r.Instance = now[id]
			if err := l.SaveMappings(t.Context(), now); err != nil {
				t.Error(err)
			}
			if err := l.SaveRecord(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	must(t, l.SaveMappings(t.Context(), all))
	_, snap := load(t, dir)
	noProblems(t, snap)
	wantNumbers(t, snap, all)
}
