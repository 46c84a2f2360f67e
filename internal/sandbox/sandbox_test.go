package sandbox_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/daytonaio/runner-android/internal/sandbox"
)

func TestParseID(t *testing.T) {
	for text, ok := range map[string]bool{
		"a": true, "dev-1": true, "A.b_c-9": true, "0e94bc09-1c1e-4c0f-9a93-6c7a0b7f2f11": true,
		strings.Repeat("x", 63): true, strings.Repeat("x", 64): false,
		"": false, "-a": false, ".a": false, "_a": false, "a/b": false, "a b": false, "a\x00": false, "..": false, "ä": false, "a\n": false,
	} {
		id, err := sandbox.ParseID(text)
		if (err == nil) != ok || ok && string(id) != text {
			t.Errorf("%q: %q, %v; want ok=%v", text, id, err, ok)
		}
	}
}

func FuzzIDAndGroup(f *testing.F) {
	for _, s := range []string{"dev1", "s_64657631", "s_", "cvd_1", "s_2e2e", "S_64", "s_6465763G"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := sandbox.ParseID(s); err == nil {
			group := id.Group()
			if back, ours := sandbox.ParseGroup(group); !ours || back != id {
				t.Errorf("%q: group %q gives back %q, %v", s, group, back, ours)
			}
			for _, c := range group {
				if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
					t.Errorf("group %q: cvd allows no %q", group, c)
				}
			}
		}
		if id, ours := sandbox.ParseGroup(s); ours && id.Group() != s {
			t.Errorf("group %q is taken for %q, whose group is %q", s, id, id.Group())
		}
	})
}

func TestNumbersOfAnInstance(t *testing.T) {
	n := sandbox.Instance(3)
	if n.ADBPort(6520) != 6522 || n.Serial(6520) != "127.0.0.1:6522" || n.VsockCID() != 5 || n.String() != "cvd-3" {
		t.Errorf("cvd-3: %d %s %d %s", n.ADBPort(6520), n.Serial(6520), n.VsockCID(), n)
	}
	if taps := sandbox.Instance(100).Taps(); taps[0] != "cvd-mtap-100" {
		t.Errorf("taps of cvd-100: %v", taps)
	}
	if sandbox.Instance(0).Valid() || sandbox.Instance(129).Valid() || !sandbox.Instance(128).Valid() {
		t.Error("numbers are 1 to 128")
	}
}

// Ensure every state can be left for destroyed, and that nothing leaves destroyed.
func TestEveryStateCanBeDestroyed(t *testing.T) {
	for _, s := range sandbox.States() {
		if s == sandbox.Destroyed {
			continue
		}
		if !s.CanBecome(sandbox.Destroying) {
			t.Errorf("%s cannot become destroying", s)
		}
		if sandbox.Destroyed.CanBecome(s) {
			t.Errorf("destroyed can become %s", s)
		}
	}
	if !sandbox.Destroying.CanBecome(sandbox.Destroyed) {
		t.Error("destroying cannot end")
	}
}

// Ensure a random walk along lawful transitions never strands.
func TestLawfulWalksNeverStrand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.SampledFrom(sandbox.States()).Draw(t, "from")
		for range 20 {
			var next []sandbox.State
			for _, s := range sandbox.States() {
				if s != at && at.CanBecome(s) {
					next = append(next, s)
				}
			}
			if len(next) == 0 {
				if at != sandbox.Destroyed {
					t.Fatalf("stranded in %s", at)
				}
				return
			}
			at = rapid.SampledFrom(next).Draw(t, "to")
		}
	})
}

func TestQuotasAreFilledAndRaised(t *testing.T) {
	defaults := sandbox.Resources{CPUs: 4, MemoryMB: 4096, DiskGB: 20}
	for _, tc := range []struct {
		name       string
		want, give sandbox.Resources
	}{
		{"nothing said", defaults, sandbox.Resources{}},
		{"all said", sandbox.Resources{CPUs: 2, MemoryMB: 8192, DiskGB: 30}, sandbox.Resources{CPUs: 2, MemoryMB: 8192, DiskGB: 30}},
		{"too little is raised", sandbox.Resources{CPUs: 1, MemoryMB: 2048, DiskGB: 8}, sandbox.Resources{CPUs: 1, MemoryMB: 1024, DiskGB: 3}},
	} {
		if got := tc.give.OrDefault(defaults); got != tc.want {
			t.Errorf("%s: %+v; want %+v", tc.name, got, tc.want)
		}
	}
}
