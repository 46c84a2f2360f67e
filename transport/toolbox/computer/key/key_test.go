package key

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Ensure every row of the table of names means what it says.
func TestEveryName(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"enter": "66", "Return": "66", "tab": "61", "space": "62", "spacebar": "62", "backspace": "67", "BackSpace": "67",
		"delete": "112", "del": "112", "escape": "111", "Esc": "111", "home": "122", "Home": "122", "end": "123", "insert": "124",
		"pageup": "92", "Page-Up": "92", "page_up": "92", "pagedown": "93", "up": "19", "down": "20", "left": "21", "right": "22",
		"ctrl": "113", "control": "113", "lctrl": "113", "left-ctrl": "113", "rctrl": "114", "right_control": "114", "alt": "57", "option": "57", "lalt": "57",
		"ralt": "58", "shift": "59", "lshift": "59", "rshift": "60", "cmd": "117", "super": "117", "win": "117", "meta": "117", "lcmd": "117", "rcmd": "118",
		"capslock": "115", "num_lock": "143", "menu": "82", "num_slash": "154", "num_asterisk": "155", "num_minus": "156", "num_plus": "157",
		"num_decimal": "158", "num_enter": "160", "num-equal": "161", ",": "55", ".": "56", "`": "68", "-": "69", "=": "70", "[": "71", "]": "72",
		"\\": "73", ";": "74", "'": "75", "/": "76",
		"KP_Enter": "160", "Control_L": "113", "Super_L": "117", "Prior": "92", "Next": "93",
		"back": "4", "HOME": "3", "android_home": "3", "home_screen": "3", "KEYCODE_HOME": "KEYCODE_HOME", "keycode_back": "KEYCODE_BACK",
		"app_switch": "187", "recents": "187", "power": "26", "wakeup": "224", "sleep": "223", "volume_up": "24", "volume-down": "25", "mute": "164",
		"search": "84", "play_pause": "85", "camera": "27", "call": "5", "end_call": "6", "notification": "83", "settings": "176", "assist": "219",
		"copy": "278", "cut": "277", "paste": "279", "brightness_down": "220", "brightness_up": "221", "66": "66", "279": "279",
	}
	for i := range 12 {
		want[fmt.Sprintf("F%d", i+1)] = fmt.Sprint(131 + i)
	}
	for i := range 10 {
		want[fmt.Sprint(i)], want[fmt.Sprintf("num%d", i)] = fmt.Sprint(7+i), fmt.Sprint(144+i)
	}
	for i := range 26 {
		want[string(rune('a'+i))], want[string(rune('A'+i))] = fmt.Sprint(29+i), fmt.Sprint(29+i)
	}
	for name, code := range want {
		got, err := Press(name, nil)
		if err != nil || len(got.Codes) != 1 || got.Codes[0] != code {
			t.Errorf("%q: got %v %v, want %s", name, got.Codes, err, code)
		}
	}
	for name := range codes {
		if _, err := Press(name, nil); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for alias, name := range aliases {
		if _, ok := codes[name]; !ok {
			t.Errorf("%q is an alias of %q, which is no key", alias, name)
		}
	}
}

