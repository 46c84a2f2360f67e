package host_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/host/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// self is a device user that the test itself may be, wherever it runs.
func self(home string) host.DeviceUser {
	return host.DeviceUser{Name: "tester", UID: os.Geteuid(), GID: os.Getegid(), Home: home}
}

func newLocal(t *testing.T) *host.Local {
	t.Helper()
	l, err := host.NewLocal(host.LocalOptions{User: self(t.TempDir())})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestConformance(t *testing.T) {
	t.Parallel()
	hosttest.Run(t, func(t *testing.T) host.Host { return newLocal(t) })
}

func TestLookupOwner(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Skip("skipped: needs a passwd entry for the user that runs the tests")
	}
	got, err := host.LookupOwner(t.TempDir())
	if err != nil || got.Name != me.Username || got.Home != me.HomeDir || got.UID != os.Geteuid() {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := host.LookupOwner("/no/such/home"); !fault.Is(err, fault.NotFound) {
		t.Errorf("missing home: got %v, want NotFound", err)
	}
}

func TestLookupOwnerRefusesAUserWithoutPasswdEntry(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("skipped: needs root, to give a directory to nobody in particular")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 1234567, -1); err != nil {
		t.Fatal(err)
	}
	_, err := host.LookupOwner(dir)
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "no entry in the passwd database") {
		t.Errorf("got %v", err)
	}
}

func TestNewLocalRefuses(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]host.LocalOptions{
		"a user without name": {User: host.DeviceUser{UID: os.Geteuid(), Home: "/"}},
		"a user without home": {User: host.DeviceUser{Name: "x", UID: os.Geteuid()}},
		"a relative TMPDIR":   {User: self("/"), TmpDir: "tmp"},
		"another user's uid":  {User: host.DeviceUser{Name: "other", UID: os.Geteuid() + 1, Home: "/"}},
	} {
		if name == "another user's uid" && os.Geteuid() == 0 {
			continue // root may become anybody
		}
		if _, err := host.NewLocal(opts); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
	}
}

func TestRootBecomesTheDeviceUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("skipped: needs root, to become somebody else")
	}
	dir := t.TempDir()
	l, err := host.NewLocal(host.LocalOptions{
		User: host.DeviceUser{Name: "nobody", UID: 65534, GID: 65534, Groups: []int{65534, 4711}, Home: "/"}, TmpDir: "/var/tmp",
	})
	if err != nil {
		t.Fatal(err)
	}
	script := `echo $(id -u) $(id -g) $(id -G) $HOME $USER $LOGNAME $TMPDIR`
	out, errs := filepath.Join(dir, "out"), filepath.Join(dir, "err")
	id, err := l.Launch(t.Context(), host.Command{Args: []string{"sh", "-c", script}}, out, errs)
	if err != nil {
		t.Fatal(err)
	}
	if code, err := l.Await(t.Context(), id); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	got, err := os.ReadFile(out)
	if want := "65534 65534 65534 4711 / nobody nobody /var/tmp\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if info, _ := l.Stat(t.Context(), out); info.UID != 65534 {
		t.Errorf("the output belongs to uid %d", info.UID)
	}
}

func TestTheRunnersEnvironmentStaysWithIt(t *testing.T) {
	t.Setenv("API_TOKEN", "secret")
	t.Setenv("CUTTLEFISH_INSTANCE", "3")
	res, err := newLocal(t).Run(t.Context(), host.Command{Args: []string{"env"}})
	if err != nil || strings.Contains(string(res.Stdout), "secret") || strings.Contains(string(res.Stdout), "CUTTLEFISH") {
		t.Errorf("got %q, %v", res.Stdout, err)
	}
}

func TestSignalSparesTheRunner(t *testing.T) {
	t.Parallel()
	l := newLocal(t)
	rows, err := l.Processes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.PID != os.Getpid() && row.PGID != syscall.Getpgrp() {
			continue
		}
		if err := l.Signal(t.Context(), row.ProcessID, 0, true); !fault.Is(err, fault.Internal) {
			t.Errorf("group of %d: got %v, want a refusal", row.PID, err)
		}
	}
	if err := l.Signal(t.Context(), host.ProcessID{PID: os.Getpid()}, 0, false); !fault.Is(err, fault.Internal) {
		t.Errorf("the runner itself: got %v, want a refusal", err)
	}
}

func TestAnEndedChildOfOthersIsGone(t *testing.T) {
	t.Parallel()
	l := newLocal(t)
	c := exec.Command("true")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Wait() }() // a zombie until then
	id := waitZombie(t, l, c.Process.Pid)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if code, err := l.Await(ctx, id); code != host.ExitUnknown || err != nil {
		t.Errorf("got %d, %v", code, err)
	}
	if err := l.Signal(ctx, id, syscall.SIGKILL, false); err != nil {
		t.Error(err)
	}
}

func waitZombie(t *testing.T, l *host.Local, pid int) host.ProcessID {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		rows, err := l.Processes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row.PID == pid && row.Zombie && row.Exe == "true" {
				return row.ProcessID
			}
		}
	}
	t.Fatal("no zombie seen")
	return host.ProcessID{}
}

func TestExitsNobodyAsksForAreBounded(t *testing.T) {
	t.Parallel()
	l := newLocal(t)
	out := filepath.Join(t.TempDir(), "out")
	first, err := l.Launch(t.Context(), host.Command{Args: []string{"sh", "-c", "exit 9"}}, out, out)
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		if _, err := l.Launch(t.Context(), host.Command{Args: []string{"true"}}, out, out); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		kept := host.KeptExits(l)
		if kept <= 256 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d exits kept", kept)
		}
	}
	if code, err := l.Await(t.Context(), first); err != nil || (code != host.ExitUnknown && code != 9) {
		t.Errorf("got %d, %v", code, err)
	}
}

func TestDialReachesSockets(t *testing.T) {
	t.Parallel()
	l := newLocal(t)
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := l.Dial(t.Context(), network, ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		peer, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(peer, "hello")
		peer.Close()
		if got, err := io.ReadAll(conn); string(got) != "hello" || err != nil {
			t.Errorf("%s: got %q, %v", network, got, err)
		}
		conn.Close()
		ln.Close()
	}
}

func TestAFullDiskSaysSo(t *testing.T) {
	t.Parallel()
	err := host.Wrap(&os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC})
	if !fault.Is(err, fault.Exhausted) || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("got %v (%v)", err, fault.KindOf(err))
	}
}

func BenchmarkProcesses(b *testing.B) {
	l, err := host.NewLocal(host.LocalOptions{User: self("/")})
	if err != nil {
		b.Fatal(err)
	}
	rows := 0
	for b.Loop() {
		table, err := l.Processes(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		rows = len(table)
	}
	b.ReportMetric(float64(rows), "processes")
}
