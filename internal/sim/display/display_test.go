package display_test

import (
	"context"
	"errors"
	"image"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/sim/display"
	"github.com/daytonaio/runner-android/internal/sim/evdev"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// panel is a panel of one pixel that remembers what it felt.
type panel struct {
	mark  atomic.Uint64
	marks atomic.Int64 // how often it was looked at

	mu       sync.Mutex
	rotation int
	felt     []string
}

func (p *panel) Mark() uint64 {
	p.marks.Add(1)
	return p.mark.Load()
}

func (p *panel) Picture() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 1, 1))
	img.Pix[0] = byte(p.mark.Load())
	return img
}

func (p *panel) Rotation() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rotation
}

func (p *panel) Awake() bool { return true }

func (p *panel) Finger(a ui.Action, at image.Point) {
	p.feel([]string{"down", "move", "up", "cancel"}[a] + at.String())
}

func (p *panel) Key(code uint16, down bool) {
	p.feel(map[bool]string{true: "press", false: "release"}[down])
}

func (p *panel) feel(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.felt = append(p.felt, what)
}

func (p *panel) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.felt...)
}

// rig is both ends of the sockets.
type rig struct {
	dir    string
	panel  *panel
	server *display.Server
	screen *display.Screen
	events chan display.Event
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "ds") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &rig{dir: dir, panel: &panel{}, screen: display.NewScreen(dir), events: make(chan display.Event, 10)}
	r.serve(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.screen.Run(ctx, func(e display.Event) { r.events <- e })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		r.server.Close()
	})
	return r
}

func (r *rig) serve(t *testing.T) {
	t.Helper()
	var err error
	if r.server, err = display.Serve(r.dir, r.panel); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) next(t *testing.T, now bool) byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	picture, err := r.screen.Next(ctx, now)
	if err != nil {
		t.Fatal(err)
	}
	return picture.Pix[0]
}

func (r *rig) event(t *testing.T) display.Event {
	t.Helper()
	select {
	case e := <-r.events:
		return e
	case <-time.After(patience):
		t.Fatal("no event")
		return display.Event{}
	}
}

// Ensure pictures come when they change, or at once when asked for, over a VM that is started anew, and that
// nobody looks at the panel while nobody waits.
func TestPictures(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.panel.mark.Store(1)
	if got := r.next(t, false); got != 1 {
		t.Errorf("first picture %d", got)
	}
	if got := r.next(t, true); got != 1 {
		t.Errorf("the present picture is %d", got)
	}
	short, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	if _, err := r.screen.Next(short, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the same picture again: %v", err)
	}
	await(t, "rest", func() bool {
		before := r.panel.marks.Load()
		time.Sleep(250 * time.Millisecond)
		return r.panel.marks.Load() == before
	})
	time.AfterFunc(50*time.Millisecond, func() { r.panel.mark.Store(2) })
	if got := r.next(t, false); got != 2 {
		t.Errorf("second picture %d", got)
	}
	r.server.Close()
	r.panel.mark.Store(3)
	gone, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.screen.Next(gone, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a VM: %v", err)
	}
	r.serve(t)
	if got := r.next(t, false); got != 3 {
		t.Errorf("picture of the new VM %d", got)
	}
}

// Ensure events arrive, and the last of each kind at who comes later.
func TestEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.next(t, true) // it is connected
	for _, name := range []string{display.BootStarted, display.BootCompleted} {
		r.server.Tell(display.Event{Name: name})
		if got := r.event(t); got.Name != name {
			t.Errorf("event %v, want %s", got, name)
		}
	}
	r.panel.mu.Lock()
	r.panel.rotation = 1
	r.panel.mu.Unlock()
	r.next(t, true)
	if got := r.event(t); got.Name != display.ScreenChanged || got.Metadata["rotation"] != "90" {
		t.Errorf("a turn is %v", got)
	}
	late := display.NewScreen(r.dir)
	ctx, cancel := context.WithCancel(t.Context())
	var told []string
	late.Run(ctx, func(e display.Event) {
		if told = append(told, e.Name); len(told) == 2 {
			cancel()
		}
	})
	if !reflect.DeepEqual(told, []string{display.BootCompleted, display.ScreenChanged}) {
		t.Errorf("later ones are told %v", told)
	}
}

// Ensure fingers and keys reach the panel, of several fingers the first.
func TestInput(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.next(t, true) // it is connected
	abs := func(code uint16, value int32) evdev.Event {
		return evdev.Event{Type: evdev.Abs, Code: code, Value: value}
	}
	r.screen.Touch(abs(evdev.Slot, 0), abs(evdev.TrackingID, 5), abs(evdev.PositionX, 1), abs(evdev.PositionY, 2))
	r.screen.Touch(abs(evdev.Slot, 1), abs(evdev.TrackingID, 6), abs(evdev.PositionX, 7), abs(evdev.PositionY, 8))
	r.screen.Touch(abs(evdev.Slot, 0), abs(evdev.PositionX, 3))
	r.screen.Touch(abs(evdev.Slot, 99), abs(evdev.TrackingID, 7))
	r.screen.Touch(abs(evdev.Slot, 0), abs(evdev.TrackingID, -1))
	want := []string{"down(1,2)", "move(3,2)", "up(3,2)"}
	await(t, "touch", func() bool { return reflect.DeepEqual(r.panel.all(), want) })
	r.screen.Keyboard(evdev.Event{Type: evdev.Key, Code: 30, Value: 1})
	r.screen.Keyboard(evdev.Event{Type: evdev.Key, Code: 30, Value: 0})
	want = append(want, "press", "release")
	await(t, "keys", func() bool { return reflect.DeepEqual(r.panel.all(), want) })
}

func await(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); {
		if time.Now().After(deadline) {
			t.Fatalf("no %s after %s", what, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
