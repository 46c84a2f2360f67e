package guest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// adbdPID is the process that starts sessions.
const adbdPID = 412

// serverPID is system_server.
const serverPID = 640

// services are the processes that run since boot. They are only there to be seen.
func (g *Guest) services() []toybox.Process {
	list := []toybox.Process{
		{PID: 1, Name: "init", Args: []string{"/system/bin/init", "second_stage"}},
		{PID: 2, Name: "kthreadd"},
		{PID: 181, PPID: 1, UID: 1036, Name: "logd", Args: []string{"/system/bin/logd"}},
		{PID: 182, PPID: 1, UID: 1000, Name: "servicemanager", Args: []string{"/system/bin/servicemanager"}},
		{PID: 240, PPID: 1, Name: "vold", Args: []string{"/system/bin/vold"}},
		{PID: 268, PPID: 1, Name: "netd", Args: []string{"/system/bin/netd"}},
		{PID: 270, PPID: 1, Name: "zygote64", Args: []string{"zygote64"}},
		{PID: 330, PPID: 1, UID: 1000, Name: "surfaceflinger", Args: []string{"/system/bin/surfaceflinger"}},
		{PID: adbdPID, PPID: 1, UID: 2000, Name: "adbd", Args: []string{"/apex/com.android.adbd/bin/adbd", "--root_seclabel=u:r:su:s0"}},
		{PID: serverPID, PPID: 270, UID: 1000, Name: "system_server", Args: []string{"system_server"}},
		{PID: 910, PPID: 270, UID: 10100, Name: "com.android.systemui", Args: []string{"com.android.systemui"}},
		{PID: 1210, PPID: 270, UID: 10110, Name: "com.android.launcher3", Args: []string{"com.android.launcher3"}},
	}
	for i := range list {
		list[i].Started = g.booted
	}
	return list
}

func (g *Guest) processes() []toybox.Process {
	list := g.services()
	for _, p := range g.table.all() {
		list = append(list, p.row())
	}
	return list
}

// image is the part of the tree that comes with the device and cannot be written.
func (g *Guest) image() *vfs.Node {
	dir := func(entries map[string]*vfs.Node) *vfs.Node { return vfs.Dir(0o755, entries) }
	bin := map[string]*vfs.Node{}
	for _, name := range slices.Concat(toybox.Names(), slices.Collect(maps.Keys(g.android)), []string{"sh"}) {
		bin[name] = vfs.Text(0o755, func() []byte { return []byte("\x7fELF (simulated)\n") }).Owned(0, 2000)
	}
	text := func(content string) *vfs.Node { return vfs.Text(0o644, func() []byte { return []byte(content) }) }
	system := dir(map[string]*vfs.Node{
		"bin": vfs.Dir(0o751, bin).Owned(0, 2000),
		"build.prop": vfs.Text(0o600, func() []byte {
			var b strings.Builder
			all := g.props.all()
			for _, name := range sortedKeys(all) {
				if strings.HasPrefix(name, "ro.") {
					fmt.Fprintf(&b, "%s=%s\n", name, all[name])
				}
			}
			return []byte(b.String())
		}),
		"etc": dir(map[string]*vfs.Node{
			"hosts":          text("127.0.0.1       localhost\n::1             ip6-localhost\n"),
			"event-log-tags": text(logd.EventTags()),
			"mkshrc":         text(": ${HOSTNAME:=$(getprop ro.product.device)}\n"),
		}),
		"framework": dir(nil), "app": dir(nil), "priv-app": dir(nil), "lib64": dir(nil), "fonts": dir(nil),
	})
	apexBin := dir(map[string]*vfs.Node{"bin": dir(nil)})
	return dir(map[string]*vfs.Node{
		"system": system, "vendor": dir(map[string]*vfs.Node{"bin": dir(nil)}), "product": dir(map[string]*vfs.Node{"bin": dir(nil)}),
		"system_ext": dir(nil), "odm": dir(nil),
		"apex":         dir(map[string]*vfs.Node{"com.android.runtime": apexBin, "com.android.art": apexBin, "com.android.adbd": apexBin}),
		"bin":          vfs.Link("/system/bin"),
		"etc":          vfs.Link("/system/etc"),
		"sdcard":       vfs.Link("/storage/self/primary"),
		"mnt":          dir(map[string]*vfs.Node{"sdcard": vfs.Link("/storage/self/primary")}),
		"init":         vfs.Link("/system/bin/init"),
		"dev":          devices(),
		"proc":         vfs.Generated(0o555, g.proc),
		"sys":          dir(map[string]*vfs.Node{"class": dir(nil), "kernel": dir(nil)}),
		"linkerconfig": dir(nil), "metadata": vfs.Dir(0o700, nil), "postinstall": dir(nil), "debug_ramdisk": vfs.Dir(0o700, nil),
	})
}

type zeros struct{ discard }

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type noise struct{ discard }

func (noise) Read(p []byte) (int, error) { return rand.Read(p) }

