package computer

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// row is one request, its answer, and what it does to the device.
type row struct {
	name, path, body string
	status           int
	want             string // the whole body; for errors of the request what "error" says, else "message"
	acts             []string
}

// check posts each row and compares.
func check(t *testing.T, d *fakeDevice, rows []row) {
	t.Helper()
	c := start(t, d, nil, Options{Settle: time.Millisecond})
	for _, tt := range rows {
		got := c.Do("POST", base+tt.path, tt.body)
		text := got.Body
		switch {
		case got.Status == 400 || got.Status == 413:
			text = got.Field(t, "error")
		case got.Status != 200:
			text = got.Field(t, "message")
		}
		if got.Status != tt.status || text != tt.want {
			t.Errorf("%s: got %d %s, want %d %s", tt.name, got.Status, got.Body, tt.status, tt.want)
		}
		acts := slices.DeleteFunc(d.acts(), func(l string) bool { return strings.HasPrefix(l, "wm ") || strings.HasPrefix(l, "dumpsys ") })
		if !slices.Equal(acts, tt.acts) {
			t.Errorf("%s: did %q, want %q", tt.name, acts, tt.acts)
		}
	}
}

func TestMouse(t *testing.T) {
	t.Parallel()
	check(t, newDevice(t, newHelp), []row{
		{"a move", "/mouse/move", `{"x":3,"y":4}`, 200, `{"x":3,"y":4}`, nil},
		{"a move without numbers", "/mouse/move", `{}`, 200, `{"x":0,"y":0}`, nil},
		{"a move nowhere", "/mouse/move", `{"x":"a"}`, 400, "Invalid coordinates", nil},
		{"a move too far", "/mouse/move", `{"x":-1048577}`, 400, "Invalid coordinates", nil},
		{"a number of another sort", "/mouse/move", `{"x":1e6}`, 400, "Invalid coordinates", nil},
		{"no body", "/mouse/move", ``, 400, "Invalid coordinates", nil},
		{"a click", "/mouse/click", `{"x":10,"y":20}`, 200, `{"x":10,"y":20}`, []string{"input tap 10 20"}},
		{"as the SDK sends it", "/mouse/click", `{"x":10,"y":20,"button":"left","double":true}`, 200, `{"x":10,"y":20}`, []string{"input tap 10 20", "input tap 10 20"}},
		{"a right click", "/mouse/click", `{"x":1,"y":2,"button":"RIGHT"}`, 200, `{"x":1,"y":2}`, []string{"input swipe 1 2 1 2 600"}},
		{"left of the screen", "/mouse/click", `{"x":-1,"y":2,"button":null}`, 200, `{"x":-1,"y":2}`, []string{"input tap -1 2"}},
		{"a middle click", "/mouse/click", `{"button":"middle"}`, 501, "not implemented: a touch screen has no middle button", nil},
		{"another button", "/mouse/click", `{"button":"fire"}`, 400, `unsupported mouse button "fire": expected one of left, right, middle`, nil},
		{"no click", "/mouse/click", `[]`, 400, "Invalid click parameters", nil},
		{"half a pixel", "/mouse/click", `{"x":1.5}`, 400, "Invalid click parameters", nil},
		{"a drag", "/mouse/drag", `{"startX":1,"startY":2,"endX":3,"endY":4,"button":"left"}`, 200, `{"x":3,"y":4}`, []string{"input swipe 1 2 3 4 500"}},
		{"a slow drop", "/mouse/drag", `{"endX":3,"endY":4,"mode":"draganddrop","durationMs":900}`, 200, `{"x":3,"y":4}`, []string{"input draganddrop 0 0 3 4 900"}},
		{"a drag of ever", "/mouse/drag", `{"durationMs":900000}`, 400, "Invalid drag parameters", nil},
		{"a drag elsewhere", "/mouse/drag", `{"mode":"x"}`, 400, `unsupported drag mode "x": expected swipe or draganddrop`, nil},
		{"a drag by what", "/mouse/drag", `{"button":"x"}`, 400, `unsupported mouse button "x": expected one of left, right, middle`, nil},
		{"no drag", "/mouse/drag", `{"startX":"1"}`, 400, "Invalid drag parameters", nil},
		{"scroll down", "/mouse/scroll", `{"x":5,"y":6,"direction":"down","amount":3}`, 200, `{"success":true}`, []string{"input mouse scroll 5 6 --axis VSCROLL,-3"}},
		{"scroll up, no amount", "/mouse/scroll", `{"x":5,"y":6,"direction":"Up"}`, 200, `{"success":true}`, []string{"input mouse scroll 5 6 --axis VSCROLL,1"}},
		{"scroll aside", "/mouse/scroll", `{"direction":"left"}`, 400, `unsupported scroll direction "left": expected up or down`, nil},
		{"scroll back", "/mouse/scroll", `{"direction":"up","amount":-1}`, 400, "scroll amount must be greater than or equal to 0", nil},
		{"scroll for ever", "/mouse/scroll", `{"direction":"up","amount":1001}`, 400, "scroll amount must be at most 1000", nil},
		{"no scroll", "/mouse/scroll", `{"amount":"3"}`, 400, "Invalid scroll parameters", nil},
	})
}

