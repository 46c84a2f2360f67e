package guest_test

import (
	"bytes"
	"image"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/evdev"
	"github.com/daytonaio/runner-android/internal/sim/guest"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// middle is the middle of the first view of the phone with that text, on the screen as it is turned.
func middle(t *testing.T, g *guest.Guest, text string) image.Point {
	t.Helper()
	v := g.Phone().Tree().Find(func(v *ui.View) bool { return v.Text == text })
	if v == nil {
		t.Fatalf("there is no %q", text)
	}
	return v.Bounds.Min.Add(v.Bounds.Size().Div(2))
}

// Ensure the panel keeps its size however the phone's screen is turned or sized, and that a finger at a point of
// it touches what is seen there.
func TestThePanel(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script string
		at     func(p image.Point) image.Point // where a point of the screen lies on the panel
	}{
		"upright":     {"true", func(p image.Point) image.Point { return p }},
		"turned":      {"settings put system user_rotation 1", func(p image.Point) image.Point { return image.Pt(719-p.Y, p.X) }},
		"upside down": {"settings put system user_rotation 2", func(p image.Point) image.Point { return image.Pt(719-p.X, 1279-p.Y) }},
		"turned left": {"settings put system user_rotation 3", func(p image.Point) image.Point { return image.Pt(p.Y, 1279-p.X) }},
		"smaller":     {"wm size 360x640", func(p image.Point) image.Point { return p.Mul(2) }},
		"of another shape": {"wm size 720x720", func(p image.Point) image.Point {
			return p.Add(image.Pt(0, 280))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := boot(t, guest.Options{})
			if got := sh(t, g, tt.script); got.status != 0 {
				t.Fatal(got)
			}
			panel := g.Panel()
			picture := panel.Picture()
			if picture.Bounds().Size() != image.Pt(720, 1280) {
				t.Errorf("the panel is %v", picture.Bounds())
			}
			mark := panel.Mark()
			at := tt.at(middle(t, g, "Notes"))
			panel.Finger(ui.Down, at)
			panel.Finger(ui.Up, at)
			if front := g.Phone().Focused().Package; !strings.Contains(front, "note") {
				t.Errorf("a tap opened %s", front)
			}
			if panel.Mark() == mark || bytes.Equal(panel.Picture().Pix, picture.Pix) {
				t.Error("the picture did not change")
			}
			mark = panel.Mark()
			if panel.Mark() != mark {
				t.Error("the mark changes although nothing else does")
			}
		})
	}
}

// Ensure keys are those of a keyboard: with modifiers, and with the buttons of the device.
func TestTheKeyboardOfThePanel(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	panel := g.Panel()
	for _, text := range []string{"Notes", "Write something"} {
		at := middle(t, g, text)
		panel.Finger(ui.Down, at)
		panel.Finger(ui.Up, at)
	}
	press := func(name string, down bool) {
		code, ok := evdev.FromDOM(name)
		if !ok {
			t.Fatalf("no key %s", name)
		}
		panel.Key(code, down)
	}
	press("ShiftLeft", true)
	for _, name := range []string{"KeyH", "Digit1"} {
		press(name, true)
		press(name, false)
	}
	press("ShiftLeft", false)
	press("KeyI", true)
	if g.Phone().Tree().Find(func(v *ui.View) bool { return v.Text == "H!i" }) == nil {
		t.Error("it was not typed")
	}
	panel.Key(evdev.Power, true)
	if panel.Awake() {
		t.Error("the display is still on")
	}
}
