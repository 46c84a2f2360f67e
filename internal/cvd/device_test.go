package cvd_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

func TestPaths(t *testing.T) {
	t.Parallel()
	p := cvd.Paths{UID: 1000}
	known := cvd.Paths{Runtime: "/r", Tmp: "/t", UID: 7}.With(cvd.Config{UDSDir: "/elsewhere/"})
	for _, tt := range []struct{ got, want string }{
		{p.UserDir(), "/var/tmp/cvd/1000"},
		{p.LockFile(12), "/var/tmp/cvd/lock/local-instance-12.lock"},
		{p.UDSDir(12), "/tmp/cf_avd_1000/cvd-12"},
		{p.EnvDir(12), "/tmp/cf_env_1000/env-12"},
		{p.VsockDir(12), "/tmp/vsock_14_1000"},
		{p.LauncherSocket(12), "/tmp/cf_avd_1000/cvd-12/launcher_monitor.sock"},
		{p.CrosvmSocket(12), "/tmp/cf_avd_1000/cvd-12/internal/crosvm_control.sock"},
		{known.CrosvmSocket(1), "/elsewhere/cvd-1/internal/crosvm_control.sock"},
		{known.EnvDir(1), "/t/cf_env_7/env-1"},
		{known.UserDir(), "/r/7"},
		{p.With(cvd.Config{UDSDir: "relative"}).UDSDir(1), "/tmp/cf_avd_1000/cvd-1"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	h := &fakeHost{}
	if _, err := cvd.ReadConfig(t.Context(), h, home); !fault.Is(err, fault.NotFound) {
		t.Errorf("before the first start: got %v, want NotFound", err)
	}
	file := home + "/cuttlefish/assembly/cuttlefish_config.json"
	writeFile(t, file, `{"instances_uds_dir":"/tmp/cf_avd_7","root_dir":"/r","instances":{
		"3":{"adb_host_port":6522,"vsock_guest_cid":5,"webrtc_device_id":"d","crosvm_binary":"/b/crosvm"},"x":{}}}`)
	c, err := cvd.ReadConfig(t.Context(), h, home)
	want := cvd.InstanceConfig{ADBPort: 6522, VsockCID: 5, DeviceID: "d", CrosvmBinary: "/b/crosvm"}
	if err != nil || c.UDSDir != "/tmp/cf_avd_7" || c.RootDir != "/r" || len(c.Instances) != 1 || c.Instances[3] != want {
		t.Errorf("got %+v, %v", c, err)
	}
	writeFile(t, file, `{"instances_uds`)
	if _, err := cvd.ReadConfig(t.Context(), h, home); !fault.Is(err, fault.Unavailable) {
		t.Errorf("cut short: got %v, want Unavailable", err)
	}
}

func TestProbeLauncher(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		dialErr error
		serve   func(net.Conn)
		state   cvd.LauncherState
		took    time.Duration
	}{
		{name: "answers", state: cvd.LauncherAlive, serve: answer("S")},
		{name: "answers with an error", state: cvd.LauncherUnknown, serve: answer("E")},
		{name: "closes without a word", state: cvd.LauncherUnknown, serve: answer("")},
		{name: "is silent", state: cvd.LauncherUnknown, serve: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, took: 2 * time.Second},
		{name: "is not there", state: cvd.LauncherAbsent, dialErr: fault.Wrap(fault.NotFound, "dial", syscall.ENOENT)},
		{name: "refuses", state: cvd.LauncherAbsent, dialErr: fault.Wrap(fault.Unavailable, "dial", syscall.ECONNREFUSED)},
		{name: "is missing behind a vague tunnel", state: cvd.LauncherAbsent, dialErr: fault.Unavailablef("rejected")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := &fakeHost{
					stat: func(string) (host.FileInfo, error) { return host.FileInfo{}, os.ErrNotExist },
					dial: func(context.Context, string, string) (net.Conn, error) {
						if tt.dialErr != nil {
							return nil, tt.dialErr
						}
						ours, theirs := net.Pipe()
						go func() { tt.serve(theirs); _ = theirs.Close() }()
						return ours, nil
					},
				}
				began := time.Now()
				state, err := cvd.ProbeLauncher(t.Context(), h, "/sock")
				if state != tt.state || (err != nil) != (state == cvd.LauncherUnknown) || time.Since(began) != tt.took {
					t.Errorf("got %v, %v after %v; want %v after %v", state, err, time.Since(began), tt.state, tt.took)
				}
			})
		})
	}
}