// Ensure a device of Android 10 is scrolled by swipes within the screen, and by the ball when that fails.
func TestScrollOfOldDevices(t *testing.T) {
	t.Parallel()
	d := newDevice(t, oldHelp)
	check(t, d, []row{
		{"down", "/mouse/scroll", `{"x":360,"y":640,"direction":"down","amount":3}`, 200, `{"success":true}`, []string{"input swipe 360 832 360 448 400"}},
		{"up", "/mouse/scroll", `{"x":360,"y":640,"direction":"up"}`, 200, `{"success":true}`, []string{"input swipe 360 576 360 704 400"}},
		{"at the lower edge", "/mouse/scroll", `{"x":9999,"y":1279,"direction":"up","amount":5}`, 200, `{"success":true}`, []string{"input swipe 719 639 719 1279 400"}},
		{"at the upper edge", "/mouse/scroll", `{"x":-5,"y":0,"direction":"down","amount":2}`, 200, `{"success":true}`, []string{"input swipe 0 256 0 0 400"}},
		{"far", "/mouse/scroll", `{"x":1,"y":640,"direction":"down","amount":8}`, 200, `{"success":true}`,
			[]string{"input swipe 1 1024 1 256 400", "input swipe 1 768 1 512 400"}},
		{"ctrl+a", "/keyboard/hotkey", `{"keys":"ctrl+a"}`, 501,
			"not implemented: press keys: this device cannot hold keys together: input keycombination needs Android 12", nil},
		{"ctrl+c", "/keyboard/hotkey", `{"keys":"ctrl+c"}`, 200, "{}", []string{"input keyevent 278"}},
	})
	d = newDevice(t, oldHelp)
	d.Program("wm", "echo 'wm: inaccessible or not found' >&2; exit 127")
	check(t, d, []row{
		{"the ball", "/mouse/scroll", `{"direction":"down","amount":3}`, 200, `{"success":true}`, []string{"input roll 0 3"}},
	})
}

