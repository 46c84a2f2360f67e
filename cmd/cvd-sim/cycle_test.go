package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestADeviceThroughItsLife(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.40.0", "1.55.2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, version)
			r := s.ok(s.createArgs("s_1", "--instance_nums=3", "--webrtc_device_id=box", "--cpus=2", "--daemon")...)
			s.checkRunning(r, version)
			s.checkProcesses()
			s.checkFiles(version)

			if out := s.ok("--group_name=s_1", "stop").stdout; out != "" {
				t.Errorf("stop printed %q", out)
			}
			s.awaitNoProcesses()
			if s.listening(3) || s.state("s_1") != "Stopped" {
				t.Errorf("after the stop: listening %t, state %s", s.listening(3), s.state("s_1"))
			}
			if g := s.fleet()[0]; g.Instances[0].ADBPort != 0 || g.Instances[0].Status != "Stopped" {
				t.Errorf("a stopped instance reads %+v", g)
			}
			s.fails("Selected group is not running", "--group_name=s_1", "stop")

			s.ok("--group_name=s_1", "start", "--webrtc_device_id=box", "--report_anonymous_usage_stats=n")
			s.fails("Selected instance group is already started, use `cvd create` to create a new one.", "--group_name=s_1", "start")
			dir := filepath.Dir(filepath.Dir(filepath.Dir(s.fleet()[0].Instances[0].AssemblyDir)))
			s.ok("--group_name=s_1", "rm")
			s.awaitNoProcesses()
			if lock := s.root.LockDir() + "/local-instance-3.lock"; exists(dir) || exists(lock) || len(s.fleet()) != 0 {
				t.Errorf("after rm: %s there %t, %s there %t, fleet %v", dir, exists(dir), lock, exists(lock), s.fleet())
			}
			s.fails("is not applicable: no devices present", "--group_name=s_1", "rm")
		})
	}
}

func (s *sim) checkRunning(r result, version string) {
	s.t.Helper()
	g := s.parse(r.stdout)
	i := g.Instances[0]
	serial := fmt.Sprintf("0.0.0.0:%d", s.root.ADBPort(3))
	if version == "1.55.2" {
		serial = fmt.Sprintf("127.0.0.1:%d", s.root.ADBPort(3))
	}
	if g.Name != "s_1" || i.Name != "3" || i.Status != "Running" || i.ADBPort != s.root.ADBPort(3) || i.ADBSerial != serial ||
		i.DeviceID != "box" || i.WebAccess != "https://localhost:1443/devices/box/files/client.html" ||
		!slices.Equal(i.Displays, []string{"720 x 1280 ( 320 )"}) || filepath.Base(i.InstanceDir) != "cvd-3" ||
		g.MetricsDir == "" {
		s.t.Errorf("create printed %s", r.stdout)
	}
	if !strings.HasPrefix(r.stderr, "version: "+version+" | VCS: ") {
		s.t.Errorf("stderr begins %q", r.stderr)
	}
	if status := s.ok("--group_name=s_1", "status", "--print"); status.stdout != r.stdout {
		s.t.Errorf("status prints %s\nand create %s", status.stdout, r.stdout)
	}
	if silent := s.ok("--group_name=s_1", "status"); silent.stdout != "" {
		s.t.Errorf("status without --print printed %q", silent.stdout)
	}
	if list := s.ok("--instance_name=3", "status", "--print"); !strings.HasPrefix(list.stdout, "[\n") {
		s.t.Errorf("status of an instance printed %q", list.stdout)
	}
	if !s.answers(3) || !s.listening(3) {
		s.t.Errorf("launcher answers %t, adb listens %t", s.answers(3), s.listening(3))
	}
}

