package adb

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

// The codec is used at both ends of the other tests, which would not notice a mistake that
// both ends share. Here the host is a genuine adb with a private server.
func TestGenuineADBUnderstandsOurBytes(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("adb")
	if err != nil {
		t.Skip("skipped: needs adb")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		(&fakeDevice{serve: func(s *fakeStream) {
			if !strings.HasSuffix(s.service, "raw:cat; exit 7") {
				s.close()
				return
			}
			in, _ := s.stdin(nil)
			s.print(wire.ShellStdout, "got "+string(in))
			s.print(wire.ShellStderr, "warned")
			s.exit(7)
		}}).talk(nc)
	}()
	t.Cleanup(func() { // after the server's end, which ends the connection
		_ = l.Close()
		<-served
	})

	run := privateADB(t, program)
	serial := l.Addr().String()
	if out, _ := run("", "connect", serial); !strings.Contains(out, "connected to "+serial) {
		t.Fatalf("adb connect: %s", out)
	}
	if out, _ := run("", "devices", "-l"); !strings.Contains(out, "model:Cuttlefish device:vsoc_x86_64") {
		t.Errorf("adb devices: %s", out)
	}
	out, err := run("some input", "-s", serial, "shell", "cat; exit 7")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 || out != "got some inputwarned" {
		t.Errorf("adb shell: %q, %v", out, err)
	}
}

// privateADB starts an adb server that ends with the test, and returns a way to run adb
// against it: stdin in, stdout and stderr out.
func privateADB(t *testing.T, program string) func(stdin string, args ...string) (string, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	_ = l.Close()
	env := append(os.Environ(), "HOME="+t.TempDir(), "ADB_EMU=0", "ADB_USB=0", "ADB_MDNS=0", "ADB_VENDOR_KEYS=")
	server := exec.Command(program, "-L", "tcp:"+port, "nodaemon", "server")
	server.Env = env
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		nc, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = nc.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the adb server does not come up: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return func(stdin string, args ...string) (string, error) {
		cmd := exec.CommandContext(within(t), program, append([]string{"-P", port}, args...)...)
		cmd.Env = env
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}