func TestKeyboard(t *testing.T) {
	t.Parallel()
	check(t, newDevice(t, newHelp), []row{
		{"text", "/keyboard/type", `{"text":"it's $HOME;\n"}`, 200, "{}", []string{"input text it's%s$HOME;", "input keyevent 66"}},
		{"percent", "/keyboard/type", `{"text":"50%sale"}`, 200, "{}", []string{"input text 50%", "input text sale"}},
		{"like an option", "/keyboard/type", `{"text":"-d 1"}`, 200, "{}", []string{"input text -d%s1"}},
		{"slowly", "/keyboard/type", `{"text":"a b","delay":5}`, 200, "{}", []string{"input text a", "input text %s", "input text b"}},
		{"nothing", "/keyboard/type", `{"text":""}`, 200, "{}", nil},
		{"no text", "/keyboard/type", `{}`, 200, "{}", nil},
		{"a tab", "/keyboard/type", `{"text":"a\tb"}`, 400, `keyboard.type does not translate '\t' to Tab; use keyboard.press("tab") for Tab key events`, nil},
		{"beyond ASCII", "/keyboard/type", `{"text":"aé"}`, 400,
			"unsupported character in keyboard.type: 'é' (U+00E9): Android's input command types printable ASCII only; nothing was typed", nil},
		{"too slowly", "/keyboard/type", `{"text":"abcdefghijk","delay":60000}`, 400, "this would take longer than 10m0s: shorten the delay or the text", nil},
		{"too much", "/keyboard/type", `{"text":"` + strings.Repeat("x", maxText+1) + `"}`, 413, "the text is over the limit of 65536 bytes", nil},
		{"no JSON", "/keyboard/type", `{"text":1}`, 400, "Invalid input", nil},
		{"a key", "/keyboard/key", `{"key":"Return"}`, 200, "{}", []string{"input keyevent 66"}},
		{"as the SDK sends it", "/keyboard/key", `{"key":"Return","modifiers":["ctrl"]}`, 200, "{}", []string{"input keycombination 113 66"}},
		{"Android's own", "/keyboard/key", `{"key":"KEYCODE_HOME"}`, 200, "{}", []string{"input keyevent KEYCODE_HOME"}},
		{"no such key", "/keyboard/key", `{"key":"x y"}`, 400, `unsupported key "x y"; use a named key such as "space", "tab", or "enter"`, nil},
		{"no key", "/keyboard/key", `{"key":["a"]}`, 400, "Invalid key", nil},
		{"a hotkey", "/keyboard/hotkey", `{"keys":"ctrl+shift+a"}`, 200, "{}", []string{"input keycombination 113 59 29"}},
		{"copy", "/keyboard/hotkey", `{"keys":"ctrl+c"}`, 200, "{}", []string{"input keycombination 113 31"}},
		{"two keys", "/keyboard/hotkey", `{"keys":"a+b"}`, 400, `invalid hotkey "a+b": chords may contain at most one non-modifier key`, nil},
		{"no hotkey", "/keyboard/hotkey", `{"keys":1}`, 400, "Invalid hotkey", nil},
	})
}

// Ensure what the device refuses is told, and what comes behind it is not done.
func TestRefusedInput(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"with a code":   `(( $# )) || exit 0; echo "Exception occurred while executing 'tap':"; echo "java.lang.X"; exit 255`,
		"without a one": `(( $# )) || exit 0; echo "Exception occurred while executing 'tap':"; exit 0`,
		"no service":    `(( $# )) || exit 0; echo "cmd: Can't find service: input" >&2; exit 20`,
	} {
		d := newDevice(t, newHelp)
		d.Program("input", script)
		c := start(t, d, nil, Options{})
		got := c.Do("POST", base+"/mouse/click", `{"x":1,"y":2,"double":true}`)
		if got.Status != 400 || !strings.HasPrefix(got.Field(t, "error"), "the device refused the input (exit code ") {
			t.Errorf("%s: got %d %s", name, got.Status, got.Body)
		}
		if got := c.Do("GET", base+"/mouse/position", ""); got.Body != `{"x":0,"y":0}` {
			t.Errorf("%s: the pointer moved: %s", name, got.Body)
		}
		if acts := d.acts(); name == "with a code" && len(acts) != 1 {
			t.Errorf("%s: did %q", name, acts)
		}
	}
}

