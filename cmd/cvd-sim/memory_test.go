package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/inject"
)

func TestAMemorySnapshotRollsADeviceBack(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.40.0", "1.55.2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, version)
			dir := filepath.Join(s.root.Dir, "saved")
			cvd := func(args ...string) result { t.Helper(); return s.ok(append([]string{"--group_name=s_1"}, args...)...) }
			s.ok(s.createArgs("s_1", append(compatible(), "--instance_nums=1", "--cpus=3")...)...)
			s.guest(1, "echo old > /data/local/tmp/note") // not synced: it is in the memory
			s.fails("The device is not suspended, and snapshot cannot be taken", "--group_name=s_1", "snapshot_take", "--snapshot_path="+dir)
			if r := cvd("suspend"); r.stdout != "" || !strings.Contains(r.stderr, "snapshot_util_cvd --subcmd=suspend") {
				t.Errorf("suspend printed %q and %q", r.stdout, r.stderr)
			}
			s.silent(1)
			cvd("snapshot_take", "--snapshot_path="+dir)
			s.fails("Delete the destination directory", "--group_name=s_1", "snapshot_take", "--snapshot_path="+dir)
			if got := s.fleet()[0].Instances[0].Status; got != "Running" {
				t.Errorf("a suspended device is %s", got)
			}
			cvd("resume")
			s.guest(1, "echo new > /data/local/tmp/note; sync")
			cvd("stop")
			s.checkSnapshot(dir)

			if r := cvd("start", "--snapshot_path="+dir, "--cpus=1"); s.parse(r.stdout).Instances[0].Status != "Running" {
				t.Errorf("start printed %s", r.stdout)
			}
			if got := s.guest(1, "cat /data/local/tmp/note; nproc; getprop sim.host_files"); got != "old\n3\nok" {
				t.Errorf("the restored guest says %q", got)
			}
			if log := s.read(s.image(1, "logs/launcher.log")); !strings.Contains(log, "restored successfully") {
				t.Errorf("launcher.log: %s", log)
			}
			if restarter := s.processes("process_restarter")[0].Args; !strings.Contains(strings.Join(restarter, " "), "-first_time_argument=--restore="+dir) {
				t.Errorf("process_restarter runs as %q", restarter)
			}
			cvd("snapshot_take", "--snapshot_path="+dir, "--force", "--auto_suspend")
			s.guest(1, "true") // it was let go on
		})
	}
}

// checkSnapshot looks at what snapshot_take has left.
func (s *sim) checkSnapshot(dir string) {
	s.t.Helper()
	meta := s.read(filepath.Join(dir, "snapshot_meta_info.json"))
	home := filepath.Dir(filepath.Dir(s.fleet()[0].Instances[0].AssemblyDir))
	for _, want := range []string{`"snapshot_path": "` + dir + `"`, `"HOME": "` + home + `"`, `"1": "cuttlefish/instances/cvd-1/guest_snapshot"`} {
		if !strings.Contains(meta, want) {
			s.t.Errorf("%s is not in %s", want, meta)
		}
	}
	saved := filepath.Join(dir, "cuttlefish", "instances", "cvd-1")
	s.checkImage(filepath.Join(saved, "overlay.img"))
	if !exists(filepath.Join(saved, "guest_snapshot", "guest_vm")) {
		s.t.Error("there is no memory")
	}
	if card, err := os.Stat(filepath.Join(saved, "sdcard.img")); err != nil || card.Sys().(*syscall.Stat_t).Blocks*512 > card.Size()/2 {
		s.t.Errorf("sdcard.img: %v, or it has lost its holes", err)
	}
	composite, err := os.Stat(filepath.Join(saved, "os_composite.img"))
	if err != nil {
		s.t.Fatal(err)
	}
	if now, err := os.Stat(s.image(1, "os_composite.img")); err != nil || !now.ModTime().Equal(composite.ModTime()) {
		s.t.Errorf("os_composite.img is of %v, %v; its copy of %v", now, err, composite.ModTime())
	}
}

func TestMemorySnapshotsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	one, two := filepath.Join(s.root.Dir, "one"), filepath.Join(s.root.Dir, "two")
	s.ok(s.createArgs("s_1", append(compatible(), "--instance_nums=1")...)...)
	s.ok(s.createArgs("s_2", "--instance_nums=2")...)

	s.fails("snapshot_util_cvd", "--group_name=s_2", "suspend")
	if log := s.read(s.image(2, "logs/launcher.log")); !strings.Contains(log, "virtio_sleep not implemented for fs") {
		t.Errorf("launcher.log: %s", log)
	}
	s.guest(2, "true")
	s.fails("--snapshot_path is missing", "--group_name=s_1", "snapshot_take")
	s.ok("--group_name=s_1", "snapshot_take", "--auto_suspend", "--snapshot_path="+one)
	s.ok("--group_name=s_1", "stop")
	s.ok("--group_name=s_2", "stop")
	s.fails("Selected group is not running", "--group_name=s_1", "suspend")
	s.fails("instance nums must match", "--group_name=s_2", "start", "--snapshot_path="+one)
	s.fails("requires --resume", "--group_name=s_1", "start", "--noresume", "--snapshot_path="+one)
	s.fails("snapshot_meta_info.json", "--group_name=s_1", "start", "--snapshot_path="+two)
	s.inject(inject.Rule{Match: inject.Match{Command: "start", Times: 1}, Fault: "restore_mismatch"})
	s.fails("instance nums must match", "--group_name=s_1", "start", "--snapshot_path="+one)
	if got := s.state("s_1"); got != "Boot Failed" {
		t.Errorf("state %s, want Boot Failed", got)
	}
	s.ok("--group_name=s_1", "start", "--snapshot_path="+one)

	// The mtimes of a second start, which are those of the defect, are in a snapshot that is taken then.
	s.ok("--group_name=s_1", "stop")
	s.date(1)
	s.ok(append([]string{"--group_name=s_1", "start"}, compatible()...)...)
	s.ok("--group_name=s_1", "snapshot_take", "--auto_suspend", "--snapshot_path="+two)
	s.ok("--group_name=s_1", "stop")
	s.fails("Restoring from snapshot requires not creating OS disks", "--group_name=s_1", "start", "--snapshot_path="+two)
}

func TestMemorySnapshotsThatHang(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.55.2")
	dir := filepath.Join(s.root.Dir, "saved")
	s.ok(s.createArgs("s_1", append(compatible(), "--instance_nums=1")...)...)
	s.ok("--group_name=s_1", "suspend")
	s.inject(inject.Rule{ID: "hang", Match: inject.Match{Command: "snapshot_take", Times: 1}, Fault: "snapshot_hang"})
	cmd := s.command("--group_name=s_1", "snapshot_take", "--snapshot_path="+dir)
	end := s.begin(cmd)
	s.await("the tool has copied", func() bool {
		return exists(filepath.Join(dir, "cuttlefish", "instances", "cvd-1", "logs"))
	})
	for _, p := range append(s.processes("snapshot_util_cvd"), s.processes("cvd")...) {
		p.Signal(syscall.SIGKILL)
	}
	if r := end(); r.code == 0 {
		t.Error("the snapshot was taken")
	}
	if exists(filepath.Join(dir, "snapshot_meta_info.json")) {
		t.Error("a snapshot that was cut short looks whole")
	}
	s.ok("--group_name=s_1", "resume")
	s.guest(1, "true")

	// A launcher that waits for its VM answers nobody else.
	s.inject(inject.Rule{ID: "vm", Match: inject.Match{Times: 1}, Fault: "suspend_hang:suspend"})
	end = s.begin(s.command("--group_name=s_1", "suspend"))
	s.await("the launcher waits", func() bool {
		return len(s.processes("crosvm")) == 2 && !s.answers(1)
	})
	s.ok("--group_name=s_1", "stop")
	if r := end(); r.code != 255 {
		t.Errorf("suspend: exit %d\n%s", r.code, r.stderr)
	}
	s.awaitNoProcesses()
}
