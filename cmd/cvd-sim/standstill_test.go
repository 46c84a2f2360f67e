package main

import (
	"crypto/sha256"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// crosvm is a command of the host package's crosvm about instance n.
func (s *sim) crosvm(n int, verb string, more ...string) *exec.Cmd {
	socket := filepath.Join(simroot.UDSDirIn(s.root.OwnTempDir(), os.Getuid(), n), "internal", "crosvm_control.sock")
	return exec.Command(filepath.Join(s.root.HostHome(), "bin", "crosvm"), append([]string{verb, socket}, more...)...)
}

// control runs it and wants success.
func (s *sim) control(n int, verb string, more ...string) {
	s.t.Helper()
	if r := s.finish(s.crosvm(n, verb, more...)); r.code != 0 {
		s.t.Fatalf("crosvm %s %v: exit %d\n%s", verb, more, r.code, r.stderr)
	}
}

// refused runs it and wants exit 1 with the words.
func (s *sim) refused(words string, n int, verb string, more ...string) {
	s.t.Helper()
	if r := s.finish(s.crosvm(n, verb, more...)); r.code != 1 || !strings.Contains(r.stderr, words) {
		s.t.Errorf("crosvm %s %v: exit %d, want 1, and %q in\n%s", verb, more, r.code, words, r.stderr)
	}
}

// image is a file of instance n.
func (s *sim) image(n int, name string) string {
	s.t.Helper()
	for _, g := range s.fleet() {
		if dir := g.Instances[0].InstanceDir; filepath.Base(dir) == "cvd-"+strconv.Itoa(n) {
			return filepath.Join(dir, name)
		}
	}
	s.t.Fatalf("no instance %d", n)
	return ""
}

func (s *sim) read(path string) string {
	s.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(content)
}

func (s *sim) checkImage(path string) {
	s.t.Helper()
	qemuImg, err := exec.LookPath("qemu-img")
	if err != nil {
		s.t.Skip("skipped: needs qemu-img")
	}
	if out, err := exec.Command(qemuImg, "check", path).CombinedOutput(); err != nil {
		s.t.Errorf("qemu-img check %s: %v\n%s", path, err, out)
	}
}

// silent wants that a command on the device is taken and not answered.
func (s *sim) silent(n int) {
	s.t.Helper()
	if out, err := adbExec(s.root.ADBPort(n), "echo hi", 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		s.t.Errorf("ADB of a device that stands still: %q, %v; want silence", out, err)
	}
}

// ticker is a guest's program that never stops writing, and the connection that shows it.
func (s *sim) ticker(n int) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.root.ADBPort(n)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	script := "exec:i=0; while true; do i=$((i+1)); echo $i >> /data/local/tmp/ticks; echo $i; sync; done\x00"
	for _, p := range []adbPacket{{adbCNXN, 0x01000001, 1 << 18, []byte("host::features=shell_v2,cmd")}, {adbOPEN, 1, 0, []byte(script)}} {
		if err := p.send(conn); err != nil {
			s.t.Fatal(err)
		}
	}
	return conn
}

// tick reads from it until there was output, or until the time is up.
func tick(conn net.Conn, limit time.Duration) error {
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	for {
		p, err := receive(conn)
		if err != nil {
			return err
		}
		if p.command == adbWRTE {
			return adbPacket{adbOKAY, 1, p.arg0, nil}.send(conn)
		}
	}
}

func TestASuspendedGuestDoesNothing(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	conn := s.ticker(1)
	if err := tick(conn, patience); err != nil {
		t.Fatal(err)
	}
	s.guest(1, "echo precious > /data/local/tmp/note; sync")

	s.control(1, "suspend")
	before := sha256.Sum256([]byte(s.read(s.image(1, "overlay.img"))))
	s.checkImage(s.image(1, "overlay.img"))
	s.silent(1) // and so much time passes
	if !s.answers(1) {
		t.Error("the launcher does not answer")
	}
	if g := s.fleet()[0]; g.Instances[0].Status != "Running" {
		t.Errorf("fleet says %s", g.Instances[0].Status)
	}
	s.control(1, "suspend") // once more
	if after := sha256.Sum256([]byte(s.read(s.image(1, "overlay.img")))); after != before {
		t.Error("the overlay changed while the guest stood still")
	}

	s.control(1, "resume")
	s.control(1, "resume") // once more
	for range 20 {         // what was on its way, and more
		if err := tick(conn, patience); err != nil {
			t.Fatalf("the connection of before: %v", err)
		}
	}
	if got := s.guest(1, "cat /data/local/tmp/note"); got != "precious" {
		t.Errorf("the note reads %q", got)
	}
}

