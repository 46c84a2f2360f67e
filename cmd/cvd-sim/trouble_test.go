package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/simhost"
)

func TestLaunchesThatFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault string
		words string
		state string
	}{
		{"boot_failed", "Virtual device failed to boot", "Boot Failed"},
		{"no_tap", "Failed to validate tap devices. Try `cvd reset`", "Boot Failed"},
		{"port_in_use", "address already in use", "Boot Failed"},
		{"files_in_use", "Instance directory files in use", "Boot Failed"},
		{"stale_socket", "Failed to read a complete exit code, read 0 bytes only", "Boot Failed"},
		{"disk_full", "Not enough space remaining in fs containing", "Boot Failed"},
		{"exit:7:no luck", "no luck", ""},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, "1.40.0")
			s.inject(inject.Rule{Match: inject.Match{Command: "create", Times: 1}, Fault: tt.fault})
			r := s.cvd(s.createArgs("s_1", "--instance_nums=2")...)
			if r.code == 0 || r.stdout != "" || !strings.Contains(r.stderr, tt.words) || s.state("s_1") != tt.state {
				t.Errorf("exit %d, stdout %q, state %q; want %q and state %q\n%s", r.code, r.stdout, s.state("s_1"), tt.words, tt.state, r.stderr)
			}
			if launchers := s.processes("run_cvd"); len(launchers) != 0 {
				t.Errorf("launchers are left: %v", launchers)
			}
		})
	}
}

func TestAStaleSocketStaysUntilItIsRemoved(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.inject(inject.Rule{Match: inject.Match{Command: "create", Times: 1}, Fault: "stale_socket"})
	s.fails("Failed to read a complete exit code", s.createArgs("s_1", "--instance_nums=1")...)
	s.fails("Failed to read a complete exit code", "--group_name=s_1", "start")
	if err := os.RemoveAll(s.root.OwnTempDir() + "/cf_avd_" + itoa(os.Getuid()) + "/cvd-1"); err != nil {
		t.Fatal(err)
	}
	s.ok("--group_name=s_1", "start")
}

func TestSignalsToALaunchingCVD(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		version  string
		fault    string
		signal   unix.Signal
		wantCode int
		want     string // state
		alive    bool   // whether the VM boots nevertheless
	}{
		{"SIGTERM cancels and kills", "1.40.0", "", unix.SIGTERM, 128 + int(unix.SIGABRT), "Cancelled", false},
		{"SIGINT cancels and kills", "1.55.2", "", unix.SIGINT, 128 + int(unix.SIGABRT), "Cancelled", false},
		{"SIGHUP with survive leaves a live VM labelled Cancelled", "1.40.0", "survive", unix.SIGHUP, 128 + int(unix.SIGABRT), "Cancelled", true},
		{"SIGKILL leaves Starting and the launcher follows", "1.40.0", "", unix.SIGKILL, 128 + int(unix.SIGKILL), "Starting", false},
		{"SIGKILL with survive leaves a live VM labelled Starting", "1.40.0", "survive", unix.SIGKILL, 128 + int(unix.SIGKILL), "Starting", true},
		{"before 1.38 the launcher does not notice", "1.37.0", "", unix.SIGKILL, 128 + int(unix.SIGKILL), "Starting", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, tt.version)
			s.inject(inject.Rule{Match: inject.Match{Command: "create"}, Fault: "slow_boot:0.3"})
			if tt.fault != "" {
				s.inject(inject.Rule{Match: inject.Match{Command: "create"}, Fault: tt.fault})
			}
			cmd := s.command(s.createArgs("s_1", "--instance_nums=1")...)
			end := s.begin(cmd)
			s.await("the VM runs", func() bool { return len(s.processes("crosvm")) == 1 })
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			if r := end(); r.code != tt.wantCode || s.state("s_1") != tt.want {
				t.Errorf("exit %d, state %s; want %d, %s\n%s", r.code, s.state("s_1"), tt.wantCode, tt.want, r.stderr)
			}
			if !tt.alive {
				s.awaitNoProcesses()
				return
			}
			s.await("adbd listens", func() bool { return s.listening(1) })
			if !s.answers(1) || s.state("s_1") != tt.want {
				t.Errorf("launcher answers %t, state %s", s.answers(1), s.state("s_1"))
			}
		})
	}
}

