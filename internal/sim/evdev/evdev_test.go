package evdev_test

import (
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/evdev"
)

// Ensure keys keep their meaning on the way from a browser to Android.
func TestKeys(t *testing.T) {
	t.Parallel()
	for dom, want := range map[string]int{
		"KeyA": 29, "KeyQ": 45, "KeyM": 41, "Digit0": 7, "Digit9": 16, "Space": 62, "Enter": 66, "ShiftLeft": 59, "F10": 140, "ArrowDown": 20,
	} {
		code, ok := evdev.FromDOM(dom)
		android, known := evdev.ToAndroid(code)
		if !ok || !known || android != want {
			t.Errorf("%s: %d, %t; want %d", dom, android, known, want)
		}
	}
	if _, ok := evdev.FromDOM("Hyper"); ok {
		t.Error("a key that no keyboard has is known")
	}
}

// Ensure an event is eight bytes and comes back as it was.
func TestEvents(t *testing.T) {
	t.Parallel()
	e := evdev.Event{Type: evdev.Abs, Code: evdev.TrackingID, Value: -1}
	b := e.Append(nil)
	if len(b) != evdev.Size || evdev.Decode([evdev.Size]byte(b)) != e {
		t.Errorf("got % x", b)
	}
}
