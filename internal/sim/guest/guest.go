package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/freeze"
	"github.com/daytonaio/runner-android/internal/sim/guest/activity"
	"github.com/daytonaio/runner-android/internal/sim/guest/android"
	"github.com/daytonaio/runner-android/internal/sim/guest/logcat"
	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
	"github.com/daytonaio/runner-android/internal/sim/guest/packages"
	"github.com/daytonaio/runner-android/internal/sim/guest/ports"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// Options describe the device. The zero value is an Android 15 Cuttlefish phone.
type Options struct {
	// Serial is ro.serialno. Default CUTTLEFISHCVD01.
	Serial string
	// Release is the Android version, such as "15" or "10". Default "15".
	Release string
	// CPUs and MemoryMB are what the guest says it has. Defaults 4 and 4096.
	CPUs, MemoryMB int
	// MaxProcesses bounds the process table; a fork beyond it fails. Default 1024.
	MaxProcesses int
	// Properties are set on top of the device's own, also read-only ones.
	Properties map[string]string
	// Power is called once, from a goroutine of its own, when the guest asks to be switched off
	// ("shutdown") or restarted ("reboot", "reboot,REASON"). It may call Shutdown. Nil ignores it.
	Power func(how string)
	// Gate is closed while the processors stand still. Nil is always open.
	Gate *freeze.Gate
}

// errOff is a start on a device that is shut down.
var errOff = errors.New("the guest is switched off")

// Guest is one boot of the device. Its methods are safe for concurrent use.
type Guest struct {
	options  Options
	tree     *vfs.FS
	props    *properties
	config   *settings
	log      *logd.Log
	table    *table
	booted   time.Time
	cancel   context.CancelFunc
	power    sync.Once
	ports    ports.Registry
	phone    *ui.Phone
	packages *packages.Manager
	apps     *activity.Manager
	android  map[string]toybox.Applet // commands that need the screen or the settings

	mu      sync.Mutex
	off     bool
	running sync.WaitGroup
}

