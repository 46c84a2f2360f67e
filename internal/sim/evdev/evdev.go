// Package evdev is the input events of the Linux kernel as virtio-input carries them, and what a key is called by
// browsers, by Linux and by Android.
//
//	code, ok := evdev.FromDOM("KeyA")    // 30
//	key, ok := evdev.ToAndroid(code)     // 29, KEYCODE_A
package evdev

import (
	"encoding/binary"
	"sync"
)

// Types and codes of events, as in input-event-codes.h.
const (
	Syn uint16 = 0 // type; code 0 ends a report
	Key uint16 = 1 // type
	Abs uint16 = 3 // type

	Touch      uint16 = 0x14a // BTN_TOUCH
	Slot       uint16 = 0x2f  // ABS_MT_SLOT
	PositionX  uint16 = 0x35  // ABS_MT_POSITION_X
	PositionY  uint16 = 0x36  // ABS_MT_POSITION_Y
	TrackingID uint16 = 0x39  // ABS_MT_TRACKING_ID; -1 is a finger that is lifted

	Power      uint16 = 116
	Home       uint16 = 172 // KEY_HOMEPAGE
	Back       uint16 = 158
	Menu       uint16 = 139
	VolumeUp   uint16 = 115
	VolumeDown uint16 = 114
)

// Event is one event: struct virtio_input_event.
type Event struct {
	Type, Code uint16
	Value      int32
}

// Size is the length of an event on the wire.
const Size = 8

// Append adds the event's bytes.
func (e Event) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, e.Type)
	b = binary.LittleEndian.AppendUint16(b, e.Code)
	return binary.LittleEndian.AppendUint32(b, uint32(e.Value))
}

// Decode reads an event from Size bytes.
func Decode(b [Size]byte) Event {
	return Event{
		binary.LittleEndian.Uint16(b[0:]), binary.LittleEndian.Uint16(b[2:]), int32(binary.LittleEndian.Uint32(b[4:])),
	}
}

// names is a key by its three names.
type names struct {
	dom     string
	linux   uint16
	android int
}

// rows are runs of keys whose Linux codes follow one another.
func rows() []names {
	all := []names{
		{"Escape", 1, 111}, {"Digit0", 11, 7}, {"Minus", 12, 69}, {"Equal", 13, 70}, {"Backspace", 14, 67}, {"Tab", 15, 61},
		{"BracketLeft", 26, 71}, {"BracketRight", 27, 72}, {"Enter", 28, 66}, {"ControlLeft", 29, 113}, {"Semicolon", 39, 74},
		{"Quote", 40, 75}, {"Backquote", 41, 68}, {"ShiftLeft", 42, 59}, {"Backslash", 43, 73}, {"Comma", 51, 55},
		{"Period", 52, 56}, {"Slash", 53, 76}, {"ShiftRight", 54, 60}, {"NumpadMultiply", 55, 155}, {"AltLeft", 56, 57},
		{"Space", 57, 62}, {"CapsLock", 58, 115}, {"NumLock", 69, 143}, {"ScrollLock", 70, 116}, {"Numpad7", 71, 151},
		{"Numpad8", 72, 152}, {"Numpad9", 73, 153}, {"NumpadSubtract", 74, 156}, {"Numpad4", 75, 148}, {"Numpad5", 76, 149},
		{"Numpad6", 77, 150}, {"NumpadAdd", 78, 157}, {"Numpad1", 79, 145}, {"Numpad2", 80, 146}, {"Numpad3", 81, 147},
		{"Numpad0", 82, 144}, {"NumpadDecimal", 83, 158}, {"F11", 87, 141}, {"F12", 88, 142}, {"NumpadEnter", 96, 160},
		{"ControlRight", 97, 114}, {"NumpadDivide", 98, 154}, {"AltRight", 100, 58}, {"Home", 102, 122}, {"ArrowUp", 103, 19},
		{"PageUp", 104, 92}, {"ArrowLeft", 105, 21}, {"ArrowRight", 106, 22}, {"End", 107, 123}, {"ArrowDown", 108, 20},
		{"PageDown", 109, 93}, {"Insert", 110, 124}, {"Delete", 111, 112}, {"MetaLeft", 125, 117}, {"MetaRight", 126, 118},
		{"ContextMenu", 127, 82}, {"", Power, 26}, {"", Home, 3}, {"", Back, 4}, {"", Menu, 82},
		{"AudioVolumeUp", VolumeUp, 24}, {"AudioVolumeDown", VolumeDown, 25},
	}
	for i := range 9 {
		all = append(all, names{"Digit" + string(rune('1'+i)), uint16(2 + i), 8 + i})
	}
	for i := range 10 {
		name := "F" + string(rune('1'+i))
		if i == 9 {
			name = "F10"
		}
		all = append(all, names{name, uint16(59 + i), 131 + i})
	}
	for first, letters := range map[uint16]string{16: "QWERTYUIOP", 30: "ASDFGHJKL", 44: "ZXCVBNM"} {
		for i, letter := range letters {
			all = append(all, names{"Key" + string(letter), first + uint16(i), 29 + int(letter-'A')})
		}
	}
	return all
}

type tables struct {
	dom   map[string]uint16
	linux map[uint16]int
}

var keys = sync.OnceValue(func() tables {
	t := tables{map[string]uint16{}, map[uint16]int{}}
	for _, row := range rows() {
		if row.dom != "" {
			t.dom[row.dom] = row.linux
		}
		t.linux[row.linux] = row.android
	}
	return t
})

// FromDOM is the Linux code of a key that a browser names by KeyboardEvent.code.
func FromDOM(code string) (uint16, bool) {
	linux, ok := keys().dom[code]
	return linux, ok
}

// ToAndroid is the KEYCODE of a key of Linux, as Generic.kl has it.
func ToAndroid(code uint16) (int, bool) {
	android, ok := keys().linux[code]
	return android, ok
}