func TestPress(t *testing.T) {
	t.Parallel()
	docs := "; see supported keyboard key names in the computer-use docs"
	sides := "; supported modifiers: ctrl, alt, shift, cmd; left/right-specific modifier keys are only supported as the main key"
	for _, tt := range []struct {
		key       string
		modifiers []string
		want      string // codes, or the error
	}{
		{"c", []string{"ctrl"}, "113 31"},
		{"Return", []string{"Control", "SHIFT"}, "113 59 66"},
		{"tab", []string{"option", "windows"}, "57 117 61"},
		{"rctrl", []string{"alt"}, "57 114"},
		{"", nil, `unsupported key "": empty key token`},
		{"!", nil, `unsupported key "!"; use press("1", ["shift"]) for a shifted key or type("!") for text`},
		{`|`, nil, `unsupported key "|"; use press("\\", ["shift"]) for a shifted key or type("|") for text`},
		{" ", nil, `unsupported key " "; use press("space") or type(" ")`},
		{"\t", nil, `unsupported key "\t"; use press("tab") or type("\t")`},
		{"\n", nil, `unsupported key "\n"; use press("enter") or type("\n")`},
		{"a b", nil, `unsupported key "a b"; use a named key such as "space", "tab", or "enter"`},
		{"\u00a0", nil, "unsupported key \"\\u00a0\"; use a named key such as \"space\", \"tab\", or \"enter\""},
		{"é", nil, `unsupported key "é"; use type("é") for text input`},
		{"éa", nil, `unsupported key "éa"; use type("éa") for text input`},
		{"a\x07", nil, `unsupported key "a\a"; use type("a\a") for text input`},
		{"num+", nil, `unsupported key "num+"; use "num_plus"`},
		{"NUM*", nil, `unsupported key "NUM*"; use "num_asterisk"`},
		{"nokey", nil, `unsupported key "nokey"` + docs},
		{"\x7f", nil, `unsupported key "\x7f"; use type("\x7f") for text input`},
		{"f13", nil, `unsupported key "f13"; Android has F1 to F12`},
		{"F24", nil, `unsupported key "F24"; Android has F1 to F12`},
		{"f25", nil, `unsupported key "f25"` + docs},
		{"KEYCODE_; reboot", nil, `unsupported key "KEYCODE_; reboot"; use a named key such as "space", "tab", or "enter"`},
		{"KEYCODE_$(id)", nil, `unsupported key "KEYCODE_$(id)"` + docs},
		{"99999", nil, `unsupported key "99999"` + docs},
		{"a", []string{"fn"}, `unsupported modifier "fn"; supported modifiers: ctrl, alt, shift, cmd`},
		{"a", []string{""}, `unsupported modifier ""; supported modifiers: ctrl, alt, shift, cmd`},
		{"a", []string{"lctrl"}, `unsupported modifier "lctrl"` + sides},
		{"a", []string{"ctrl", "ctrl"}, `duplicate modifier "ctrl" in press("a", ["ctrl", "ctrl"])`},
		{"a", []string{"ctrl", "control"}, `duplicate modifier usage after normalization in press("a", ["ctrl", "control"])`},
		{"lctrl", []string{"ctrl"}, `duplicate modifier usage after normalization in press("lctrl", ["ctrl"])`},
	} {
		chord, err := Press(tt.key, tt.modifiers)
		got := strings.Join(chord.Codes, " ")
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q %q: got %s, want %s", tt.key, tt.modifiers, got, tt.want)
		}
	}
}

func TestHotkey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ keys, want string }{
		{"ctrl+c", "113 31"},
		{" Ctrl + Shift + Page-Up ", "113 59 92"},
		{"ctrl", "113"},
		{"a", "29"},
		{"", `invalid hotkey "": empty key token`},
		{"ctrl+", `invalid hotkey "ctrl+": empty key token`},
		{"ctrl+ ", `invalid hotkey "ctrl+ ": empty key token after trimming`},
		{"ctrl+a b", `invalid hotkey "ctrl+a b": only a single chord is supported`},
		{"a+b", `invalid hotkey "a+b": chords may contain at most one non-modifier key`},
		{"ctrl+nokey", `invalid hotkey "ctrl+nokey": unsupported key "nokey"; see supported keyboard key names in the computer-use docs`},
		{"fn+a", `invalid hotkey "fn+a": unsupported modifier "fn"; supported modifiers: ctrl, alt, shift, cmd`},
		{"rctrl+a", `invalid hotkey "rctrl+a": unsupported modifier "rctrl"; supported modifiers: ctrl, alt, shift, cmd; left/right-specific modifier keys are only supported as the main key`},
		{"ctrl+ctrl+a", `invalid hotkey "ctrl+ctrl+a": duplicate modifier "ctrl" in hotkey("ctrl+ctrl+a")`},
		{"ctrl+lctrl", `invalid hotkey "ctrl+lctrl": duplicate modifier usage after normalization in hotkey("ctrl+lctrl")`},
	} {
		chord, err := Hotkey(tt.keys)
		got := strings.Join(chord.Codes, " ")
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.keys, got, tt.want)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		codes  string
		combos bool
		want   string
	}{
		{"66", true, "input keyevent 66"},
		{"KEYCODE_HOME", false, "input keyevent KEYCODE_HOME"},
		{"113 59 29", true, "input keycombination 113 59 29"},
		{"113 31", true, "input keycombination 113 31"},
		{"113 31", false, "input keyevent 278"},
		{"113 52", false, "input keyevent 277"},
		{"113 50", false, "input keyevent 279"},
		{"113 29", false, ""},
	} {
		got, err := Chord{strings.Fields(tt.codes)}.Command(tt.combos)
		if got != tt.want || errors.Is(err, ErrNoCombos) != (tt.want == "") {
			t.Errorf("%s: got %q %v", tt.codes, got, err)
		}
	}
}

// Ensure whatever is pressed, the shell gets words of its own only.
func FuzzKeys(f *testing.F) {
	f.Add("ctrl+c", "a", "ctrl")
	f.Add("KEYCODE_A;id", "KEYCODE_`id`", "shift\n")
	f.Fuzz(func(t *testing.T, keys, name, held string) {
		a, _ := Hotkey(keys)
		b, _ := Press(name, []string{held})
		for _, c := range []Chord{a, b} {
			for _, code := range c.Codes {
				if code == "" || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != "" {
					t.Errorf("%q %q: %q", keys, name, code)
				}
			}
		}
	})
}