// Boot starts the device on disk, which it lays out first if it is empty. The caller shuts the
// guest down before it closes the disk.
func Boot(disk vfs.Disk, o Options) (*Guest, error) {
	o = o.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	g := &Guest{options: o, booted: time.Now(), cancel: cancel, log: logd.New()}
	g.table = newTable(ctx, o.MaxProcesses)
	g.phone = &ui.Phone{}
	g.packages, g.apps = &packages.Manager{}, &activity.Manager{}
	g.android = android.Applets(android.Device{Phone: g.phone, Release: g.release(), Log: g.Logf, Logs: g.log, Packages: g.packages, Apps: g.apps})
	maps.Copy(g.android, logcat.Applets(logcat.Device{Log: g.log, Release: g.release()}))
	g.tree = vfs.New(disk, g.image(), "data", "storage")
	if err := layOut(disk); err != nil {
		cancel()
		return nil, fmt.Errorf("lay out the guest's files: %w", err)
	}
	var err error
	if g.props, err = newProperties(g.tree, o); err == nil {
		g.config, err = newSettings(g.tree)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	g.phone.Start(&phoneStore{g})
	err = g.openApps(g.log)
	if err == nil {
		err = g.serveWeb(ctx)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	g.chatter()
	return g, nil
}

func (o Options) withDefaults() Options {
	set := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	atLeastOne := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	set(&o.Serial, "CUTTLEFISHCVD01")
	set(&o.Release, "15")
	atLeastOne(&o.CPUs, 4)
	atLeastOne(&o.MemoryMB, 4096)
	atLeastOne(&o.MaxProcesses, 1024)
	return o
}

// SetBooted makes sys.boot_completed 1, as the end of the boot does.
func (g *Guest) SetBooted() {
	g.props.force("dev.bootcomplete", "1")
	g.props.force("sys.boot_completed", "1")
	g.log.Add(logd.Entry{Buffer: logd.System, PID: serverPID, UID: 1000, Tag: "ActivityManager", Text: "Posting BOOT_COMPLETED user #0"})
	g.Logf("ActivityManager", "boot completed")
}

// Property is a system property, "" if it is not set.
func (g *Guest) Property(name string) string { return g.props.get(name) }

// SetProperty sets a property as init would: read-only ones too.
func (g *Guest) SetProperty(name, value string) { g.props.force(name, value) }

// Logf adds what system_server says to the log.
func (g *Guest) Logf(tag, format string, a ...any) {
	g.log.Add(logd.Entry{Priority: 'I', PID: serverPID, UID: 1000, Tag: tag, Text: fmt.Sprintf(format, a...)})
}

// Files is the tree as the shell user (or root) sees it, for services that work without a process.
func (g *Guest) Files(root bool) *vfs.View {
	cred := shellCred()
	if root {
		cred = rootCred()
	}
	v := g.tree.As(cred)
	v.PID = adbdPID
	return v
}

// Processes is how many processes sessions have running.
func (g *Guest) Processes() int {
	n := 0
	for _, p := range g.table.all() {
		if p.session != nil {
			n++
		}
	}
	return n
}

// Sync writes everything to the disk.
func (g *Guest) Sync() error { return g.tree.Disk().Sync() }

// RequestPower does what reboot (how "reboot", "reboot,bootloader", …) and reboot -p ("shutdown") do.
func (g *Guest) RequestPower(how string) {
	if how == "" {
		how = "shutdown"
	}
	if g.options.Power != nil {
		g.power.Do(func() { go g.options.Power(how) })
	}
}

// Shutdown ends every process and waits until all are gone. Nothing is synced: that is the
// difference between a shutdown and a power cut, and the caller's choice.
func (g *Guest) Shutdown() {
	g.mu.Lock()
	g.off = true
	g.mu.Unlock()
	for _, p := range g.table.all() {
		p.deliver(toybox.SIGKILL)
	}
	g.cancel()
	g.ports.Close()
	g.running.Wait()
}

// enter registers a goroutine of the guest around fork; leave ends it.
func (g *Guest) enter(fork func() (*process, error)) (*process, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.off {
		return nil, errOff
	}
	p, err := fork()
	if err == nil {
		g.running.Add(1)
	}
	return p, err
}

func (g *Guest) leave() { g.running.Done() }

func (g *Guest) view(p *process) *vfs.View {
	v := g.tree.As(p.cred)
	v.PID = p.pid
	v.Ctx = p.ctx
	return v
}

func rootCred() vfs.Cred { return vfs.Cred{Groups: shellGroups()} }

func shellCred() vfs.Cred { return vfs.Cred{UID: 2000, GID: 2000, Groups: shellGroups()} }

// shellGroups are those adbd gives its children, from adbd's daemon/main.cpp.
func shellGroups() []int {
	return []int{1004, 1007, 1011, 1015, 1028, 1078, 1079, 3001, 3002, 3003, 3006, 3009, 3011, 3012}
}

// environment is what adbd starts a shell with.
func (g *Guest) environment(cred vfs.Cred) []string {
	user := "shell"
	if cred.UID == 0 {
		user = "root"
	}
	return []string{
		"ANDROID_ART_ROOT=/apex/com.android.art", "ANDROID_ASSETS=/system/app", "ANDROID_BOOTLOGO=1",
		"ANDROID_DATA=/data", "ANDROID_ROOT=/system", "ANDROID_STORAGE=/storage", "ASEC_MOUNTPOINT=/mnt/asec",
		"EXTERNAL_STORAGE=/sdcard", "HOME=/", "HOSTNAME=" + g.props.get("ro.product.device"), "LOGNAME=" + user,
		"PATH=" + defaultPath, "SHELL=/system/bin/sh", "TERM=dumb", "TMPDIR=/data/local/tmp", "USER=" + user,
	}
}

const defaultPath = "/product/bin:/apex/com.android.runtime/bin:/apex/com.android.art/bin:/system_ext/bin:" +
	"/system/bin:/system/xbin:/odm/bin:/vendor/bin:/vendor/xbin"

// discard is the null device.
type discard struct{}

func (discard) Read([]byte) (int, error)    { return 0, io.EOF }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
