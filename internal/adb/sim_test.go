package adb_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/sim/adbd"
	"github.com/daytonaio/runner-android/internal/sim/guest"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs/guestfstest"
)

// simulated is a device of internal/sim, whose code of the protocol is not ours.
type simulated struct {
	addr   string
	device adbd.Device
}

// simulate starts a device that ends with the test.
func simulate(t testing.TB, diskMB int, change func(*adbd.Device)) *simulated {
	t.Helper()
	fsys, err := guestfs.Open(guestfstest.NewDisk(diskMB<<20), guestfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := guest.Boot(vfs.OnDisk(fsys), guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g.SetBooted()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &simulated{addr: l.Addr().String(), device: adbd.Device{Guest: g, Faults: &adbd.Faults{}, Dial: dialEcho,
		DialLocal: func(ctx context.Context, name string) (io.ReadWriteCloser, error) {
			if name != "echo" {
				return nil, net.ErrClosed
			}
			return dialEcho(ctx, 7)
		},
		Screen: testScreen{}, Binder: testBinder{}}}
	if change != nil {
		change(&s.device)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- adbd.Serve(ctx, l, s.device) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		g.Shutdown()
		fsys.Close()
	})
	return s
}

// dialEcho is the guest's loopback: port 7 sends back what it gets.
func dialEcho(_ context.Context, port int) (io.ReadWriteCloser, error) {
	if port != 7 {
		return nil, net.ErrClosed
	}
	here, there := net.Pipe()
	go func() {
		defer there.Close()
		io.Copy(there, there)
	}()
	return here, nil
}

// testScreen shows every pixel's number.
type testScreen struct{}

func (testScreen) Frame(context.Context) (adbd.Frame, error) {
	f := adbd.Frame{Width: 720, Height: 1280, Pixels: make([]byte, 4*720*1280)}
	for i := range f.Pixels {
		f.Pixels[i] = byte(i / 4 >> (8 * (i % 4)))
	}
	return f, nil
}

// testBinder prints its arguments; "cat" copies its input.
type testBinder struct{}

func (testBinder) Command(_ context.Context, args []string, _ bool, stdin io.Reader, stdout, stderr io.Writer) int {
	if args[0] == "cat" {
		io.Copy(stdout, stdin)
		return 0
	}
	io.WriteString(stdout, strings.Join(args, "|"))
	io.WriteString(stderr, "!")
	return len(args)
}

// use connects to the device; the connection ends with the test.
func (s *simulated) use(t testing.TB, change func(*adb.PoolOptions)) *adb.Device {
	t.Helper()
	opts := adb.PoolOptions{Dial: (&net.Dialer{}).DialContext}
	if change != nil {
		change(&opts)
	}
	p := adb.NewPool(opts)
	t.Cleanup(func() { _ = p.Close() })
	d := p.Attach(s.addr, s.addr, nil)
	if err := d.Await(within(t)); err != nil {
		t.Fatal(err)
	}
	return d
}

// realServer starts an adb server that ends with the test, and returns its address and what
// runs adb against it.
func realServer(t testing.TB) (addr string, run func(args ...string) string) {
	t.Helper()
	return realServerAt(t, t.TempDir())
}

// realServerAt is realServer with a home, where the server keeps its key.
func realServerAt(t testing.TB, home string) (addr string, run func(args ...string) string) {
	t.Helper()
	program, err := exec.LookPath("adb")
	if err != nil {
		t.Skip("skipped: needs adb")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	_ = l.Close()
	env := append(os.Environ(), "HOME="+home, "ADB_EMU=0", "ADB_USB=0", "ADB_MDNS=0", "ADB_VENDOR_KEYS=")
	server := exec.Command(program, "-L", "tcp:"+port, "nodaemon", "server")
	server.Env = env
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if nc, err := net.Dial("tcp", addr); err == nil {
			_ = nc.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the adb server does not come up")
		}
	}
	return addr, func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"-P", port}, args...)...)
		cmd.Env = env
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
}

// within bounds what a test waits for.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for a condition, which it names when it does not come.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ctx := within(t); !holds(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not so after 30 s", what)
		}
	}
}