func TestADeadVMTakesItsLauncherAlongAndTheDatabaseDoesNotKnow(t *testing.T) {
	t.Parallel()
	kill := func(name string) func(*sim) {
		return func(s *sim) {
			for _, p := range s.processes(name) {
				p.Signal(unix.SIGKILL)
			}
		}
	}
	tests := []struct {
		name string
		hit  func(*sim)
	}{
		{"crosvm killed", kill("crosvm")},
		{"run_cvd killed", kill("run_cvd")},
		{"process_restarter killed", kill("process_restarter")},
		{"fault vm_dies_after", func(s *sim) { s.inject(inject.Rule{Fault: "vm_dies_after:0.01"}) }},
		{"fault guest_poweroff", func(s *sim) { s.inject(inject.Rule{Fault: "guest_poweroff"}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, "1.40.0")
			s.ok(s.createArgs("s_1")...)
			tt.hit(s)
			s.awaitNoProcesses()
			if got := s.fleet()[0].Instances[0]; got.Status != "Unreachable" || got.Warning != "cvd status failed" || s.state("s_1") != "Running" {
				t.Errorf("fleet says %s (%s), the database %s", got.Status, got.Warning, s.state("s_1"))
			}
			s.ok("status")
			if s.state("s_1") != "Unreachable" {
				t.Errorf("after status the database says %s", s.state("s_1"))
			}
			s.ok("--group_name=s_1", "rm")
		})
	}
}

func TestAZombieVMHasALauncherThatAnswers(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	vm := s.processes("crosvm")[0]
	s.inject(inject.Rule{Fault: "zombie_vm"})
	s.await("the VM is gone", func() bool { return !vm.Alive() && !s.listening(1) })
	if !s.answers(1) {
		t.Error("the launcher does not answer")
	}
}

func TestStopsThatFail(t *testing.T) {
	t.Parallel()
	rule := inject.Rule{Match: inject.Match{Command: "stop", Times: 1}, Fault: "stop_fails"}
	t.Run("1.40 hides it", func(t *testing.T) {
		t.Parallel()
		s := newSim(t, "1.40.0")
		s.ok(s.createArgs("s_1", "--instance_nums=1")...)
		s.inject(rule)
		s.ok("--group_name=s_1", "stop")
		if s.state("s_1") != "Stopped" || !s.answers(1) {
			t.Errorf("state %s, launcher answers %t; want Stopped although alive", s.state("s_1"), s.answers(1))
		}
	})
	t.Run("1.55 says it", func(t *testing.T) {
		t.Parallel()
		s := newSim(t, "1.55.2")
		s.ok(s.createArgs("s_1", "--instance_nums=1")...)
		s.inject(rule)
		s.fails("cvd_internal_stop", "--group_name=s_1", "stop")
		if s.state("s_1") != "Running" {
			t.Errorf("state %s", s.state("s_1"))
		}
		s.inject(inject.Rule{Match: inject.Match{Command: "rm", Times: 1}, Fault: "stop_fails"})
		s.fails("Group still contains active instances", "--group_name=s_1", "rm")
		s.ok("--group_name=s_1", "rm")
	})
	t.Run("a leaked helper holds the port", func(t *testing.T) {
		t.Parallel()
		s := newSim(t, "1.40.0")
		s.ok(s.createArgs("s_1", "--instance_nums=1")...)
		s.inject(inject.Rule{Match: inject.Match{Command: "stop"}, Fault: "leak_helper"})
		s.ok("--group_name=s_1", "stop")
		if !s.listening(1) {
			t.Error("nobody holds the port")
		}
		s.fails("address already in use", "--group_name=s_1", "start")
		for _, p := range s.processes("tombstone_receiver") {
			p.Signal(unix.SIGKILL)
		}
		s.await("the port is free", func() bool { return !s.listening(1) })
		s.ok("--group_name=s_1", "start")
	})
}

func TestRemovalsThatStopHalfWay(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	s.inject(inject.Rule{Match: inject.Match{Command: "rm", Times: 1}, Fault: "rm_partial:files"})
	s.fails("interrupted", "--group_name=s_1", "rm")
	if s.state("s_1") == "" {
		t.Error("the database forgot the group")
	}
	s.ok("--group_name=s_1", "rm")

	s.inject(inject.Rule{Match: inject.Match{Command: "rm", Times: 1}, Fault: "rm_partial:db"})
	dir := filepath.Dir(filepath.Dir(filepath.Dir(s.parse(s.ok(s.createArgs("s_1")...).stdout).Instances[0].AssemblyDir)))
	s.fails("interrupted", "--group_name=s_1", "rm")
	if s.state("s_1") != "" || !exists(dir) {
		t.Errorf("state %q, the directory %s is there: %t", s.state("s_1"), dir, exists(dir))
	}

	s.inject(inject.Rule{Match: inject.Match{Command: "rm", Times: 1}, Fault: "lock_stale"})
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	s.ok("--group_name=s_1", "rm")
	if !exists(filepath.Join(s.root.LockDir(), "local-instance-1.lock")) {
		t.Fatal("the lock is gone")
	}
	r := s.ok(s.createArgs("s_1")...) // 1 looks taken for ever
	if got := s.parse(r.stdout).Instances[0].Name; got != "2" {
		t.Errorf("got instance %s, want 2", got)
	}
}