func TestACopyOfASuspendedDeviceHasWhatWasSynced(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	s.guest(1, "echo precious > /data/local/tmp/note; sync")
	s.control(1, "suspend")
	copied := s.read(s.image(1, "overlay.img"))
	s.control(1, "resume")
	s.guest(1, "rm /data/local/tmp/note; sync")
	s.ok("--group_name=s_1", "stop")
	if err := os.WriteFile(s.image(1, "overlay.img"), []byte(copied), 0o644); err != nil {
		t.Fatal(err)
	}
	s.touch()
	s.ok("--group_name=s_1", "start")
	if got := s.guest(1, "cat /data/local/tmp/note"); got != "precious" {
		t.Errorf("the note reads %q", got)
	}
}

func TestASuspendedDeviceCanBeStopped(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.37.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	conn := s.ticker(1)
	if err := tick(conn, patience); err != nil {
		t.Fatal(err)
	}
	s.control(1, "suspend")
	before := s.read(s.image(1, "overlay.img"))
	s.ok("--group_name=s_1", "stop")
	s.awaitNoProcesses()
	if s.read(s.image(1, "overlay.img")) != before {
		t.Error("the overlay changed with the end of a guest that stood still")
	}
	s.checkImage(s.image(1, "overlay.img"))
	s.ok("--group_name=s_1", "start")
	if got := s.guest(1, "tail -n 1 /data/local/tmp/ticks"); got == "" {
		t.Error("nothing of before is left")
	}
}

func TestDevicesThatCannotSleepAreNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		flags []string
		want  string // "": it sleeps
	}{
		{"virtio-fs", nil, "virtio_sleep not implemented for fs"},
		{"the GPU", []string{"--enable_virtiofs=false"}, "virtio_sleep not implemented for gpu"},
		{"made for snapshots", compatible(), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, "1.40.0")
			s.ok(s.createArgs("s_1", append(tt.flags, "--instance_nums=1")...)...)
			if tt.want == "" {
				s.control(1, "suspend", "--full")
				s.refused("Invalid argument", 1, "resume")
				s.silent(1)
				s.control(1, "resume", "--full")
				s.guest(1, "true")
				return
			}
			s.refused(tt.want, 1, "suspend", "--full")
			if log := s.read(s.image(1, "logs/launcher.log")); !strings.Contains(log, tt.want) {
				t.Errorf("launcher.log does not say %q:\n%s", tt.want, log)
			}
			s.guest(1, "true") // it runs on
			s.control(1, "suspend")
			s.control(1, "resume", "--full")
			s.guest(1, "true")
		})
	}
}

// compatible are the flags of a device that can be suspended with all that it has.
func compatible() []string {
	return []string{"--snapshot_compatible", "--enable_virtiofs=false", "--enable_usb=false", "--gpu_mode=guest_swiftshader"}
}

func TestFaultsOfSuspends(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	s.inject(inject.Rule{ID: "no", Match: inject.Match{Instance: 1, Times: 1}, Fault: "suspend_unsupported"})
	s.refused("virtio_sleep not implemented for fs", 1, "suspend")
	s.guest(1, "true")
	s.control(1, "suspend") // the fault is used up
	s.control(1, "resume")

	hang := func(fault, verb string, after func()) {
		t.Helper()
		s.inject(inject.Rule{ID: fault, Match: inject.Match{Group: "s_1", Times: 1}, Fault: "suspend_hang:" + fault})
		cmd := s.crosvm(1, verb)
		end := s.begin(cmd)
		s.await("the fault is used", func() bool {
			counts, err := os.ReadFile(s.root.InjectFile() + ".counts")
			return err == nil && strings.Contains(string(counts), `"`+fault+`"`)
		})
		after()
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if r := end(); r.code != 137 {
			t.Errorf("crosvm %s came back with %d: %s", verb, r.code, r.stderr)
		}
	}
	hang("suspend", "suspend", func() { s.guest(1, "true") })
	hang("suspended", "suspend", func() {
		s.await("it stands still", func() bool {
			_, err := adbExec(s.root.ADBPort(1), "true", 50*time.Millisecond)
			return errors.Is(err, os.ErrDeadlineExceeded)
		})
	})
	hang("resume", "resume", func() { s.silent(1) })
	hang("resumed", "resume", func() { s.guest(1, "true") })
}
