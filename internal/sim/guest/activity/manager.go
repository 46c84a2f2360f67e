package activity

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk/apkbuild"
	"github.com/daytonaio/runner-android/internal/sim/guest/intent"
	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
	"github.com/daytonaio/runner-android/internal/sim/guest/packages"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// Processes are the guest's.
type Processes interface {
	// Spawn starts a process that does nothing until it is ended.
	Spawn(name string, uid int) (Process, error)
	// Go runs f in a goroutine that the guest's end waits for; false means that it has ended.
	Go(f func()) bool
}

// Process is one of them.
type Process interface {
	PID() int
	// Done is closed when it has ended.
	Done() <-chan struct{}
	// Kill ends it, and returns when it is gone.
	Kill()
}

// Manager runs the apps. Its methods are safe for concurrent use.
type Manager struct {
	phone     *ui.Phone
	packages  *packages.Manager
	processes Processes
	logs      logd.Sink

	mu      sync.Mutex
	running map[string]*running // by package
	drops   []Drop
}

// running is an app that has a process.
type running struct {
	pkg     string
	uid     int
	process Process
	started time.Time
}

// Open makes a zero Manager ready, as the phone's host. It is called once, before anything else.
func (m *Manager) Open(phone *ui.Phone, p *packages.Manager, processes Processes, logs logd.Sink) {
	m.phone, m.packages, m.processes, m.logs = phone, p, processes, logs
	m.running = map[string]*running{}
	phone.SetHost(host{m})
	m.refresh()
}

// host is the manager as the phone calls it.
type host struct{ m *Manager }

var _ ui.Host = host{}

// Opened implements ui.Host.
func (h host) Opened(pkg string) { h.m.ensure(pkg) }

// Crash implements ui.Host.
func (h host) Crash(pkg string, after time.Duration) {
	h.m.mu.Lock()
	r := h.m.running[pkg]
	h.m.mu.Unlock()
	if r == nil {
		return
	}
	h.m.processes.Go(func() {
		if after > 0 {
			t := time.NewTimer(after)
			defer t.Stop()
			select {
			case <-t.C:
			case <-r.process.Done():
				return
			}
		}
		h.m.crash(r, buttonCrash)
	})
}

// Changed follows the package manager: an app that was replaced, removed or disabled ends, and the
// launcher shows what there is now.
func (m *Manager) Changed(name string) {
	m.stop(name, "installPackageLI")
	m.refresh()
}

// refresh tells the phone which apps there are.
func (m *Manager) refresh() {
	var apps []ui.Installed
	var hidden []string
	builtin := m.phone.Builtins()
	for _, p := range m.packages.List() {
		isBuiltin := slices.ContainsFunc(builtin, func(b ui.Installed) bool { return b.Package == p.Name() })
		switch {
		case !p.Usable():
			hidden = append(hidden, p.Name())
		case !isBuiltin && !p.System:
			icon := ""
			if c, ok := p.Launcher(); ok {
				icon = shortClass(c)
			}
			apps = append(apps, ui.Installed{Package: p.Name(), Activity: icon, Label: p.Label(), Crashes: obeysCrash(p),
				Version: fmt.Sprintf("%s (%d)", p.App.VersionName, p.App.VersionCode)})
		}
	}
	m.phone.SetInstalled(apps, hidden)
}

// obeysCrash tells an app that was built to die on request.
func obeysCrash(p *packages.Package) bool {
	return p.Name() == "com.example.crasher" || p.App.Metadata[apkbuild.CrashMetadata] == "true"
}

// shortClass is a class as windows name it: with a dot in front if it is in its package.
func shortClass(c intent.Component) string {
	_, class, _ := strings.Cut(c.Short(), "/")
	return class
}

