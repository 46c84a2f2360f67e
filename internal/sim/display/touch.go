package display

import (
	"image"
	"net"

	"github.com/daytonaio/runner-android/internal/sim/evdev"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// maxFingers is how many slots a touch screen has.
const maxFingers = 10

// finger is a slot of the touch screen.
type finger struct {
	down, moved bool
	at          image.Point
}

// serveTouch plays the reports of a touch screen (multi-touch protocol B). The guest knows one finger: the first
// that comes down has it until it is lifted.
func (s *Server) serveTouch(conn net.Conn) {
	var fingers [maxFingers]finger
	slot, led := 0, -1
	lead := finger{}
	defer func() {
		if led >= 0 {
			s.panel.Finger(ui.Cancel, lead.at)
		}
	}()
	for e := range events(conn) {
		switch {
		case e.Type == evdev.Abs && e.Code == evdev.Slot:
			slot = int(e.Value)
		case slot < 0 || slot >= maxFingers:
		case e.Type == evdev.Abs && e.Code == evdev.TrackingID:
			fingers[slot].down = e.Value >= 0
		case e.Type == evdev.Abs && e.Code == evdev.PositionX:
			fingers[slot].at.X, fingers[slot].moved = int(e.Value), true
		case e.Type == evdev.Abs && e.Code == evdev.PositionY:
			fingers[slot].at.Y, fingers[slot].moved = int(e.Value), true
		case e.Type == evdev.Syn:
			led = s.report(&fingers, led)
			if led >= 0 {
				lead = fingers[led]
			}
		}
	}
}

// report plays what has changed and returns the slot of the finger that leads, -1 for none.
func (s *Server) report(fingers *[maxFingers]finger, led int) int {
	defer func() {
		for i := range fingers {
			fingers[i].moved = false
		}
	}()
	if led < 0 {
		for i, f := range fingers {
			if f.down {
				s.panel.Finger(ui.Down, f.at)
				return i
			}
		}
		return -1
	}
	f := fingers[led]
	switch {
	case !f.down:
		s.panel.Finger(ui.Up, f.at)
		return -1
	case f.moved:
		s.panel.Finger(ui.Move, f.at)
	}
	return led
}
