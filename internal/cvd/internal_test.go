package cvd

import (
	"os"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Every class that a text can lead to, and every class there is, must say what to do.
func TestEveryClassHasARule(t *testing.T) {
	t.Parallel()
	for _, x := range texts {
		if _, ok := rules[x.class]; !ok {
			t.Errorf("%q has no rule", x.class)
		}
		line := "E0208 main.cc:12] " + strings.Join(x.fragments, " ... ") + " ..."
		if class, got := classify("before\n" + line + "\nafter\n"); class != x.class || got != line {
			t.Errorf("%q is classed %q by line %q, want %q", line, class, got, x.class)
		}
	}
	for class, r := range rules {
		if r.kind == fault.Internal || r.means == "" {
			t.Errorf("%q: kind %v, means %q", class, r.kind, r.means)
		}
	}
	for _, code := range []int{129, 130, 134, 137, 143} {
		if _, ok := rules[classOfCode(code)]; !ok {
			t.Errorf("code %d has no rule", code)
		}
	}
}

func seed(f *testing.F, files ...string) {
	f.Helper()
	for _, file := range files {
		b, err := os.ReadFile("testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
		f.Add(append([]byte("W {\"a\":{ noise\n"), b...))
	}
}

func FuzzFleet(f *testing.F) {
	seed(f, "fleet-1.40.json")
	f.Add([]byte(`{"groups":[{"group_name":"g","instances":[{"adb_port":"6520","displays":3}]}]}`))
	f.Add([]byte(strings.Repeat("{", 300)))
	f.Fuzz(func(t *testing.T, b []byte) {
		fleet, err := parseFleet(b)
		if err != nil && fleet.Groups != nil {
			t.Errorf("a fleet beside error %v", err)
		}
		for _, g := range fleet.Groups {
			if g.Name == "" {
				t.Error("a group without a name")
			}
			for _, i := range g.Instances {
				if n, ok := i.Number(); ok != n.Valid() {
					t.Errorf("number %d, %v", n, ok)
				}
				i.GroupHome()
			}
		}
		_, _ = parseGroup(b)
	})
}

func FuzzFlags(f *testing.F) {
	seed(f, "helpxml-1.40.txt", "helpxml-old.txt")
	f.Fuzz(func(t *testing.T, b []byte) {
		set := parseFlags(b)
		for name := range set.names {
			if !validFlag(name) || !set.Has("--"+name) {
				t.Errorf("flag %q", name)
			}
		}
	})
}

func FuzzVersion(f *testing.F) {
	f.Add([]byte("version: 1.40.0\nVCS: abc\n"))
	f.Add([]byte(`{"package_version":"1.55.2","version_control_id":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseVersion(b)
		if err != nil && v != (Version{}) || err == nil && (v.Package == "" || v.Major < 0 || v.Minor < 0) {
			t.Errorf("got %+v, %v", v, err)
		}
	})
}

func FuzzClassify(f *testing.F) {
	for _, x := range texts {
		f.Add(strings.Join(x.fragments, " "))
	}
	f.Fuzz(func(t *testing.T, s string) {
		class, line := classify(s)
		if _, ok := rules[class]; !ok || len(line) > maxLineBytes+len("…") || strings.ContainsAny(line, "\x00\x1b\n\r") {
			t.Errorf("class %q, line %q", class, line)
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"instances_uds_dir":"/tmp/cf_avd_7","instances":{"3":{"adb_host_port":6522}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseConfig(b)
		if err != nil {
			return
		}
		for n := range c.Instances {
			if !n.Valid() {
				t.Errorf("instance %d", n)
			}
		}
	})
}