func TestFleetsThatMislead(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--nostart")...)
	whole := s.ok("fleet").stdout
	rule := inject.Match{Command: "fleet", Times: 1}
	for fault, want := range map[string]string{
		"fleet_garbage:empty": "", "fleet_garbage:truncated": whole[:len(whole)/2],
		"fleet_garbage:nonjson": "Segmentation fault\n",
	} {
		s.inject(inject.Rule{Match: rule, Fault: fault})
		if got := s.ok("fleet").stdout; got != want {
			t.Errorf("%s: got %q, want %q", fault, got, want)
		}
	}
	s.inject(inject.Rule{Match: rule, Fault: "fleet_garbage:warnings"})
	if got := s.ok("fleet").stdout; !strings.Contains(got, whole) || strings.HasPrefix(got, "{") {
		t.Errorf("warnings: got %q", got)
	}
	s.inject(inject.Rule{Match: rule, Fault: "fleet_slow:0.1"})
	begin := time.Now()
	if s.ok("fleet"); time.Since(begin) < 100*time.Millisecond {
		t.Error("the slow fleet was fast")
	}
	s.inject(inject.Rule{Match: inject.Match{Command: "rm", Times: 1}, Fault: "lie:nothing"})
	if s.ok("--group_name=s_1", "rm"); s.state("s_1") == "" {
		t.Error("a lying rm did something")
	}
	s.inject(inject.Rule{Match: inject.Match{Command: "rm", Times: 1}, Fault: "lie:done"})
	if r := s.cvd("--group_name=s_1", "rm"); r.code != 1 || s.state("s_1") != "" {
		t.Errorf("exit %d, state %q; want 1 although done", r.code, s.state("s_1"))
	}
}

func TestAFleetFailsAsAWholeWithoutTheHostToolsOfOneGroup(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1")...)
	if err := os.Remove(filepath.Join(s.root.HostHome(), "bin", "cvd_internal_status")); err != nil {
		t.Fatal(err)
	}
	s.fails("cvd_internal_status", "fleet")
}

func TestAnUnreachableLauncherAcceptsAndDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	s.inject(inject.Rule{ID: "mute", Match: inject.Match{Instance: 1}, Fault: "unreachable"})
	s.ok("--group_name=s_1", "status", "--wait_for_launcher=0.05")
	if s.state("s_1") != "Unreachable" {
		t.Errorf("state %s", s.state("s_1"))
	}
	if err := inject.Open(s.root.InjectFile()).Clear("mute"); err != nil {
		t.Fatal(err)
	}
	s.ok("--group_name=s_1", "status")
	if s.state("s_1") != "Running" {
		t.Errorf("afterwards state %s", s.state("s_1"))
	}
}

func TestStatesThatNobodyCorrects(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]string{"cancelled:dead": "Cancelled", "starting_forever": "Starting"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, "1.40.0")
			s.inject(inject.Rule{Match: inject.Match{Command: "create"}, Fault: fault})
			if r := s.cvd(s.createArgs("s_1")...); r.code < 128 || s.state("s_1") != want {
				t.Errorf("exit %d, state %s; want a signal and %s", r.code, s.state("s_1"), want)
			}
			s.awaitNoProcesses()
		})
	}
}

func TestARebootedHostStillSaysRunning(t *testing.T) {
	t.Parallel()
	t.Run("by hand", func(t *testing.T) {
		t.Parallel()
		testReboot(t, func(s *sim) error { return simhost.Reboot(s.root) })
	})
	t.Run("by a fault", func(t *testing.T) {
		t.Parallel()
		testReboot(t, func(s *sim) error {
			s.inject(inject.Rule{Match: inject.Match{Command: "help", Times: 1}, Fault: "host_reboot"})
			s.fails("", "help")
			return nil
		})
	})
}

func testReboot(t *testing.T, reboot func(*sim) error) {
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	if err := reboot(s); err != nil {
		t.Fatal(err)
	}
	s.awaitNoProcesses()
	if left, err := os.ReadDir(s.root.OwnTempDir()); err != nil || len(left) != 0 {
		t.Errorf("/tmp holds %v, %v", left, err)
	}
	if got := s.fleet()[0].Instances[0].Status; got != "Unreachable" || s.state("s_1") != "Running" {
		t.Errorf("fleet says %s, the database %s", got, s.state("s_1"))
	}
	s.ok("--group_name=s_1", "stop")
	s.ok("--group_name=s_1", "start")
}