func TestScreenshots(t *testing.T) {
	t.Parallel()
	d := newDevice(t, newHelp)
	c := start(t, d, nil, Options{})
	c.Do("POST", base+"/mouse/move", `{"x":100,"y":200}`)
	whole := image.Rect(0, 0, 720, 1280)
	for _, tt := range []struct {
		path   string
		rest   string // the other fields
		format string
		size   image.Point
		at     image.Point // of the screen, what the picture's 3,5 shows; when it is not scaled
	}{
		{"/screenshot", `{"cursorPosition":{"x":0,"y":0}}`, "png", whole.Max, image.Pt(3, 5)},
		{"/screenshot?showCursor=false", `{"cursorPosition":{"x":0,"y":0}}`, "png", whole.Max, image.Pt(3, 5)},
		{"/screenshot?showCursor=true", `{"cursorPosition":{"x":100,"y":200}}`, "png", whole.Max, image.Pt(3, 5)},
		{"/screenshot?show_cursor=false&showCursor=true", `{"cursorPosition":{"x":0,"y":0}}`, "png", whole.Max, image.Pt(3, 5)},
		{"/screenshot/region?x=4&y=3&width=20&height=10&showCursor=false", `{"cursorPosition":{"x":4,"y":3}}`, "png", image.Pt(20, 10), image.Pt(7, 8)},
		{"/screenshot/region?x=0&y=0&width=720&height=1280", `{"cursorPosition":{"x":0,"y":0}}`, "png", whole.Max, image.Pt(3, 5)},
		{"/screenshot/region?x=90&y=100&width=9&height=9&showCursor=1", `{"cursorPosition":{"x":100,"y":200}}`, "png", image.Pt(9, 9), image.Pt(93, 105)},
		{"/screenshot/compressed", `{}`, "png", whole.Max, image.Pt(3, 5)},
		{"/screenshot/compressed?showCursor=true&format=jpeg&quality=80&scale=0.5", `{"cursorPosition":{"x":50,"y":100}}`, "jpeg", image.Pt(360, 640), image.Pt(-1, 0)},
		{"/screenshot/compressed?format=png&scale=0.1", `{}`, "png", image.Pt(72, 128), image.Pt(-1, 0)},
		{"/screenshot/compressed?format=jpg&scale=0.5", `{}`, "png", whole.Max, image.Pt(3, 5)},
		{"/screenshot/region/compressed?x=10&y=20&width=300&height=400&format=jpeg&quality=80&scale=0.5", `{}`, "jpeg", image.Pt(150, 200), image.Pt(-1, 0)},
		{"/screenshot/region/compressed?x=10&y=20&width=300&height=400&scale=0.5&showCursor=true", `{"cursorPosition":{"x":55,"y":110}}`, "png", image.Pt(150, 200), image.Pt(-1, 0)},
	} {
		img, format, rest := picture(t, c.Do("GET", base+tt.path, ""))
		compressed := strings.Contains(tt.path, "compressed")
		if _, ok := rest["sizeBytes"]; ok != compressed {
			t.Errorf("%s: %v", tt.path, rest)
		}
		delete(rest, "sizeBytes")
		if got, _ := json.Marshal(rest); string(got) != tt.rest || format != tt.format || img.Bounds().Max != tt.size {
			t.Errorf("%s: got %s %s %v", tt.path, got, format, img.Bounds())
		}
		if r, g, b, _ := img.At(3, 5).RGBA(); tt.at.X >= 0 && (byte(r>>8) != byte(tt.at.X) || byte(g>>8) != byte(tt.at.Y) || byte(b>>8) != byte(tt.at.X>>3)) {
			t.Errorf("%s: 3,5 is %d %d %d", tt.path, r>>8, g>>8, b>>8)
		}
		if r, g, b, _ := img.At(100, 200).RGBA(); img.Bounds() == whole && (r>>8 == 255 && g|b == 0) != strings.Contains(string(tt.rest), `"x":100`) {
			t.Errorf("%s: 100,200 is %d %d %d", tt.path, r>>8, g>>8, b>>8)
		}
	}
	if _, _, rest := picture(t, c.Do("POST", base+"/screenshot", `{"showCursor":true,"x":null}`)); !reflect.DeepEqual(rest["cursorPosition"], map[string]any{"x": 100.0, "y": 200.0}) {
		t.Errorf("posted: %v", rest)
	}
	picture(t, c.Do("POST", base+"/screenshot", ""))
	for body, x := range map[string]float64{`{}`: 0, `{"show_cursor":true}`: 100, `{"show_cursor":"false","showCursor":true}`: 0, `{"showCursor":null}`: 0} {
		if _, _, rest := picture(t, c.Do("POST", base+"/screenshot", body)); rest["cursorPosition"].(map[string]any)["x"] != x {
			t.Errorf("posted %s: %v", body, rest)
		}
	}
}