// ensure gives an app a process if it has none. It reports whether it had none.
func (m *Manager) ensure(pkg string) (r *running, cold bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.running[pkg]; r != nil {
		return r, false
	}
	uid := 1000
	if p := m.packages.Get(pkg); p != nil {
		uid = p.UID
	}
	process, err := m.processes.Spawn(pkg, uid)
	if err != nil {
		m.system('W', "ActivityManager", "Slow operation: cannot start process %s: %v", pkg, err)
		return nil, true
	}
	r = &running{pkg, uid, process, time.Now()}
	m.running[pkg] = r
	m.system('I', "ActivityManager", "Start proc %d:%s/%s for top-activity {%s}", process.PID(), pkg, userOf(uid), pkg)
	m.event("am_proc_start", "[0,%d,%d,%s,top-activity,{%s}]", process.PID(), uid, pkg, pkg)
	if !m.processes.Go(func() { m.watch(r) }) {
		process.Kill()
	}
	return r, true
}

// watch waits for the end of an app's process that nobody here has ordered, such as a kill.
func (m *Manager) watch(r *running) {
	<-r.process.Done()
	if m.take(r) {
		m.died(r)
		m.phone.Stop(r.pkg)
	}
}

// take removes r from what runs; false means that somebody else has.
func (m *Manager) take(r *running) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running[r.pkg] != r {
		return false
	}
	delete(m.running, r.pkg)
	return true
}

func (m *Manager) died(r *running) {
	m.system('I', "ActivityManager", "Process %s (pid %d) has died: fg  TOP ", r.pkg, r.process.PID())
	m.event("am_proc_died", "[0,%d,%s,0,2]", r.process.PID(), r.pkg)
}

// ForceStop ends an app and takes it off the screen.
func (m *Manager) ForceStop(pkg string) { m.stop(pkg, "from pid 0") }

func (m *Manager) stop(pkg, why string) {
	m.mu.Lock()
	r := m.running[pkg]
	delete(m.running, pkg)
	m.mu.Unlock()
	if r != nil {
		m.system('I', "ActivityManager", "Force stopping %s appid=%d user=0: %s", pkg, r.uid, why)
		m.system('I', "ActivityManager", "Killing %d:%s/%s (adj 0): stop %s due to %s", r.process.PID(), pkg, userOf(r.uid), pkg, why)
		m.event("am_kill", "[0,%d,%s,0,stop %s due to %s]", r.process.PID(), pkg, pkg, why)
		r.process.Kill()
	}
	m.phone.Stop(pkg)
}

// Kill ends an app's process if the app is not in front, as am kill does.
func (m *Manager) Kill(pkg string) {
	if m.phone.Focused().Package != pkg {
		m.stop(pkg, "kill background")
	}
}

// KillAll is Kill for every app.
func (m *Manager) KillAll() {
	for _, r := range m.Running() {
		m.Kill(r.Package)
	}
}

// Running is an app with a process.
type Running struct {
	Package string
	PID     int
	UID     int
	Started time.Time
}

// Running lists the apps that have a process, by package.
func (m *Manager) Running() []Running {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Running
	for _, r := range m.running {
		list = append(list, Running{r.pkg, r.process.PID(), r.uid, r.started})
	}
	slices.SortFunc(list, func(a, b Running) int { return strings.Compare(a.Package, b.Package) })
	return list
}

// userOf names a uid as Android's logs do: u0a123.
func userOf(uid int) string {
	if uid >= 10000 {
		return fmt.Sprintf("u0a%d", uid-10000)
	}
	return fmt.Sprint(uid)
}

// serverPID is the process that the system's messages come from.
const serverPID = 640

func (m *Manager) system(priority byte, tag, format string, a ...any) {
	m.logs.Add(logd.Entry{Buffer: logd.System, Priority: priority, PID: serverPID, UID: 1000, Tag: tag, Text: fmt.Sprintf(format, a...)})
}

func (m *Manager) event(tag, format string, a ...any) {
	m.logs.Add(logd.Entry{Buffer: logd.Events, Priority: 'I', PID: serverPID, UID: 1000, Tag: tag, Text: fmt.Sprintf(format, a...)})
}