func (s *sim) checkProcesses() {
	s.t.Helper()
	socket := "--socket=" + filepath.Join(s.root.OwnTempDir(), fmt.Sprintf("cf_avd_%d", os.Getuid()), "cvd-3", "internal", "crosvm_control.sock")
	home := filepath.Dir(filepath.Dir(s.fleet()[0].Instances[0].AssemblyDir))
	var vm, restarter, run = s.processes("crosvm"), s.processes("process_restarter"), s.processes("run_cvd")
	if len(vm) != 1 || len(restarter) != 1 || len(run) != 1 {
		s.t.Fatalf("%d crosvm, %d process_restarter, %d run_cvd; want one each", len(vm), len(restarter), len(run))
	}
	crosvm := filepath.Join(s.root.HostHome(), "bin", "crosvm")
	if a := vm[0].Args; len(a) < 4 || a[0] != crosvm || a[1] != "--extended-status" || a[2] != "run" || a[3] != socket {
		s.t.Errorf("crosvm runs as %q", a)
	}
	if a := restarter[0].Args; len(a) < 8 || a[1] != "-when_exited_with_code=32" || a[2] != "-ignore_sigtstp" || a[3] != "--" || a[4] != crosvm {
		s.t.Errorf("process_restarter runs as %q", a)
	}
	if vm[0].PPID != restarter[0].PID || restarter[0].PPID != run[0].PID || vm[0].PGID != run[0].PID {
		s.t.Errorf("run_cvd %+v, process_restarter %+v, crosvm %+v are not one chain and group", run[0].ID, restarter[0].ID, vm[0].ID)
	}
	for _, p := range []([]string){run[0].Environ(), vm[0].Environ()} {
		if !slices.Contains(p, "HOME="+home) || !slices.Contains(p, "CUTTLEFISH_INSTANCE=3") {
			s.t.Errorf("environment without HOME=%s and CUTTLEFISH_INSTANCE=3: %q", home, p)
		}
	}
}

func (s *sim) checkFiles(version string) {
	s.t.Helper()
	if b, err := os.ReadFile(s.root.LockDir() + "/local-instance-3.lock"); err != nil || string(b) != "I" {
		s.t.Errorf("lock file holds %q, %v", b, err)
	}
	inst := s.fleet()[0].Instances[0]
	for _, name := range []string{
		"overlay.img", "os_composite.img", "os_composite_disk_config.txt", "metadata", "misc", "sdcard.img", "NVChip",
		"persistent_composite.img", "logs/launcher.log", "logs/kernel.log", "logs/assemble_cvd.log", "logs/logcat", "cuttlefish_config.json",
	} {
		if !exists(filepath.Join(inst.InstanceDir, name)) {
			s.t.Errorf("%s is missing", name)
		}
	}
	if !exists(filepath.Join(filepath.Dir(filepath.Dir(inst.AssemblyDir)), ".cuttlefish_config.json")) {
		s.t.Error(".cuttlefish_config.json is missing")
	}
	if logs := filepath.Join(s.root.UserDir(), "logs"); exists(logs) != (version == "1.55.2") {
		s.t.Errorf("version %s: %s there %t", version, logs, exists(logs))
	}
}