type full struct{ zeros }

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func devices() *vfs.Node {
	device := func(rw io.ReadWriter) *vfs.Node {
		return vfs.Device(0o666, func(int) (io.ReadWriter, error) { return rw, nil })
	}
	fds := map[string]*vfs.Node{"0": vfs.Descriptor(0), "1": vfs.Descriptor(1), "2": vfs.Descriptor(2)}
	return vfs.Dir(0o755, map[string]*vfs.Node{
		"null": device(discard{}), "zero": device(zeros{}), "full": device(full{}),
		"random": device(noise{}), "urandom": device(noise{}),
		"tty":   vfs.Descriptor(-1),
		"fd":    vfs.Dir(0o755, fds),
		"stdin": vfs.Link("/dev/fd/0"), "stdout": vfs.Link("/dev/fd/1"), "stderr": vfs.Link("/dev/fd/2"),
		"shm": vfs.Dir(0o711, nil), "socket": vfs.Dir(0o755, nil), "block": vfs.Dir(0o755, nil),
	})
}

// proc is /proc as process pid sees it.
func (g *Guest) proc(pid int) map[string]*vfs.Node {
	text := func(content func() string) *vfs.Node {
		return vfs.Text(0o444, func() []byte { return []byte(content()) })
	}
	entries := map[string]*vfs.Node{
		"self": vfs.Link(strconv.Itoa(pid)),
		"uptime": text(func() string {
			up := time.Since(g.booted).Seconds()
			return fmt.Sprintf("%.2f %.2f\n", up, up*float64(g.options.CPUs))
		}),
		"version": text(func() string { return "Linux version " + g.props.get("ro.kernel.version") + " (build@localhost)\n" }),
		"loadavg": text(func() string { return fmt.Sprintf("0.00 0.00 0.00 1/%d %d\n", len(g.processes()), pid) }),
		"meminfo": text(func() string {
			kb := g.options.MemoryMB * 1024
			return fmt.Sprintf("MemTotal:       %8d kB\nMemFree:        %8d kB\nMemAvailable:   %8d kB\n", kb, kb/2, kb*3/4)
		}),
		"cpuinfo": text(func() string {
			var b strings.Builder
			for i := range g.options.CPUs {
				fmt.Fprintf(&b, "processor\t: %d\nvendor_id\t: Simulated\n\n", i)
			}
			return b.String()
		}),
		"mounts": text(func() string {
			return "/dev/root / ext4 ro,seclabel,relatime 0 0\n/dev/block/dm-5 /data f2fs rw,nosuid,nodev 0 0\n"
		}),
		"cmdline":     text(func() string { return "androidboot.hardware=cutf_cvm androidboot.serialno=" + g.options.Serial + "\n" }),
		"filesystems": text(func() string { return "nodev\tproc\n\text4\n\tf2fs\n" }),
		"stat":        text(func() string { return fmt.Sprintf("cpu  0 0 0 0 0 0 0 0 0 0\nbtime %d\n", g.booted.Unix()) }),
		"net": vfs.Dir(0o555, map[string]*vfs.Node{
			"tcp":  text(func() string { return g.ports.Table(false) }),
			"tcp6": text(func() string { return g.ports.Table(true) }),
			"dev":  text(func() string { return "Inter-|   Receive                                                |  Transmit\n" }),
		}),
	}
	for _, p := range g.processes() {
		entries[strconv.Itoa(p.PID)] = vfs.Generated(0o555, func(int) map[string]*vfs.Node { return g.procDir(p, text) })
	}
	return entries
}

// layOut makes the directories a device has after its first boot. What exists is left alone.
func layOut(disk vfs.Disk) error {
	for _, d := range []struct {
		path     string
		mode     fs.FileMode
		uid, gid int
	}{
		{"/data", 0o771, 1000, 1000},
		{"/data/adb", 0o700, 0, 0},
		{"/data/app", 0o771, 1000, 1000},
		{"/data/data", 0o771, 1000, 1000},
		{"/data/data/com.example.notes", 0o700, 10121, 10121},
		{"/data/data/com.example.notes/files", 0o771, 10121, 10121},
		{"/data/local", 0o751, 0, 0},
		{"/data/local/tmp", 0o771, 2000, 2000},
		{"/data/misc", 0o1771, 1000, 9998},
		{"/data/property", 0o700, 0, 0},
		{"/data/system", 0o775, 1000, 1000},
		{"/data/user_de", 0o711, 1000, 1000},
		{"/data/user_de/0", 0o771, 1000, 1000},
		{"/data/user_de/0/com.android.shell", 0o700, 2000, 2000},
		{"/data/user_de/0/com.android.shell/files", 0o771, 2000, 2000},
		{"/data/user_de/0/com.android.shell/files/bugreports", 0o700, 2000, 2000},
		{"/storage", 0o755, 0, 0},
		{"/storage/self", 0o755, 0, 0},
		{"/storage/emulated", 0o711, 0, 0},
		{"/storage/emulated/0", fs.ModeSetgid | 0o770, 1023, 1015},
	} {
		if err := makeDir(disk, d.path, d.mode, d.uid, d.gid); err != nil {
			return err
		}
	}
	for _, name := range strings.Fields("Alarms Android DCIM Documents Download Movies Music Notifications Pictures Podcasts Ringtones") {
		if err := makeDir(disk, "/storage/emulated/0/"+name, fs.ModeSetgid|0o770, 1023, 1015); err != nil {
			return err
		}
	}
	if err := disk.Symlink("/storage/emulated/0", "/storage/self/primary"); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func makeDir(disk vfs.Disk, path string, mode fs.FileMode, uid, gid int) error {
	err := disk.Mkdir(path, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = disk.Chmod(path, mode)
	}
	if err == nil {
		err = disk.Chown(path, uid, gid)
	}
	return err
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
