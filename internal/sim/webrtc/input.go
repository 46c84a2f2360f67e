package webrtc

import (
	"encoding/json"
	"sync"

	pion "github.com/pion/webrtc/v4"

	"github.com/daytonaio/runner-android/internal/sim/evdev"
)

// maxFingers is how many slots the touch screen has.
const maxFingers = 10

// touchID is a finger: a viewer's pointer.
type touchID struct{ client, id int }

// touchScreen gives fingers their slots.
type touchScreen struct {
	mu    sync.Mutex
	slots [maxFingers]*touchID
}

// slot finds a finger's slot, or takes a free one when it comes down; -1 is none.
func (t *touchScreen) slot(f touchID, take bool) (slot int, fresh bool) {
	free := -1
	for i, s := range t.slots {
		if s != nil && *s == f {
			return i, false
		}
		if s == nil && free < 0 {
			free = i
		}
	}
	if !take || free < 0 {
		return -1, false
	}
	t.slots[free] = &f
	return free, true
}

// inputMessage is what the page's input channel carries, as far as it is simulated.
type inputMessage struct {
	Type      string `json:"type"`
	ID        []int  `json:"id"`
	X         []int  `json:"x"`
	Y         []int  `json:"y"`
	Down      int    `json:"down"`
	Label     string `json:"device_label"`
	Keycode   string `json:"keycode"`
	EventType string `json:"event_type"`
}

// input plays one message of an input channel.
func (d *Device) input(client int, data []byte) {
	d.record("input-channel", string(data))
	var m inputMessage
	if json.Unmarshal(data, &m) != nil {
		return
	}
	switch m.Type {
	case "multi-touch":
		if len(m.X) == len(m.ID) && len(m.Y) == len(m.ID) && (m.Label == "" || m.Label == displayLabel) {
			d.multiTouch(client, m)
		}
	case "keyboard":
		if code, ok := evdev.FromDOM(m.Keycode); ok {
			d.key(code, m.EventType == "keydown")
		}
	}
}

func (d *Device) key(code uint16, down bool) {
	value := int32(0)
	if down {
		value = 1
	}
	d.options.Screen.Keyboard(evdev.Event{Type: evdev.Key, Code: code, Value: value})
}

func (d *Device) multiTouch(client int, m inputMessage) {
	t := &d.fingers
	t.mu.Lock()
	defer t.mu.Unlock()
	var report []evdev.Event
	for i, id := range m.ID {
		slot, fresh := t.slot(touchID{client, id}, m.Down != 0)
		if slot < 0 {
			continue
		}
		report = append(report, evdev.Event{Type: evdev.Abs, Code: evdev.Slot, Value: int32(slot)})
		if fresh {
			report = append(report, evdev.Event{Type: evdev.Abs, Code: evdev.TrackingID, Value: int32(id & 0x7fffffff)})
		}
		report = append(report, evdev.Event{Type: evdev.Abs, Code: evdev.PositionX, Value: int32(m.X[i])},
			evdev.Event{Type: evdev.Abs, Code: evdev.PositionY, Value: int32(m.Y[i])})
		if m.Down == 0 {
			t.slots[slot] = nil
			report = append(report, evdev.Event{Type: evdev.Abs, Code: evdev.TrackingID, Value: -1})
		}
	}
	if len(report) > 0 {
		d.options.Screen.Touch(report...)
	}
}

// liftFingers lifts those of a viewer that is gone.
func (d *Device) liftFingers(client int) {
	t := &d.fingers
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, s := range t.slots {
		if s != nil && s.client == client {
			t.slots[i] = nil
			d.options.Screen.Touch(evdev.Event{Type: evdev.Abs, Code: evdev.Slot, Value: int32(i)},
				evdev.Event{Type: evdev.Abs, Code: evdev.TrackingID, Value: -1})
		}
	}
}

// obey carries out a command of the control channel.
func (v *viewer) obey(message pion.DataChannelMessage) {
	v.device.record("device-control", string(message.Data))
	var m struct {
		Command string `json:"command"`
		State   string `json:"button_state"`
	}
	if json.Unmarshal(message.Data, &m) != nil {
		return
	}
	buttons := map[string]uint16{
		"power": evdev.Power, "back": evdev.Back, "home": evdev.Home, "menu": evdev.Menu,
		"volumeup": evdev.VolumeUp, "volumedown": evdev.VolumeDown,
	}
	if code, ok := buttons[m.Command]; ok {
		v.device.key(code, m.State == "down")
		return
	}
	if m.Command == "display" {
		v.device.cast.refresh(1)
	}
}
