package activity_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/activity"
	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/apk/apkbuild"
	"github.com/daytonaio/runner-android/internal/sim/guest/intent"
	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
	"github.com/daytonaio/runner-android/internal/sim/guest/packages"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs/guestfstest"
)

// store is a phone's without settings.
type store struct{}

func (store) Setting(string, string) string     { return "" }
func (store) PutSetting(string, string, string) {}
func (store) ReadFile(string) ([]byte, error)   { return nil, nil }
func (store) WriteFile(string, []byte) error    { return nil }
func (store) Now() time.Time                    { return time.Now() }

// world gives processes numbers and keeps the log.
type world struct {
	*activity.Manager
	phone *ui.Phone

	running sync.WaitGroup
	mu      sync.Mutex
	pids    int
	log     []logd.Entry
}

func (w *world) Spawn(string, int) (activity.Process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pids++
	return &process{pid: 3000 + w.pids, done: make(chan struct{})}, nil
}

func (w *world) Go(f func()) bool { w.running.Go(f); return true }

func (w *world) Add(e logd.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, e)
}

// said tells whether a buffer has a message of a tag with a text in it.
func (w *world) said(buffer logd.Buffer, tag, text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.log {
		if e.Buffer == buffer && e.Tag == tag && strings.Contains(e.Text, text) {
			return true
		}
	}
	return false
}

type process struct {
	pid  int
	once sync.Once
	done chan struct{}
}

func (p *process) PID() int              { return p.pid }
func (p *process) Done() <-chan struct{} { return p.done }
func (p *process) Kill()                 { p.once.Do(func() { close(p.done) }) }

func newWorld(t *testing.T) *world {
	t.Helper()
	fsys, err := guestfs.Open(guestfstest.NewDisk(16<<20), guestfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/data", "/data/app", "/data/data", "/data/system"} {
		if err := fsys.Mkdir(dir, 0o771); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{Manager: &activity.Manager{}, phone: ui.New(store{})}
	var system []packages.System
	for _, b := range w.phone.Builtins() {
		system = append(system, packages.System{Name: b.Package, UID: 10100, Activities: []apk.Activity{apkbuild.DefaultActivity(b.Package)}})
	}
	files := vfs.New(vfs.OnDisk(fsys), vfs.Dir(0o755, nil), "data").As(vfs.Cred{})
	p, err := packages.Open(packages.Options{Files: files, SDK: 35, System: system})
	if err != nil {
		t.Fatal(err)
	}
	w.Open(w.phone, p, w, w)
	t.Cleanup(func() {
		for _, r := range w.Running() {
			w.ForceStop(r.Package)
		}
		w.running.Wait()
	})
	return w
}

const crasher = "com.example.crasher"

func start(t *testing.T, w *world, extras ...intent.Extra) activity.Result {
	t.Helper()
	r, err := w.Start(intent.Intent{Component: intent.Component{Package: crasher, Class: crasher + ".MainActivity"}, Extras: extras}, activity.Caller{UID: 2000})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Ensure a crash is written where Android writes it, with the process that died, and takes the app away.
func TestCrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if r := start(t, w, intent.Extra{Name: "crash", Kind: "Boolean", Value: "true"}); r.State != activity.Cold {
		t.Errorf("started %+v", r)
	}
	if len(w.Running()) != 0 || w.phone.Focused().Package == crasher {
		t.Errorf("it runs: %+v", w.Running())
	}
	for _, c := range []struct {
		buffer    logd.Buffer
		tag, text string
	}{
		{logd.System, "ActivityManager", "Start proc 3001:com.example.crasher/u0a100 for top-activity"},
		{logd.System, "ActivityTaskManager", "START u0 {"},
		{logd.Crash, "AndroidRuntime", "FATAL EXCEPTION: main\nProcess: com.example.crasher, PID: 3001\njava.lang.RuntimeException: Unable to start activity ComponentInfo{com.example.crasher/com.example.crasher.MainActivity}: "},
		{logd.Crash, "AndroidRuntime", "\nCaused by: java.lang.IllegalStateException: The extra \"crash\" was set\n\tat com.example.crasher.MainActivity.onCreate("},
		{logd.Events, "am_crash", "[3001,0,com.example.crasher,"},
		{logd.System, "ActivityManager", "Process com.example.crasher (pid 3001) has died"},
	} {
		if !w.said(c.buffer, c.tag, c.text) {
			t.Errorf("buffer %d has no %s: %q", c.buffer, c.tag, c.text)
		}
	}
	if drops := w.Drops(); len(drops) != 1 || drops[0].Tag != "data_app_crash" || !strings.HasPrefix(drops[0].Text, "Process: com.example.crasher\nPID: 3001\n") {
		t.Errorf("drop box: %+v", drops)
	}
	if r := start(t, w); r.State != activity.Cold {
		t.Errorf("after a crash: %+v", r)
	}
	if !w.Crash(crasher) || w.Crash(crasher) {
		t.Error("am crash crashes it once")
	}
	if !w.said(logd.Crash, "AndroidRuntime", "shell-induced crash") {
		t.Error("no word of the shell")
	}
}

// Ensure the drop box is bounded and an app that is stopped while its crash is due does not crash.
func TestBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 60 {
		start(t, w)
		if !w.Crash(crasher) {
			t.Fatal(i)
		}
	}
	if drops := w.Drops(); len(drops) != 50 || !strings.Contains(drops[49].Text, fmt.Sprintf("PID: %d\n", 3060)) {
		t.Errorf("%d entries", len(drops))
	}
	start(t, w)
	later := w.phone.Tree().Find(func(v *ui.View) bool { return v.ID == crasher+":id/crash_later" })
	w.phone.Tap((later.Bounds.Min.X+later.Bounds.Max.X)/2, (later.Bounds.Min.Y+later.Bounds.Max.Y)/2)
	w.ForceStop(crasher)
	w.running.Wait() // the crash that was due has been given up
	if len(w.Drops()) != 50 || len(w.Running()) != 0 {
		t.Errorf("it crashed after its end: %v", w.Running())
	}
}
