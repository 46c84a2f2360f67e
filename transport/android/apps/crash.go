package apps

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

const (
	// crashDump prints the end of the log of crashes.
	crashDump = "logcat -b crash -d -v threadtime -t 400"
	// crashFollow prints what is added to it.
	crashFollow = "exec logcat -b crash -v threadtime -T 1"
	// maxCrashLines bounds what is kept of one crash.
	maxCrashLines = 100
	// maxUnended bounds a line that does not end.
	maxUnended = 64 << 10
)

// crash is one entry of the log of crashes.
type crash struct {
	key       string // its first line, which has the time
	pid       int
	exception string
	lines     []string
}

// logLine is a line in the form threadtime.
var logLine = regexp.MustCompile(`^(\d\d-\d\d \d\d:\d\d:\d\d\.\d+)\s+(\d+)\s+(\d+) [VDIWEF] (.*?)\s*: ?(.*)$`)

// Marks of crashes: of the runtime's own, and of the dump of native ones.
var (
	javaProcess   = regexp.MustCompile(`^Process: (\S+), PID: (\d+)`)
	nativeProcess = regexp.MustCompile(`^pid: (\d+), tid: .*>>> (\S+) <<<`)
)

// crashesOf finds the crashes of a package's processes.
func crashesOf(text, pkg string) (all []crash) {
	var now *crash
	writer, isIts := "", false
	end := func() {
		if now != nil && isIts {
			all = append(all, *now)
		}
		now, isIts = nil, false
	}
	its := func(process, pid string) {
		isIts = process == pkg || strings.HasPrefix(process, pkg+":")
		now.pid, _ = strconv.Atoi(pid)
	}
	for row := range strings.Lines(text) {
		row = strings.TrimRight(row, "\r\n")
		m := logLine.FindStringSubmatch(row)
		if m == nil {
			continue
		}
		by, message := m[2]+" "+m[3]+" "+m[4], m[5]
		if begins := strings.HasPrefix(message, "FATAL EXCEPTION") || strings.HasPrefix(message, "*** *** ***"); begins || by != writer {
			end()
			if writer = by; begins {
				now = &crash{key: row}
			}
		}
		if now == nil {
			continue
		}
		if len(now.lines) < maxCrashLines {
			now.lines = append(now.lines, row)
		}
		if p := javaProcess.FindStringSubmatch(message); p != nil {
			its(p[1], p[2])
		} else if p := nativeProcess.FindStringSubmatch(message); p != nil {
			its(p[2], p[1])
		} else if now.pid != 0 && now.exception == "" && message != "" && !strings.HasPrefix(message, "uid:") && !strings.HasPrefix(message, "tagged_addr_ctrl") {
			now.exception = message
		}
	}
	end()
	return all
}

// newCrash is the last crash that was not there before.
func newCrash(before map[string]bool, text, pkg string) *crash {
	all := crashesOf(text, pkg)
	for i := len(all) - 1; i >= 0; i-- {
		if !before[all[i].key] {
			return &all[i]
		}
	}
	return nil
}

// keysOf are the keys of crashes.
func keysOf(all []crash) map[string]bool {
	keys := map[string]bool{}
	for _, c := range all {
		keys[c.key] = true
	}
	return keys
}

// watch looks at the log of crashes as it grows.
type watch struct {
	process guestshell.Process
	woke    chan struct{} // has one when something was added that names the package
	ended   chan struct{}
}

// watchCrashes begins to watch. A device that cannot is not watched; what counts is what its log says in the end.
func (d *Door) watchCrashes(ctx context.Context, u *android.Use, pkg, before string) *watch {
	w := &watch{woke: make(chan struct{}, 1), ended: make(chan struct{})}
	process, err := d.starter.Start(ctx, u.Serial, adb.ShellStart{Command: crashFollow})
	if err != nil {
		close(w.ended)
		return w
	}
	w.process = process
	go w.follow(pkg, before)
	return w
}

func (w *watch) follow(pkg, before string) {
	defer close(w.ended)
	var rest []byte
	for {
		_, data, err := w.process.Next()
		if err != nil {
			return
		}
		rest = append(rest, data...)
		for {
			row, more, whole := strings.Cut(string(rest), "\n")
			if !whole {
				break
			}
			rest = []byte(more)
			if strings.Contains(row, pkg) && !strings.Contains(before, strings.TrimSpace(row)) {
				select {
				case w.woke <- struct{}{}:
				default:
				}
			}
		}
		if len(rest) > maxUnended {
			rest = nil
		}
	}
}

// stop ends the watching, and returns when it has.
func (w *watch) stop() {
	if w.process != nil {
		_ = w.process.Close()
	}
	<-w.ended
}
