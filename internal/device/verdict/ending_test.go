package verdict_test

import (
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/device/verdict"
)

// Ensure the end of a kernel's log tells how the device ended, and what it says of earlier boots does not.
func TestEndingOf(t *testing.T) {
	t.Parallel()
	const (
		down  = "[  812.345678] reboot: Power down"
		panic = "[   44.000000] Kernel panic - not syncing: Fatal exception in interrupt"
	)
	boot := strings.Repeat("[    1.000000] init: starting\n", 40)
	for _, tc := range []struct {
		name, log string
		want      verdict.Ending
	}{
		{"nothing", "", verdict.EndingNotKnown},
		{"in the midst of a life", boot, verdict.EndingNotKnown},
		{"switched off", boot + down, verdict.PoweredDown},
		{"switched off, and a last line", boot + down + "\nACPI: Preparing to enter system sleep state S5", verdict.PoweredDown},
		{"switched off a boot ago", down + "\n" + boot, verdict.EndingNotKnown},
		{"a panic and its traces", boot + panic + "\nCall trace:\n dump_backtrace\n---[ end Kernel panic", verdict.Panicked},
		{"another restart", boot + "[  1.0] reboot: Restarting system", verdict.EndingNotKnown},
	} {
		if got := verdict.EndingOf(strings.Split(tc.log, "\n")); got != tc.want {
			t.Errorf("%s: %q; want %q", tc.name, got, tc.want)
		}
	}
}
