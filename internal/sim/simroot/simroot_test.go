package simroot_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

func TestSettingsHaveDefaultsAndAreKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(os.TempDir(), filepath.Base(t.TempDir())+"-simroot")
	t.Cleanup(func() { os.RemoveAll(dir) })
	if _, err := simroot.Create(dir, simroot.Settings{Version: "1.55.2", ADBBasePort: 7000}); err != nil {
		t.Fatal(err)
	}
	r, err := simroot.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r.CVD != (simroot.Version{Major: 1, Minor: 55, Patch: 2}) || r.HostPackage != r.CVD || r.BootTime != 2500*time.Millisecond ||
		r.ADBPort(3) != 7002 || r.Settings.Accounts != 128 {
		t.Errorf("got %+v", r)
	}
}

func TestARootThatIsTooDeepIsRefusedBeforeItIsMade(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 90))
	if _, err := simroot.Create(dir, simroot.Settings{}); !errors.Is(err, simroot.ErrTooDeep) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it was made")
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, s := range []simroot.Settings{{Version: "one"}, {Version: "1.-2"}, {HostVersion: "1"}, {BootTime: "soon"}, {BootTime: "-1s"}} {
		dir, err := os.MkdirTemp("", "sr")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if _, err := simroot.Create(dir, s); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
}

func TestVersionsAreOrdered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		version      string
		major, minor int
		want         bool
	}{{"1.40.0", 1, 38, true}, {"1.38.0", 1, 38, true}, {"1.37.9", 1, 38, false}, {"2.0", 1, 38, true}, {"0.99.0", 1, 0, false}} {
		v, err := simroot.ParseVersion(tt.version)
		if err != nil || v.AtLeast(tt.major, tt.minor) != tt.want {
			t.Errorf("%s at least %d.%d: %t, %v", tt.version, tt.major, tt.minor, v.AtLeast(tt.major, tt.minor), err)
		}
	}
}
