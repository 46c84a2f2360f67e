package webrtc_test

import (
	"context"
	"encoding/json"
	"image"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/sim/display"
	"github.com/daytonaio/runner-android/internal/sim/guest"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs/guestfstest"
	"github.com/daytonaio/runner-android/internal/sim/operator"
	"github.com/daytonaio/runner-android/internal/sim/webrtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds all waits for something that should happen soon.
const patience = 30 * time.Second

// rig is an operator with one device whose guest is real.
type rig struct {
	t       *testing.T
	service *operator.Service
	guest   *guest.Guest
	panel   *display.Server
	device  *webrtc.Device
}

const deviceID = "dev-1"

// newRig starts everything, and waits until the device is registered.
func newRig(t *testing.T, o operator.Options) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "wr") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	files, err := guestfs.Open(guestfstest.NewDisk(64<<20), guestfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := guest.Boot(vfs.OnDisk(files), guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Shutdown(); files.Close() })
	panel, err := display.Serve(dir, g.Panel())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(panel.Close)
	service, err := operator.Start(o, operator.Place{
		HTTP: "127.0.0.1:0", Devices: filepath.Join(dir, "operator"), Control: filepath.Join(dir, "control"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(service.Close)
	screen := display.NewScreen(dir)
	device := webrtc.New(webrtc.Options{
		ID: deviceID, Operator: filepath.Join(dir, "operator"), Screen: screen, Log: newLog(t), RetryAfter: 50 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { screen.Run(ctx, device.Tell) })
	parts.Go(func() {
		if err := device.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); parts.Wait() })
	r := &rig{t, service, g, panel, device}
	r.awaitRegistered()
	return r
}

// logTo shows what the device says where the test fails, as long as the test goes on.
type logTo struct {
	t    *testing.T
	mu   sync.Mutex
	over bool
}

func newLog(t *testing.T) *logTo {
	l := &logTo{t: t}
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.over = true
	})
	return l
}

func (l *logTo) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// await waits for a condition.
func await(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); {
		if time.Now().After(deadline) {
			t.Fatalf("no %s after %s", what, patience)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *rig) awaitRegistered() {
	r.t.Helper()
	await(r.t, "registration", func() bool {
		hub := r.service.Hub()
		return hub != nil && len(hub.Devices()) == 1
	})
}

func (r *rig) url() string { return "http://" + r.service.Place().HTTP }

// button is the middle of a view of the guest with that text.
func (r *rig) button(text string) image.Point {
	r.t.Helper()
	v := r.guest.Phone().Tree().Find(func(v *ui.View) bool { return v.Text == text })
	if v == nil {
		r.t.Fatalf("the guest shows no %q", text)
	}
	return v.Bounds.Min.Add(v.Bounds.Size().Div(2))
}

// client is an HTTP client without connections that outlive a test.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// runInGuest runs a command in the guest's shell.
func runInGuest(t *testing.T, g *guest.Guest, script string) {
	t.Helper()
	session, err := g.Start(guest.Spec{Script: script})
	if err != nil {
		t.Fatal(err)
	}
	if status := session.Wait(); status != 0 {
		t.Fatalf("%s: %d", script, status)
	}
}
