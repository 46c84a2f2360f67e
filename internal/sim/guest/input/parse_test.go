package input

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestNamesHaveTheNumbersOfKeyEvent(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{
		"HOME": 3, "BACK": 4, "KEYCODE_0": 7, "DPAD_UP": 19, "POWER": 26, "A": 29, "Z": 54, "ENTER": 66, "DEL": 67, "MENU": 82, "SEARCH": 84,
		"MEDIA_PLAY_PAUSE": 85, "PAGE_UP": 92, "ESCAPE": 111, "FORWARD_DEL": 112, "CTRL_LEFT": 113, "META_LEFT": 117, "MOVE_HOME": 122,
		"INSERT": 124, "F1": 131, "F12": 142, "NUM_LOCK": 143, "NUMPAD_0": 144, "NUMPAD_ENTER": 160, "VOLUME_MUTE": 164, "SETTINGS": 176,
		"APP_SWITCH": 187, "ASSIST": 219, "SLEEP": 223, "WAKEUP": 224, "PASTE": 279, "NOPE": 0,
	} {
		if got := Code(name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

func TestTextLosesWhatAndroidsDoes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a%sb": "a b", "50%sale": "50 ale", "%%s": "% ", "100%": "100%", "%d%s%": "%d %", "s%ss": "s s", "": "", "%s%s": "  ", "plain": "plain",
	} {
		if got := Decode(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line    string
		release int
		events  int
		err     string // "" is none
	}{
		{"tap 1 2", 15, 2, ""},
		{"touchscreen tap 1.5 2", 15, 2, ""},
		{"-d 0 tap 1 2", 15, 2, ""},
		{"tap 1", 15, 0, `Argument expected after "tap"`},
		{"tap a 2", 15, 0, `For input string: "a"`},
		{"swipe 1 2 3 4", 15, 22, ""},
		{"draganddrop 1 2 3 4 100", 15, 23, ""},
		{"press", 15, 1, ""},
		{"roll 1 -2", 15, 1, ""},
		{"motionevent DOWN 1 2", 15, 1, ""},
		{"motionevent down 1 2", 15, 1, ""},
		{"motionevent JUMP 1 2", 15, 0, "Unknown action: JUMP"},
		{"keyevent 3 KEYCODE_BACK ENTER", 15, 3, ""},
		{"keyevent --longpress POWER", 15, 2, ""},
		{"keyevent --delay 5 A B", 15, 3, ""},
		{"keyevent --doubletap A", 15, 2, ""},
		{"keyevent --nope A", 15, 0, "Unknown option: --nope"},
		{"keyevent", 15, 0, `Argument expected after "keyevent"`},
		{"keycombination CTRL_LEFT A", 15, 1, ""},
		{"keycombination -t 10 113 29", 15, 2, ""},
		{"keycombination A", 15, 0, "keycombination requires at least 2 keycodes"},
		{"keycombination CTRL_LEFT A", 10, 0, "Unknown command: keycombination"},
		{"mouse scroll 10 20 --axis VSCROLL,-3", 15, 1, ""},
		{"mouse scroll 10 20 --axis VSCROLL,x", 15, 0, "Invalid --axis option: VSCROLL,x"},
		{"scroll 1 2", 10, 0, "Unknown command: scroll"},
		{"jump", 15, 0, "Unknown command: jump"},
		{"", 15, 0, "usage"},
		{"text a%sb dropped", 15, 1, ""},
		{"-d x tap 1 2", 15, 0, "Error: Invalid arguments for display ID."},
	} {
		events, err := Parse(strings.Fields(c.line), c.release)
		if len(events) != c.events || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s on %d: %d events, %v; want %d, %q", c.line, c.release, len(events), err, c.events, c.err)
		}
	}
	if _, err := Parse(nil, 15); !errors.Is(err, ErrUsage) {
		t.Errorf("nothing: %v", err)
	}
	if old, _ := Parse([]string{"text", "a b"}, 10); old[0].Words != "a" {
		t.Errorf("Android 10 types %q of two words", old[0].Words)
	}
	if now, _ := Parse([]string{"text", "a b"}, 15); now[0].Words != "a b" {
		t.Errorf("Android 15 types %q of two words", now[0].Words)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"tap 1 2", "swipe 1 2 3 4 5", "text %s%%s", "keyevent --delay 1 A", "mouse scroll 1 2 --axis VSCROLL,1", "keycombination -t 1 A B", "motionevent UP NaN Inf"} {
		f.Add(seed, 15)
		f.Add(seed, 10)
	}
	f.Fuzz(func(t *testing.T, line string, release int) {
		events, err := Parse(strings.Fields(line), release)
		if err != nil && events != nil {
			t.Fatalf("%q: both events and %v", line, err)
		}
		for _, e := range events {
			if e.Kind == 0 || e.X > limit || e.Y < -limit || e.Pause < 0 || e.Pause > time.Minute {
				t.Fatalf("%q: %+v", line, e)
			}
		}
	})
}
