package activity

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
)

// exception is what an app dies of: a class with its message, the frames of its own code, which stand
// in front, and those of Android behind them.
type exception struct {
	class, text string
	frames      []string // %s is the package
	wrapped     bool     // it broke the start of the activity
}

var (
	extraCrash = exception{"java.lang.IllegalStateException", "The extra \"crash\" was set",
		[]string{"%s.MainActivity.onCreate(MainActivity.java:42)"}, true}
	buttonCrash = exception{"java.lang.RuntimeException", "The button was pressed",
		[]string{"%s.MainActivity.onCrash(MainActivity.java:57)", "%s.MainActivity.$r8$lambda$onCrash(Unknown Source:0)"}, false}
	shellCrash = exception{"android.app.RemoteServiceException$CrashedByAdbException", "shell-induced crash", nil, false}
)

// loop are the frames that every app's main thread begins with.
var loop = []string{
	"android.os.Handler.handleCallback(Handler.java:959)", "android.os.Handler.dispatchMessage(Handler.java:100)",
	"android.os.Looper.loopOnce(Looper.java:232)", "android.os.Looper.loop(Looper.java:317)",
	"android.app.ActivityThread.main(ActivityThread.java:8705)", "java.lang.reflect.Method.invoke(Native Method)",
	"com.android.internal.os.RuntimeInit$MethodAndArgsCaller.run(RuntimeInit.java:580)",
	"com.android.internal.os.ZygoteInit.main(ZygoteInit.java:886)",
}

// stack is the trace as Java prints it.
func (e exception) stack(pkg, component string) string {
	var b strings.Builder
	frames := func(list []string) {
		for _, f := range list {
			b.WriteString("\n\tat " + f)
		}
	}
	var own []string
	for _, f := range e.frames {
		own = append(own, fmt.Sprintf(f, pkg))
	}
	if !e.wrapped {
		fmt.Fprintf(&b, "%s: %s", e.class, e.text)
		frames(slices.Concat(own, loop))
		return b.String()
	}
	fmt.Fprintf(&b, "java.lang.RuntimeException: Unable to start activity ComponentInfo{%s}: %s: %s", component, e.class, e.text)
	frames([]string{"android.app.ActivityThread.performLaunchActivity(ActivityThread.java:4048)",
		"android.app.ActivityThread.handleLaunchActivity(ActivityThread.java:4235)"})
	frames(loop[1:])
	fmt.Fprintf(&b, "\nCaused by: %s: %s", e.class, e.text)
	frames(own)
	frames([]string{"android.app.Activity.performCreate(Activity.java:9002)", "android.app.Instrumentation.callActivityOnCreate(Instrumentation.java:1526)",
		"android.app.ActivityThread.performLaunchActivity(ActivityThread.java:4030)"})
	fmt.Fprintf(&b, "\n\t... %d more", len(loop))
	return b.String()
}

// Crash makes a running app die, as am crash does. It reports whether the app runs.
func (m *Manager) Crash(pkg string) bool { return m.crashNow(pkg, shellCrash) }

func (m *Manager) crashNow(pkg string, e exception) bool {
	m.mu.Lock()
	r := m.running[pkg]
	m.mu.Unlock()
	if r == nil {
		return false
	}
	m.crash(r, e)
	return true
}

// crash writes what Android writes and ends the app, unless it has ended already.
func (m *Manager) crash(r *running, e exception) {
	if !m.take(r) {
		return
	}
	component := r.pkg
	if p := m.packages.Get(r.pkg); p != nil {
		if c, ok := p.Launcher(); ok {
			component = c.Full()
		}
	}
	pid, stack := r.process.PID(), e.stack(r.pkg, component)
	m.logs.Add(logd.Entry{Buffer: logd.Crash, Priority: 'E', PID: pid, UID: r.uid, Tag: "AndroidRuntime",
		Text: fmt.Sprintf("FATAL EXCEPTION: main\nProcess: %s, PID: %d\n%s", r.pkg, pid, stack)})
	m.event("am_crash", "[%d,0,%s,548978246,%s,%s,MainActivity.java,42,0]", pid, r.pkg, e.class, e.text)
	m.system('W', "ActivityTaskManager", "  Force finishing activity %s", component)
	m.drop("data_app_crash", r, stack)
	m.logs.Add(logd.Entry{Buffer: logd.Main, Priority: 'I', PID: pid, UID: r.uid, Tag: "Process", Text: fmt.Sprintf("Sending signal. PID: %d SIG: 9", pid)})
	r.process.Kill()
	m.died(r)
	m.phone.Stop(r.pkg)
}

// Drop is an entry of the drop box.
type Drop struct {
	Time      time.Time
	Tag, Text string
}

// maxDrops bounds the drop box.
const maxDrops = 50

func (m *Manager) drop(tag string, r *running, stack string) {
	var b strings.Builder
	fmt.Fprintf(&b, "Process: %s\nPID: %d\nUID: %d\nFlags: 0x38a8be46\n", r.pkg, r.process.PID(), r.uid)
	if p := m.packages.Get(r.pkg); p != nil {
		fmt.Fprintf(&b, "Package: %s v%d (%s)\n", r.pkg, p.App.VersionCode, p.App.VersionName)
	}
	fmt.Fprintf(&b, "Foreground: Yes\nProcess-Runtime: %d\n\n%s\n", time.Since(r.started).Milliseconds(), stack)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.drops = append(m.drops, Drop{time.Now(), tag, b.String()}); len(m.drops) > maxDrops {
		m.drops = slices.Clone(m.drops[1:])
	}
}

// Drops are the entries of the drop box, oldest first. They are lost at a reboot.
func (m *Manager) Drops() []Drop {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.drops)
}