// Ensure a boot without end is given up by the launcher since 1.55, and awaited for ever before.
func TestBootsThatNeverEnd(t *testing.T) {
	t.Parallel()
	t.Run("1.55 gives up", func(t *testing.T) {
		t.Parallel()
		s := newSim(t, "1.55.2")
		s.inject(inject.Rule{Match: inject.Match{Command: "create", Times: 1}, Fault: "boot_timeout:0.4"})
		s.fails("Device boot timed out after 0.4 seconds", s.createArgs("s_1")...)
		if s.state("s_1") != "Boot Failed" {
			t.Errorf("state %s", s.state("s_1"))
		}
		s.awaitNoProcesses()
	})
	t.Run("1.40 waits", func(t *testing.T) {
		t.Parallel()
		s := newSim(t, "1.40.0")
		s.inject(inject.Rule{Match: inject.Match{Command: "create", Times: 1}, Fault: "boot_timeout:0.1"})
		cmd := s.command(s.createArgs("s_1", "--instance_nums=1")...)
		end := s.begin(cmd)
		s.await("adbd listens", func() bool { return s.listening(1) })
		if got, err := adbExec(s.root.ADBPort(1), "getprop sys.boot_completed", patience); err != nil || strings.Contains(got, "1") {
			t.Errorf("sys.boot_completed is %q, %v", got, err)
		}
		time.Sleep(3 * bootTime) // what must not happen has this long to happen
		if s.state("s_1") != "Starting" || !s.answers(1) {
			t.Errorf("state %s, launcher answers %t", s.state("s_1"), s.answers(1))
		}
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		end()
		s.awaitNoProcesses()
	})
}

func TestLocksOfAnotherUser(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.inject(inject.Rule{Match: inject.Match{Command: "create"}, Fault: "lock_permission"})
	for _, args := range [][]string{s.createArgs("s_1", "--instance_nums=2"), s.createArgs("s_1")} {
		s.fails(`.lock"): Permission denied`, args...)
	}
	if groups := s.fleet(); len(groups) != 0 || exists(filepath.Join(s.root.LockDir(), "local-instance-2.lock")) {
		t.Errorf("left: %v", groups)
	}
	if err := os.MkdirAll(s.root.LockDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.root.LockDir(), "local-instance-2.lock"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	s.ok(s.createArgs("s_1", "--instance_nums=2", "--nostart")...) // a lock that is there can be taken
}

func TestADamagedDatabaseReadsAsWhateverParses(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	s.ok(s.createArgs("s_2", "--instance_nums=2")...)
	s.inject(inject.Rule{Match: inject.Match{Command: "fleet", Times: 1}, Fault: "db_corrupt:truncated"})
	if groups := s.fleet(); len(groups) != 1 || groups[0].Name != "s_1" {
		t.Errorf("with its end gone: %+v", groups)
	}
	s.inject(inject.Rule{Match: inject.Match{Command: "stop", Times: 1}, Fault: "db_corrupt"})
	s.fails("is not applicable: no devices present", "--group_name=s_1", "stop")
	if groups := s.fleet(); len(groups) != 0 || !s.answers(1) || !s.answers(2) {
		t.Errorf("with nothing that parses: %+v, launchers answer %t, %t", groups, s.answers(1), s.answers(2))
	}
	s.ok(s.createArgs("s_3", "--instance_nums=3", "--nostart")...) // the next write makes it good
	if groups := s.fleet(); len(groups) != 1 || groups[0].Name != "s_3" {
		t.Errorf("afterwards: %+v", groups)
	}
}

func TestCallsThatHang(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.inject(
		inject.Rule{Match: inject.Match{Command: "version", Times: 1}, Fault: "hang:ignore_term"},
		inject.Rule{Match: inject.Match{Command: "status", Times: 1}, Fault: "hang"},
		inject.Rule{Match: inject.Match{Command: "fleet", Times: 1}, Fault: "hang_for:0.2"},
	)
	patient := s.command("version")
	end := s.begin(patient)
	s.await("it ignores SIGTERM", func() bool {
		status, err := os.ReadFile("/proc/" + itoa(patient.Process.Pid) + "/status")
		_, ignored, _ := strings.Cut(string(status), "SigIgn:\t")
		mask, err2 := strconv.ParseUint(strings.SplitN(ignored, "\n", 2)[0], 16, 64)
		return err == nil && err2 == nil && mask&(1<<(uint(unix.SIGTERM)-1)) != 0
	})
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := patient.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	if r := end(); r.code != 128+int(unix.SIGKILL) {
		t.Errorf("version: exit %d, want an end by SIGKILL", r.code)
	}
	plain := s.command("status")
	end = s.begin(plain)
	if err := plain.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if r := end(); r.code != 128+int(unix.SIGTERM) {
		t.Errorf("status: exit %d, want an end by SIGTERM", r.code)
	}
	began := time.Now()
	if groups := s.fleet(); len(groups) != 0 || time.Since(began) < 200*time.Millisecond {
		t.Errorf("after %s: %v", time.Since(began), groups)
	}
}
