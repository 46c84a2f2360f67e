package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/inject"
)

// The packets of ADB's transport (AOSP packages/modules/adb/protocol.txt) that one command needs.
const (
	adbCNXN = 0x4e584e43
	adbAUTH = 0x48545541
	adbOPEN = 0x4e45504f
	adbOKAY = 0x59414b4f
	adbCLSE = 0x45534c43
	adbWRTE = 0x45545257
)

var errAuth = errors.New("the device demands a key")

type adbPacket struct {
	command, arg0, arg1 uint32
	data                []byte
}

func (p adbPacket) send(w io.Writer) error {
	b := make([]byte, 24, 24+len(p.data))
	sum := uint32(0)
	for _, c := range p.data {
		sum += uint32(c)
	}
	for i, v := range []uint32{p.command, p.arg0, p.arg1, uint32(len(p.data)), sum, p.command ^ 0xffffffff} {
		binary.LittleEndian.PutUint32(b[4*i:], v)
	}
	_, err := w.Write(append(b, p.data...))
	return err
}

func receive(r io.Reader) (adbPacket, error) {
	var head [24]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return adbPacket{}, err
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(head[4*i:]) }
	if word(3) > 1<<20 {
		return adbPacket{}, fmt.Errorf("payload of %d bytes", word(3))
	}
	p := adbPacket{command: word(0), arg0: word(1), arg1: word(2), data: make([]byte, word(3))}
	_, err := io.ReadFull(r, p.data)
	return p, err
}

// adbExec runs a command on the device at a local port and returns what it prints.
func adbExec(port int, command string, limit time.Duration) (string, error) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), limit)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	if err := (adbPacket{adbCNXN, 0x01000001, 1 << 18, []byte("host::features=shell_v2,cmd")}).send(conn); err != nil {
		return "", err
	}
	var out strings.Builder
	for {
		p, err := receive(conn)
		if err != nil {
			return out.String(), err
		}
		var answer adbPacket
		switch p.command {
		case adbAUTH:
			return "", errAuth
		case adbCNXN:
			answer = adbPacket{adbOPEN, 1, 0, []byte("exec:" + command + "\x00")}
		case adbWRTE:
			out.Write(p.data)
			answer = adbPacket{adbOKAY, 1, p.arg0, nil}
		case adbCLSE:
			return out.String(), nil
		default:
			continue
		}
		if err := answer.send(conn); err != nil {
			return out.String(), err
		}
	}
}

// guest runs a command on instance n and wants it to work.
func (s *sim) guest(n int, command string) string {
	s.t.Helper()
	out, err := adbExec(s.root.ADBPort(n), command, patience)
	if err != nil {
		s.t.Fatalf("adb exec %q: %q, %v", command, out, err)
	}
	return strings.TrimSpace(out)
}

// touch is the rule that keeps an overlay over a restart of 1.38 and later.
func (s *sim) touch() {
	s.t.Helper()
	dir := s.fleet()[0].Instances[0].InstanceDir
	for _, name := range []string{"os_composite.img", "overlay.img"} {
		if err := os.Chtimes(filepath.Join(dir, name), time.Time{}, time.Now()); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestTheGuestsFilesLiveInTheOverlay(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	if got := s.guest(1, "getprop sys.boot_completed"); got != "1" {
		t.Errorf("sys.boot_completed is %q", got)
	}
	s.guest(1, "echo precious > /data/local/tmp/note; sync")
	restart := func() string {
		s.ok("--group_name=s_1", "stop")
		s.checkOverlay()
		s.ok("--group_name=s_1", "start")
		return s.guest(1, "cat /data/local/tmp/note 2>&1")
	}
	for range 3 {
		s.ok("--group_name=s_1", "stop")
		s.touch()
		s.ok("--group_name=s_1", "start")
		if got := s.guest(1, "cat /data/local/tmp/note"); got != "precious" {
			t.Fatalf("with the touch the note reads %q", got)
		}
	}
	if got := restart(); got == "precious" {
		t.Errorf("a restart without the touch after one with it keeps the note; 1.40 wipes it then")
	}
}

func (s *sim) checkOverlay() {
	s.t.Helper()
	qemuImg, err := exec.LookPath("qemu-img")
	if err != nil {
		s.t.Log("skipped: the check of the overlay needs qemu-img")
		return
	}
	overlay := filepath.Join(s.fleet()[0].Instances[0].InstanceDir, "overlay.img")
	if out, err := exec.Command(qemuImg, "check", overlay).CombinedOutput(); err != nil {
		s.t.Errorf("qemu-img check: %v\n%s", err, out)
	}
}

func TestAPowerCutLosesWhatWasNotSynced(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.37.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	s.guest(1, "echo a > /data/local/tmp/synced; sync")
	s.guest(1, "echo b > /data/local/tmp/fresh")
	s.ok("--group_name=s_1", "stop")
	s.checkOverlay()
	s.ok("--group_name=s_1", "start")
	if got := s.guest(1, "cat /data/local/tmp/synced"); got != "a" {
		t.Errorf("the synced file reads %q", got)
	}
}

func TestAGuestThatRebootsComesBackOnItsOwn(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	s.guest(1, "echo precious > /data/local/tmp/note; sync")
	vm := s.processes("crosvm")[0]
	launcher := s.processes("run_cvd")[0]
	_, _ = adbExec(s.root.ADBPort(1), "reboot", patience) // the connection dies with the guest
	s.await("another VM runs", func() bool { return !vm.Alive() && len(s.processes("crosvm")) == 1 })
	s.await("it has booted", func() bool {
		out, err := adbExec(s.root.ADBPort(1), "getprop sys.boot_completed", time.Second)
		return err == nil && strings.TrimSpace(out) == "1"
	})
	if got := s.guest(1, "cat /data/local/tmp/note"); got != "precious" || !launcher.Alive() {
		t.Errorf("note %q, launcher alive %t", got, launcher.Alive())
	}
}

func TestADBFaultsComeAndGo(t *testing.T) {
	t.Parallel()
	s := newSim(t, "1.40.0")
	s.ok(s.createArgs("s_1", "--instance_nums=1")...)
	echo := func(limit time.Duration) error {
		_, err := adbExec(s.root.ADBPort(1), "echo hi", limit)
		return err
	}
	timedOut := func(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
	tests := []struct {
		fault string
		shows func() bool
	}{
		{"adb_refused", func() bool { return !s.listening(1) }},
		{"adb_offline", func() bool { return timedOut(echo(50 * time.Millisecond)) }},
		{"adb_auth", func() bool { return errors.Is(echo(time.Second), errAuth) }},
		{"adb_flap:0.05", func() bool { return !s.listening(1) }},
	}
	for _, tt := range tests {
		s.inject(inject.Rule{ID: tt.fault, Match: inject.Match{Instance: 1}, Fault: tt.fault})
		s.await(tt.fault+" shows", tt.shows)
		if strings.HasPrefix(tt.fault, "adb_flap") {
			s.await("it is up again", func() bool { return s.listening(1) })
		}
		if err := inject.Open(s.root.InjectFile()).Clear(tt.fault); err != nil {
			t.Fatal(err)
		}
		s.await("adb works after "+tt.fault, func() bool { return echo(time.Second) == nil })
	}
	if !s.answers(1) {
		t.Error("the launcher does not answer")
	}
}
