package main_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/adb"
)

// Ensure the services that need more than a shell reach the device: its screen, its binder and its ports.
func TestADBServicesEndToEnd(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	r.create("dev1")
	pool := adb.NewPool(adb.PoolOptions{Dial: (&net.Dialer{}).DialContext})
	t.Cleanup(func() { _ = pool.Close() })
	d := pool.Attach("dev1", fmt.Sprintf("127.0.0.1:%d", r.info("dev1").ADBPort), nil)
	if err := d.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	size := r.exec("dev1", "wm size")
	header, frame, err := d.Framebuffer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer frame.Close()
	pixels, err := io.ReadAll(frame)
	if want := fmt.Sprintf("Physical size: %dx%d\n", header.Width, header.Height); err != nil || len(pixels) != int(header.Size) || size != want {
		t.Errorf("%d bytes of %d, %v; wm says %q, the frame %q", len(pixels), header.Size, err, size, want)
	}
	res, err := d.ABB(t.Context(), []string{"package", "list", "packages"})
	if want := r.exec("dev1", "cmd package list packages"); err != nil || res.ExitCode != 0 || string(res.Output) != want || !strings.HasPrefix(want, "package:") {
		t.Errorf("got %d %q, %v; the shell says %q", res.ExitCode, res.Output, err, want)
	}
	raw, err := d.ABBExec(t.Context(), []string{"package", "path", "no'such app"})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := io.ReadAll(raw); err != nil {
		t.Errorf("abb_exec: %v", err)
	}
}
