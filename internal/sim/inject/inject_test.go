package inject_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/inject"
)

func script(t *testing.T, rules string) *inject.Script {
	t.Helper()
	path := filepath.Join(t.TempDir(), "inject.json")
	if rules != "" {
		if err := os.WriteFile(path, []byte(rules), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return inject.Open(path)
}

func TestCallsAreMatchedAndCounted(t *testing.T) {
	t.Parallel()
	create := inject.Event{Command: "create", Group: "s_1", Instance: 3}
	tests := []struct {
		name  string
		rules string
		calls []inject.Event
		want  []bool // whether each call met the fault
	}{
		{"no file means no faults", "", []inject.Event{create}, []bool{false}},
		{"a rule without a match meets every call", `[{"fault":"hang"}]`, []inject.Event{create, {Command: "fleet"}}, []bool{true, true}},
		{
			"command, group and instance must all fit",
			`[{"match":{"command":"create","group":"s_1","instance":3},"fault":"hang"}]`,
			[]inject.Event{{Command: "create", Group: "s_1", Instance: 4}, {Command: "start", Group: "s_1", Instance: 3}, create},
			[]bool{false, false, true},
		},
		{"nth leaves the calls before alone", `[{"match":{"nth":2},"fault":"hang"}]`, []inject.Event{create, create, create}, []bool{false, true, true}},
		{"times ends it", `[{"match":{"times":1},"fault":"hang"}]`, []inject.Event{create, create}, []bool{true, false}},
		{"nth and times together hit one call", `[{"match":{"nth":2,"times":1},"fault":"hang"}]`, []inject.Event{create, create, create}, []bool{false, true, false}},
		{"device faults are no call faults", `[{"fault":"adb_offline"}]`, []inject.Event{create}, []bool{false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := script(t, tt.rules)
			for i, call := range tt.calls {
				got, err := s.Take(call)
				if err != nil {
					t.Fatal(err)
				}
				if got.Has("hang") != tt.want[i] {
					t.Errorf("call %d (%+v): met the fault %t, want %t", i+1, call, got.Has("hang"), tt.want[i])
				}
			}
		})
	}
}

func TestDeviceFaultsHoldWhileTheirRuleIsThere(t *testing.T) {
	t.Parallel()
	s := script(t, "")
	id, err := s.Add(inject.Rule{Match: inject.Match{Instance: 2}, Fault: "adb_offline"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got, err := s.Device("s_1", 2); err != nil || !got.Has("adb_offline") {
			t.Fatalf("got %v, %v", got, err)
		}
	}
	if got, _ := s.Device("s_1", 1); len(got) != 0 {
		t.Errorf("another instance got %v", got)
	}
	if err := s.Clear(id); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Device("s_1", 2); len(got) != 0 {
		t.Errorf("after clear got %v", got)
	}
}

func TestHostFaultsHoldForTheHostAlone(t *testing.T) {
	t.Parallel()
	s := script(t, `[{"match":{"group":"s_1"},"fault":"operator_down"},{"fault":"adb_offline"}]`)
	if got, err := s.Host(); err != nil || len(got) != 1 || !got.Has("operator_down") {
		t.Errorf("the host got %v, %v", got, err)
	}
	if got, _ := s.Device("s_1", 1); len(got) != 1 || got.Has("operator_down") {
		t.Errorf("a device got %v", got)
	}
	if got, _ := s.Take(inject.Event{Command: "create", Group: "s_1"}); len(got) != 0 {
		t.Errorf("a call got %v", got)
	}
}

func TestAMomentaryFaultIsClaimedOnlyAsOftenAsItMayHappen(t *testing.T) {
	t.Parallel()
	s := script(t, `[{"match":{"times":1},"fault":"vm_dies_after:0"},{"fault":"adb_offline"}]`)
	first, err := s.Claim("g", 1, "vm_dies_after")
	if err != nil {
		t.Fatal(err)
	}
	second, _ := s.Claim("g", 1, "vm_dies_after")
	if !first || second {
		t.Errorf("claimed %t then %t, want true then false", first, second)
	}
}

func TestUnknownFaultsAndBrokenFilesAreErrors(t *testing.T) {
	t.Parallel()
	if _, err := script(t, "").Add(inject.Rule{Fault: "explode"}); err == nil {
		t.Error("an unknown fault was added")
	}
	for _, content := range []string{`[{"fault":"explode"}]`, `{`, `{"fault":"hang"}`} {
		if _, err := script(t, content).Take(inject.Event{Command: "create"}); err == nil {
			t.Errorf("%s was accepted", content)
		}
	}
}

func TestFaultsPassThroughTheEnvironment(t *testing.T) {
	t.Parallel()
	want := inject.Faults{{Name: "exit", Arg: "1:no luck, \"really\""}, {Name: "survive"}}
	got := inject.Decode(want.Encode())
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzParseFault(f *testing.F) {
	for _, name := range inject.Names() {
		f.Add(name + ":1:2")
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := inject.ParseFault(s)
		if err != nil {
			return
		}
		if again, err := inject.ParseFault(got.String()); err != nil || again != got {
			t.Errorf("%q: %v, then %v, %v", s, got, again, err)
		}
	})
}