func TestScreenshotRefuses(t *testing.T) {
	t.Parallel()
	d := newDevice(t, newHelp)
	c := start(t, d, nil, Options{})
	for path, want := range map[string]string{
		"/screenshot?showCursor=maybe":                                  "invalid query parameter showCursor: must be a boolean",
		"/screenshot/region":                                            "missing required query parameter: x",
		"/screenshot/region?x=1":                                        "missing required query parameter: y",
		"/screenshot/region?x=1&y=1&height=1":                           "missing required query parameter: width",
		"/screenshot/region?x=1&y=1&width=1":                            "missing required query parameter: height",
		"/screenshot/region?x=a&y=1&width=1&height=1":                   "invalid query parameter x: must be an integer",
		"/screenshot/region?x=1&y=1.5&width=1&height=1":                 "invalid query parameter y: must be an integer",
		"/screenshot/region?x=1&y=1&width=0&height=1":                   "invalid query parameter width: must be greater than zero",
		"/screenshot/region/compressed?x=1&y=1&width=1&height=-1":       "invalid query parameter height: must be greater than zero",
		"/screenshot/region?x=-1&y=0&width=1&height=1":                  "failed to capture screenshot region x=-1 y=0 width=1 height=1: the screen has 720x1280",
		"/screenshot/region?x=700&y=0&width=21&height=1":                "failed to capture screenshot region x=700 y=0 width=21 height=1: the screen has 720x1280",
		"/screenshot/region?x=1&y=1&width=9223372036854775807&height=1": "failed to capture screenshot region x=1 y=1 width=9223372036854775807 height=1: the screen has 720x1280",
		"/screenshot/compressed?quality=0":                              "invalid query parameter quality: must be between 1 and 100",
		"/screenshot/compressed?quality=101":                            "invalid query parameter quality: must be between 1 and 100",
		"/screenshot/compressed?quality=x":                              "invalid query parameter quality: must be between 1 and 100",
		"/screenshot/compressed?scale=0.05":                             "invalid query parameter scale: must be between 0.1 and 1.0",
		"/screenshot/compressed?scale=1.1":                              "invalid query parameter scale: must be between 0.1 and 1.0",
		"/screenshot/compressed?scale=NaN":                              "invalid query parameter scale: must be between 0.1 and 1.0",
	} {
		if got := c.Do("GET", base+path, ""); got.Status != 400 || got.Body != fmt.Sprintf(`{"error":%q}`, want) {
			t.Errorf("%s: got %d %s", path, got.Status, got.Body)
		}
	}
	if got := c.Do("POST", base+"/screenshot", "{"); got.Status != 400 || got.Field(t, "error") != "Invalid screenshot parameters" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	d.Program("screencap", "echo 'Capturing failed.' >&2; exit 1")
	if got := c.Do("GET", base+"/screenshot", ""); got.Status != 503 || got.Field(t, "error") != "screencap printed no picture: Capturing failed." {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	d.Program("screencap", "cat '"+d.Dir()+"/frame' | head -c 1000")
	if got := c.Do("GET", base+"/screenshot", ""); got.Status != 503 || got.Field(t, "error") != "read the screen: screencap printed 1000 bytes for a screen of 720x1280" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

// Ensure a screen that is off is said to be, and turned on when that is wanted.
func TestScreenThatIsOff(t *testing.T) {
	t.Parallel()
	d := newDevice(t, newHelp)
	c := start(t, d, nil, Options{})
	d.show(image.NewRGBA(image.Rect(0, 0, 8, 8)))
	if got := c.Do("GET", base+"/screenshot", ""); got.Status != 200 || got.Header.Get(headerScreen) != "" {
		t.Errorf("a black picture: %d %v", got.Status, got.Header)
	}
	d.Program("dumpsys", "echo '  mWakefulness=Asleep'")
	if got := c.Do("GET", base+"/screenshot", ""); got.Status != 200 || got.Header.Get(headerScreen) != "off" {
		t.Errorf("off: %d %v", got.Status, got.Header)
	}
	d.Lines()
	d.show(gradient(8, 8))
	frame := d.Dir() + "/frame"
	if err := os.Rename(frame, frame+".on"); err != nil {
		t.Fatal(err)
	}
	d.show(image.NewRGBA(image.Rect(0, 0, 8, 8)))
	d.Program("input", "mv '"+frame+".on' '"+frame+"'")
	got := c.Do("GET", base+"/screenshot?wake=true", "")
	shown, _, _ := picture(t, got)
	if r, g, _, _ := shown.At(3, 5).RGBA(); r>>8 != 3 || g>>8 != 5 || got.Header.Get(headerScreen) != "" {
		t.Errorf("got %d %d %v", r>>8, g>>8, got.Header)
	}
	if acts := d.acts(); !slices.Contains(acts, "input keyevent 224") {
		t.Errorf("did %q", acts)
	}
}

func TestDisplay(t *testing.T) {
	t.Parallel()
	d := newDevice(t, newHelp)
	c := start(t, d, nil, Options{})
	if got := c.Do("GET", base+"/display/info", ""); got.Body != `{"displays":[{"id":0,"x":0,"y":0,"width":720,"height":1280,"isActive":true}]}` {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if got := c.Do("GET", base+"/display/windows", ""); got.Body != `{"windows":[]}` {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	d.Program("dumpsys", `[[ "$*" == 'window windows' ]] && echo "  Window #0 Window{1f u0 a/.B}:
    mFrame=[0,48][720,1280] isVisible=true
  mCurrentFocus=Window{1f u0 a/.B}" || echo 'init=720x1280 cur=1280x720 app=1x1'`)
	if got := c.Do("GET", base+"/display/info", ""); !strings.Contains(got.Body, `"width":1280,"height":720`) {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	want := `{"windows":[{"id":31,"title":"a/.B","x":0,"y":48,"width":720,"height":1232,"isActive":true}]}`
	if got := c.Do("GET", base+"/display/windows", ""); got.Body != want {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	d.Program("wm", "exit 1")
	d.Program("dumpsys", "exit 1")
	if got := c.Do("GET", base+"/display/info", ""); got.Status != 503 || got.Field(t, "message") != "unavailable: the device does not say how large its screen is" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

// scripted is a device of one function.
type scripted func(ctx context.Context, script string) (guestshell.Result, error)

func (f scripted) Run(ctx context.Context, _ string, s guestshell.Script) (guestshell.Result, error) {
	return f(ctx, string(s.Text))
}

func (f scripted) Output(ctx context.Context, _, command string) (io.ReadCloser, error) {
	_, err := f(ctx, command)
	return io.NopCloser(strings.NewReader("")), err
}

func TestStatus(t *testing.T) {
	t.Parallel()
	fine := scripted(func(context.Context, string) (guestshell.Result, error) { return guestshell.Result{}, nil })
	lost := scripted(func(context.Context, string) (guestshell.Result, error) {
		return guestshell.Result{}, fault.Unavailablef("no adb connection")
	})
	odd := scripted(func(context.Context, string) (guestshell.Result, error) {
		return guestshell.Result{}, fault.Internalf("odd")
	})
	shown := func(held lease.Lease) bool { return held.ID == "dev-1" }
	for _, tt := range []struct {
		guest   scripted
		display func(lease.Lease) bool
		want    string
	}{
		{fine, nil, "partial"}, {fine, shown, "active"}, {lost, shown, "partial"}, {lost, nil, "inactive"}, {odd, nil, "error"},
	} {
		c := start(t, tt.guest, nil, Options{Display: tt.display})
		for _, path := range []string{"/status", "/process-status"} {
			if got := c.Do("GET", base+path, ""); got.Status != 200 || got.Body != `{"status":"`+tt.want+`"}` {
				t.Errorf("%s: got %d %s, want %s", path, got.Status, got.Body, tt.want)
			}
		}
	}
	c := start(t, fine, nil, Options{})
	for _, tt := range []struct{ method, path, want string }{
		{"POST", "/start", `{"message":"Computer use processes started successfully","status":{"adb":{"Running":true,"Priority":100,"AutoRestart":true,"Pid":null},"webrtc":{"Running":false,"Priority":200,"AutoRestart":true,"Pid":null}}}`},
		{"POST", "/stop", `{"message":"Computer use processes stopped successfully","status":{"adb":{"Running":true,"Priority":100,"AutoRestart":true,"Pid":null},"webrtc":{"Running":false,"Priority":200,"AutoRestart":true,"Pid":null}}}`},
		{"GET", "/process/adb/status", `{"processName":"adb","running":true}`},
		{"GET", "/process/webrtc/status", `{"processName":"webrtc","running":false}`},
		{"GET", "/process/xvfb/status", `{"processName":"xvfb","running":false}`},
		{"GET", "/process/xfce4/status", `{"processName":"xfce4","running":false}`},
		{"GET", "/process/x11vnc/status", `{"processName":"x11vnc","running":false}`},
		{"GET", "/process/novnc/status/", `{"processName":"novnc","running":false}`},
		{"GET", "/process/atspi/status", `{"processName":"atspi","running":false}`},
		{"POST", "/process/adb/restart", `{"error":"process \"adb\" cannot be restarted: an Android device has no such process of its own"}`},
		{"GET", "/process/xvfb/logs", `{"error":"process \"xvfb\" cannot be asked for logs: an Android device has no such process of its own"}`},
		{"GET", "/process/xvfb/errors", `{"error":"process \"xvfb\" cannot be asked for errors: an Android device has no such process of its own"}`},
	} {
		got := c.Do(tt.method, base+tt.path, "", "Content-Type: application/x-www-form-urlencoded")
		if status := map[bool]int{true: 400, false: 200}[strings.HasPrefix(tt.want, `{"error"`)]; got.Status != status || got.Body != tt.want {
			t.Errorf("%s: got %d %s", tt.path, got.Status, got.Body)
		}
	}
}

// Ensure each route says so when the device is not started, not there, lost, or leaves meanwhile.
func TestWithoutDevice(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{"/mouse/scroll": `{"direction":"up"}`, "/keyboard/key": `{"key":"a"}`, "/keyboard/hotkey": `{"keys":"a"}`, "/keyboard/type": `{"text":"a"}`}
	left := make(chan struct{})
	entered := make(chan struct{}, 1)
	c := start(t, scripted(func(ctx context.Context, _ string) (guestshell.Result, error) {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return guestshell.Result{}, ctx.Err()
	}), left, Options{})
	lost := start(t, scripted(func(context.Context, string) (guestshell.Result, error) {
		return guestshell.Result{}, fault.Unavailablef("connection lost")
	}), nil, Options{})
	routes := New(nil, nil, Options{}).Routes()
	type end struct {
		path   string
		status int
	}
	ends := make(chan end, len(routes))
	waiting := 0
	for _, r := range routes {
		path := strings.ReplaceAll(r.Path, "{name}", "adb")
		if strings.Contains(path, "region") {
			path += "?x=0&y=0&width=1&height=1"
		}
		noun := strings.TrimPrefix(path, "/computeruse")
		body, ok := bodies[noun]
		if !ok {
			body = "{}"
		}
		for id, want := range map[string]int{"stopped": 409, "dev-2": 404} {
			if got := c.Do(r.Method, "/sandboxes/"+id+"/toolbox"+path, body); got.Status != want || got.Field(t, "code") == "" {
				t.Errorf("%s of %s: got %d %s", path, id, got.Status, got.Body)
			}
		}
		if strings.Contains(path, "/process") || strings.HasSuffix(noun, "start") || strings.HasSuffix(noun, "stop") || noun == "/status" ||
			noun == "/mouse/move" || noun == "/mouse/position" {
			continue
		}
		if got := lost.Do(r.Method, "/sandboxes/dev-1/toolbox"+path, body); got.Status != 503 || got.Field(t, "message") != "unavailable: connection lost" {
			t.Errorf("%s: got %d %s", path, got.Status, got.Body)
		}
		waiting++
		go func() {
			got, _ := c.Try(r.Method, "/sandboxes/dev-1/toolbox"+path, strings.NewReader(body))
			ends <- end{path, got.Status}
		}()
	}
	<-entered
	close(left)
	for range waiting {
		if e := <-ends; e.status != 409 {
			t.Errorf("%s of a device that left: %d", e.path, e.status)
		}
	}
}

// Ensure what several clients type at once does not mix.
func TestActsDoNotMix(t *testing.T) {
	t.Parallel()
	d := newDevice(t, newHelp)
	c := start(t, d, nil, Options{})
	done := make(chan int)
	for _, letter := range []string{"a", "b", "c"} {
		go func() {
			got, _ := c.Try("POST", base+"/keyboard/type", strings.NewReader(`{"text":"`+strings.Repeat(letter, 4)+`","delay":1}`))
			done <- got.Status
		}()
	}
	for range 3 {
		if status := <-done; status != 200 {
			t.Errorf("got %d", status)
		}
	}
	all := strings.Join(d.acts(), "")
	for _, letter := range []string{"a", "b", "c"} {
		if !strings.Contains(all, strings.Repeat("input text "+letter, 4)) {
			t.Errorf("mixed: %s", all)
		}
	}
}