func answer(s string) func(net.Conn) {
	return func(c net.Conn) {
		var b [1]byte
		if _, err := io.ReadFull(c, b[:]); err == nil && b[0] == 'I' {
			_, _ = io.WriteString(c, s)
		}
	}
}

func TestProbeLauncherThatCannotDialIsUnknown(t *testing.T) {
	t.Parallel()
	h := &fakeHost{
		stat: func(string) (host.FileInfo, error) { return host.FileInfo{}, nil },
		dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, fault.Unavailablef("tunnel is down")
		},
	}
	if state, err := cvd.ProbeLauncher(t.Context(), h, "/sock"); state != cvd.LauncherUnknown || !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, %v; want unknown and why", state, err)
	}
}

const uds1 = "/tmp/cf_avd_1000/cvd-1"

func process(pid, ppid int, exe string, args ...string) host.Process {
	return host.Process{ProcessID: host.ProcessID{PID: pid, Start: uint64(pid)}, PPID: ppid, Exe: exe, Args: args}
}

// device is the processes of one device as run_cvd starts them.
func device(pid int, uds string) []host.Process {
	vm := []string{"/h/bin/crosvm", "--extended-status", "run", "--socket=" + uds + "/internal/crosvm_control.sock", "--mem=4096"}
	ap := []string{"/h/bin/crosvm", "--extended-status", "run", "--socket=" + uds + "/internal/ap_control.sock"}
	return []host.Process{
		process(pid, 1, "run_cvd", "/h/bin/run_cvd"),
		process(pid+1, pid, "process_restarter", append([]string{"/h/bin/process_restarter", "-when_exited_with_code=32", "--"}, vm...)...),
		process(pid+3, pid+2, "crosvm", vm...), // a sandboxed child, before its parent in the table
		process(pid+2, pid+1, "crosvm", vm...),
		process(pid+4, pid, "crosvm", ap...),
		process(pid+5, pid, "log_tee", "/h/bin/log_tee", "--process_name=crosvm"),
		process(pid+6, pid, "adb", "adb", "-L", "tcp:5037", "fork-server", "server"),
	}
}

func TestCrosvmsAreMatchedExactly(t *testing.T) {
	t.Parallel()
	socket := cvd.Paths{UID: 1000}.CrosvmSocket
	procs := append(device(100, uds1+"0"), device(200, uds1)...)
	if p, ok := cvd.Crosvms(procs)[socket(1)]; !ok || p.PID != 202 {
		t.Errorf("cvd-1: got pid %d, %v; want 202", p.PID, ok)
	}
	if p, ok := cvd.Crosvms(procs)[socket(10)]; !ok || p.PID != 102 {
		t.Errorf("cvd-10: got pid %d, %v; want 102", p.PID, ok)
	}
	if p, ok := cvd.Crosvms(procs)[socket(2)]; ok {
		t.Errorf("cvd-2: got pid %d, want none", p.PID)
	}
	for i := range procs {
		procs[i].Zombie = true
	}
	if p, ok := cvd.Crosvms(procs)[socket(1)]; ok {
		t.Errorf("zombies: got pid %d, want none", p.PID)
	}
}

