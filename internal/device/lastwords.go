package device

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/cvd"
)

// How much of a dead device's logs is looked at, and how much is told.
const (
	wordsRead   = 200 // lines of the end of each log
	wordsTold   = 3   // lines of each log
	wordsLength = 160 // bytes of each line
)

// kernelCause finds the lines of a guest's kernel that explain why it ended.
var kernelCause = regexp.MustCompile(`(?i)kernel panic|out of memory|oom-kill|killed process|\bBUG:|\bOops\b|` +
	`unable to mount|watchdog|rebooting system|reboot: |power down|I/O error`)

// launcherCause finds those of run_cvd and crosvm.
var launcherCause = regexp.MustCompile(`(?i)unexpected exit|critical process|crosvm.*(exit|error|signal|panic|killed)|` +
	`\bpanicked\b|\bfatal\b|terminated|core dumped|cannot allocate|no space left|failed to|unable to`)

// LastWords returns what the logs of the device say about its end: the lines of kernel.log and
// launcher.log that explain it, or the last line of each where none does; oldest first, a few short
// lines in all. It reads files only, waits for nobody, and may be called at any time. None when there
// are no logs, or when they cannot be read before ctx ends.
func (d *Device) LastWords(ctx context.Context) []string {
	dir := d.record().Paths.InstanceDir
	if dir == "" {
		return nil
	}
	kernel := telling(sinceBoot(cvd.KernelLogTail(ctx, d.o.Host, dir, wordsRead)), kernelCause)
	launcher := telling(cvd.LauncherLogTail(ctx, d.o.Host, dir, wordsRead), launcherCause)
	return append(signed("kernel.log", kernel), signed("launcher.log", launcher)...)
}

// sinceBoot leaves out what an earlier boot said.
func sinceBoot(lines []string) []string {
	for i, line := range slices.Backward(lines) {
		if strings.Contains(line, "Linux version ") {
			return lines[i:]
		}
	}
	return lines
}

// telling picks the last lines that match; where none does, the last one.
func telling(lines []string, cause *regexp.Regexp) []string {
	var picked []string
	for _, line := range lines {
		if cause.MatchString(line) {
			picked = append(picked, line)
		}
	}
	if len(picked) == 0 {
		return lines[max(0, len(lines)-1):]
	}
	return picked[max(0, len(picked)-wordsTold):]
}

// signed says of which log each line is, and cuts what is too long.
func signed(name string, lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		if len(line) > wordsLength {
			line = strings.ToValidUTF8(line[:wordsLength], "") + "…"
		}
		out = append(out, name+": "+line)
	}
	return out
}