func TestVersionsDifferInWhatTheyAccept(t *testing.T) {
	t.Parallel()
	type call struct {
		args []string
		want string // "" = success, else words on stderr
	}
	tests := []struct {
		name    string
		version string
		calls   []call
	}{
		{"1.40 ignores unknown arguments", "1.40.0", []call{
			{[]string{"fleet", "--json"}, ""},
			{[]string{"--group_name=s_1", "status", "--odd", "word"}, ""},
			{[]string{"stop", "--group_name=nobody"}, ""}, // ignored, so the only group stops
		}},
		{"1.54 rejects them", "1.54.0", []call{
			{[]string{"fleet", "--json"}, `Unexpected argument "--json"`},
			{[]string{"--group_name=s_1", "status", "--odd"}, `Unexpected argument "--odd"`},
			{[]string{"stop", "--group_name=s_1"}, `Unexpected argument "--group_name=s_1"`},
		}},
		{"1.55 takes selectors from anywhere", "1.55.2", []call{
			{[]string{"stop", "--group-name", "nobody"}, "No instance groups available"},
			{[]string{"--instance_name=9", "status"}, "No instances available"},
			{[]string{"stop", "--group_name=s_1"}, ""},
		}},
		{"all reject what they do not know", "1.40.0", []call{
			{[]string{"dance"}, "unable to find handler"},
			{[]string{"--group_name=a-b", "stop"}, "not a valid group name"},
			{[]string{"--odd", "fleet"}, `Unexpected argument "--odd"`},
			{[]string{"version", "--json"}, ""},
			{[]string{"--verbosity=DEBUG", "fleet"}, ""},
			{[]string{"fleet", "--verbosity", "DEBUG"}, ""},
		}},
		{"1.40 uses a group of that name again", "1.40.0", []call{{[]string{"--group_name=s_1", "create", "--nostart", "--host_path=HOST"}, ""}}},
		{"1.54 refuses a group of that name", "1.54.0", []call{{[]string{"--group_name=s_1", "create", "--nostart", "--host_path=HOST"}, "Group named 's_1' already exists"}}},
		{"a number can be had once", "1.40.0", []call{
			{[]string{"--group_name=s_2", "create", "--nostart", "--host_path=HOST", "--instance_nums=1"}, "New instance conflicts with existing instance: s_1/1 with id 1"},
			{[]string{"--group_name=s_2", "create", "--nostart", "--host_path=HOST"}, ""},
			{[]string{"stop"}, "Multiple groups found."},
		}},
		{"host tools must be there", "1.40.0", []call{
			{[]string{"create", "--host_path=/nowhere"}, "Could not find the required host tools to launch a device"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, tt.version)
			s.ok(s.createArgs("s_1")...)
			for _, c := range tt.calls {
				for i := range c.args {
					c.args[i] = strings.ReplaceAll(c.args[i], "HOST", s.root.HostHome())
				}
				if c.want == "" {
					s.ok(c.args...)
					continue
				}
				s.fails(c.want, c.args...)
			}
		})
	}
}

func TestReusingARunningGroupFindsItsFilesInUse(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1")...)
	s.fails("Instance directory files in use. Try `cvd reset`? Observed PIDs: ", s.createArgs("s_1")...)
	if got := s.state("s_1"); got != "Boot Failed" {
		t.Errorf("state %s, want Boot Failed", got)
	}
}

func TestUnknownLaunchFlagsFailTheLaunch(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.fails("unknown command line flag 'snapshot_compat'", s.createArgs("s_1", "--snapshot_compat")...)
	s.fails("--enable_virtiofs should be false for snapshot", "--group_name=s_1", "start", "--snapshot_compatible")
	help := exec.Command(filepath.Join(s.root.HostHome(), "bin", "cvd_internal_start"), "--helpxml")
	if r := s.finish(help); r.code != 1 || !strings.Contains(r.stdout, "<name>snapshot_compatible</name>") {
		t.Errorf("--helpxml: exit %d, %s", r.code, r.stdout)
	}
}

func TestParallelCreatesGetNumbersOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	var creates []func() result
	for i := range 3 {
		creates = append(creates, s.begin(s.command(s.createArgs(fmt.Sprintf("s_%d", i))...)))
	}
	ports := map[int]bool{}
	for _, end := range creates {
		r := end()
		if r.code != 0 {
			t.Fatalf("create: exit %d\n%s", r.code, r.stderr)
		}
		ports[s.parse(r.stdout).Instances[0].ADBPort] = true
	}
	if len(ports) != 3 || len(s.fleet()) != 3 {
		t.Errorf("ports %v, %d groups", ports, len(s.fleet()))
	}
	s.ok("reset", "-y")
	s.awaitNoProcesses()
	if len(s.fleet()) != 0 {
		t.Error("reset left groups")
	}
}

func TestTheBootIsVisibleWhileItGoesOn(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	begin := time.Now()
	end := s.begin(s.command(s.createArgs("s_1", "--instance_nums=2")...))
	s.await("the state is Starting", func() bool { return s.state("s_1") == "Starting" })
	s.await("adbd listens", func() bool { return s.listening(2) })
	r := end()
	if took := time.Since(begin); r.code != 0 || took < bootTime {
		t.Errorf("exit %d after %s, want success after %s at the earliest", r.code, took, bootTime)
	}
}