func TestDeviceProcessesAreThoseOfOneDevice(t *testing.T) {
	t.Parallel()
	procs := append(device(100, uds1+"0"), device(200, uds1)...)
	procs = append(procs, process(300, 1, "tail", "tail", "--dir="+uds1), process(301, 1, "other", "x"+uds1+"/a"),
		process(302, 1, "kthread"), process(303, 1, "cvd", "cvd", "--group_name=g", "create"))
	h := &fakeHost{environ: func(id host.ProcessID) []string {
		switch {
		case id.PID < 200:
			return []string{"HOME=/ten/home", "CUTTLEFISH_INSTANCE=10"}
		case id.PID < 300:
			return []string{"HOME=/one/home/", "CUTTLEFISH_INSTANCE=1"}
		case id.PID == 303:
			return []string{"HOME=/home/vsoc-01", "CUTTLEFISH_INSTANCE=1"}
		}
		return nil
	}}
	pids := func(home, uds string) []int {
		t.Helper()
		found, err := cvd.DeviceProcesses(t.Context(), h, procs, 1, home, uds)
		if err != nil {
			t.Fatal(err)
		}
		var out []int
		for _, p := range found {
			out = append(out, p.PID)
		}
		slices.Sort(out)
		return out
	}
	for _, tt := range []struct {
		name, home, uds string
		want            []int
	}{
		{"by both", "/one/home", uds1, []int{200, 201, 202, 203, 204, 205, 300}},
		{"by sockets", "", uds1, []int{201, 202, 203, 204, 300}},
		{"by environment", "/one/home", "", []int{200, 201, 202, 203, 204, 205}},
		{"by nothing", "", "", nil},
		{"another home", "/two/home", "", nil},
	} {
		if got := pids(tt.home, tt.uds); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// disks makes the files that decide between keeping and wiping; the components are newer than all.
func disks(t *testing.T, newest time.Time, ap bool) string {
	t.Helper()
	dir := t.TempDir()
	names := []string{"os_composite.img", "overlay.img"}
	if ap {
		names = append(names, "ap_composite.img", "ap_overlay.img")
	}
	old := time.Now().Add(-time.Hour)
	for i, name := range names {
		touch(t, writeFile(t, dir+"/"+name, "data"), old.Add(-time.Duration(i)*time.Minute))
	}
	touch(t, writeFile(t, dir+"/metadata", ""), newest)
	writeFile(t, dir+"/os_composite_disk_config.txt", "crosvm\n"+dir+"/metadata\n"+dir+"/gone.img\n")
	return dir
}

func touch(t *testing.T, file string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

func modTime(t *testing.T, file string) time.Time {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

func TestKeepOverlayMakesAssemblyKeepIt(t *testing.T) {
	t.Parallel()
	for name, newest := range map[string]time.Time{
		"a component made anew at the last start": time.Now(),
		"a component from the future":             time.Now().Add(time.Hour).Truncate(time.Second).Add(7 * time.Millisecond),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := disks(t, newest, true)
			if err := cvd.KeepOverlay(t.Context(), &fakeHost{}, dir); err != nil {
				t.Fatal(err)
			}
			composite := modTime(t, dir+"/os_composite.img")
			if composite.Before(newest) || composite.Nanosecond() != 0 {
				t.Errorf("composite %v, want whole seconds not before its component %v", composite, newest)
			}
			if overlay := modTime(t, dir+"/overlay.img"); overlay.Before(composite) {
				t.Errorf("overlay %v is older than its composite %v", overlay, composite)
			}
			if ap, apOver := modTime(t, dir+"/ap_composite.img"), modTime(t, dir+"/ap_overlay.img"); apOver.Before(ap) ||
				time.Since(ap) > time.Minute {
				t.Errorf("access point: composite %v, overlay %v", ap, apOver)
			}
		})
	}
}

func TestKeepOverlayWithoutAnAccessPoint(t *testing.T) {
	t.Parallel()
	if err := cvd.KeepOverlay(t.Context(), &fakeHost{}, disks(t, time.Now(), false)); err != nil {
		t.Error(err)
	}
}

func TestKeepOverlayTouchesNothingWhereAHalfIsGone(t *testing.T) {
	t.Parallel()
	for _, gone := range []string{"overlay.img", "os_composite.img"} {
		dir := disks(t, time.Now(), false)
		rest := map[string]string{"overlay.img": "os_composite.img", "os_composite.img": "overlay.img"}[gone]
		before := modTime(t, filepath.Join(dir, rest))
		if err := os.Remove(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
		if err := cvd.KeepOverlay(t.Context(), &fakeHost{}, dir); !fault.Is(err, fault.NotFound) {
			t.Errorf("without %s: got %v, want NotFound", gone, err)
		}
		if after := modTime(t, filepath.Join(dir, rest)); !after.Equal(before) {
			t.Errorf("without %s: %s was touched", gone, rest)
		}
	}
}

func TestOverlayKept(t *testing.T) {
	t.Parallel()
	was := cvd.OverlayMark{Inode: 5, Size: 100}
	wiped := []string{"I0208 Requested resuming a previous session (the default behavior) but the base images have " +
		"changed under the overlay, making the overlay incompatible. Wiping the overlay files."}
	for _, tt := range []struct {
		name          string
		before, after cvd.OverlayMark
		log           []string
		kept          bool
	}{
		{"unchanged", was, was, []string{"fine"}, true},
		{"grown", was, cvd.OverlayMark{Inode: 5, Size: 200}, nil, true},
		{"nothing there before", cvd.OverlayMark{}, was, wiped, true},
		{"gone", was, cvd.OverlayMark{}, nil, false},
		{"another file", was, cvd.OverlayMark{Inode: 6, Size: 100}, nil, false},
		{"shrunk", was, cvd.OverlayMark{Inode: 5, Size: 50}, nil, false},
		{"wiped by its own words", was, was, wiped, false},
	} {
		if kept, why := cvd.OverlayKept(tt.before, tt.after, tt.log); kept != tt.kept || (why == "") != tt.kept {
			t.Errorf("%s: got %v, %q; want %v", tt.name, kept, why, tt.kept)
		}
	}
}

func TestMarkOverlay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if m, err := cvd.MarkOverlay(t.Context(), &fakeHost{}, dir); err != nil || m != (cvd.OverlayMark{}) {
		t.Errorf("missing: got %+v, %v", m, err)
	}
	writeFile(t, dir+"/overlay.img", "12345")
	if m, err := cvd.MarkOverlay(t.Context(), &fakeHost{}, dir); err != nil || m.Size != 5 || m.Inode == 0 {
		t.Errorf("got %+v, %v", m, err)
	}
	broken := &fakeHost{stat: func(string) (host.FileInfo, error) { return host.FileInfo{}, errors.New("io") }}
	if _, err := cvd.MarkOverlay(t.Context(), broken, dir); err == nil {
		t.Error("an unreadable overlay must not look like a missing one")
	}
}

func TestLogTailsAreBoundedPlainText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, dir+"/logs/launcher.log", "first\n\n\x1b[31mred\x1b[0m\r\nbad \xff\x00byte\t.\n"+strings.Repeat("é", 500)+"\n")
	got := cvd.LauncherLogTail(t.Context(), &fakeHost{}, dir, 3)
	if len(got) != 3 || got[0] != "red" || got[1] != "bad ?byte ." || got[2] != strings.Repeat("é", 200)+"…" {
		t.Errorf("got %q", got)
	}
	if got := cvd.LauncherLogTail(t.Context(), &fakeHost{}, t.TempDir(), 3); got != nil {
		t.Errorf("no log: got %q", got)
	}
	writeFile(t, dir+"/logs/kernel.log", "a\nb\n")
	if got := cvd.KernelLogTail(t.Context(), &fakeHost{}, dir, 1); !slices.Equal(got, []string{"b"}) {
		t.Errorf("kernel: got %q", got)
	}
	writeFile(t, dir+"/cuttlefish/assembly/assemble_cvd.log", "a\nb\n")
	if got := cvd.AssembleLogTail(t.Context(), &fakeHost{}, dir, 1); !slices.Equal(got, []string{"b"}) {
		t.Errorf("assembly: got %q", got)
	}
}

func TestLauncherStatesHaveNames(t *testing.T) {
	t.Parallel()
	for state, want := range map[cvd.LauncherState]string{
		cvd.LauncherUnknown: "unknown", cvd.LauncherAlive: "alive", cvd.LauncherAbsent: "absent", 9: "launcher state 9",
	} {
		if state.String() != want {
			t.Errorf("got %q, want %q", state, want)
		}
	}
}
