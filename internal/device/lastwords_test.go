package device

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/ledger"
)

// Ensure what explains an end is told, of this boot only, in a few short lines.
func TestLastWords(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 300)
	for _, tc := range []struct {
		name             string
		kernel, launcher string
		want             []string
	}{
		{"no logs", "", "", nil},
		{
			"a panic, and how crosvm ended",
			"Linux version 6.6\nKernel panic - not syncing: Attempted to kill init!\nCPU: 1 PID: 1\n",
			"run_cvd I Started (pid: 7)\nrun_cvd I Detected unexpected exit of monitored subprocess /a/crosvm\nrun_cvd I bye\n",
			[]string{
				"kernel.log: Kernel panic - not syncing: Attempted to kill init!",
				"launcher.log: run_cvd I Detected unexpected exit of monitored subprocess /a/crosvm",
			},
		},
		{
			"nothing that explains it: how far it came", "a\ninit: starting service 'zygote'...\n", "x\ny\n",
			[]string{"kernel.log: init: starting service 'zygote'...", "launcher.log: y"},
		},
		{
			"a panic of an earlier boot", "Kernel panic - not syncing\n[    0.0] Linux version 6.6\ninit: first stage\n", "",
			[]string{"kernel.log: init: first stage"},
		},
		{
			"the last of many", strings.Repeat("old oom-kill\n", 50) + "oom-kill 1\nOut of memory 2\nKilled process 3\n", "",
			[]string{"kernel.log: oom-kill 1", "kernel.log: Out of memory 2", "kernel.log: Killed process 3"},
		},
		{"a long line", "Kernel panic " + long, "", []string{"kernel.log: Kernel panic " + strings.Repeat("é", 73) + "…"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range map[string]string{"kernel.log": tc.kernel, "launcher.log": tc.launcher} {
				if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
					t.Fatal(err)
				}
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, "logs", name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			d := deviceIn(t, dir)
			if got := d.LastWords(t.Context()); !slices.Equal(got, tc.want) {
				t.Errorf("got %q; want %q", got, tc.want)
			}
		})
	}
}

func deviceIn(t *testing.T, dir string) *Device {
	t.Helper()
	files, err := host.NewLocal(host.LocalOptions{User: host.DeviceUser{Name: "tester", UID: os.Geteuid(), GID: os.Getegid(), Home: "/"}})
	if err != nil {
		t.Fatal(err)
	}
	d := &Device{o: &Options{Host: files}}
	d.rec.Paths = ledger.Paths{InstanceDir: dir}
	return d
}

// Ensure a device that never was has nothing to say.
func TestLastWordsOfNobody(t *testing.T) {
	t.Parallel()
	if got := deviceIn(t, "").LastWords(t.Context()); got != nil {
		t.Errorf("got %q", got)
	}
}
