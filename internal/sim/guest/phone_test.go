package guest_test

import (
	"bytes"
	"encoding/binary"
	"image/png"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

func TestAndroidsCommands(t *testing.T) {
	t.Parallel()
	new15, old10 := boot(t, guest.Options{}), boot(t, guest.Options{Release: "10"})
	for _, c := range []struct {
		name        string
		g           *guest.Guest
		script, out string
		err         string // a part of it; "" is none
		status      int
	}{
		{"the release", new15, "getprop ro.build.version.release; getprop ro.build.version.sdk", "15\n35\n", "", 0},
		{"an old release", old10, "getprop ro.build.version.release; getprop ro.build.version.sdk", "10\n29\n", "", 0},
		{"sizes", new15, "wm size; wm density", "Physical size: 720x1280\nPhysical density: 320\n", "", 0},
		{"an override", new15, "wm size 600x800; wm density 240; wm size; wm density; wm size reset; wm density reset; wm size", "Physical size: 720x1280\nOverride size: 600x800\nPhysical density: 320\nOverride density: 240\nPhysical size: 720x1280\n", "", 0},
		{"a bad size", new15, "wm size x", "", "Error: bad size x", 255},
		{"settings", new15, "settings put system a 'b c'; settings get system a; settings delete system a; settings get system a; settings delete system a", "b c\nDeleted 1 rows\nnull\nDeleted 0 rows\n", "", 0},
		{"settings of no table", new15, "settings get nope a", "", "Invalid namespace 'nope'", 255},
		{"the settings service", new15, "cmd settings get global adb_enabled; settings list secure | grep location", "1\nlocation_mode=3\n", "", 0},
		{"no clipboard", new15, "cmd clipboard get-primary-clip", "", "No shell command implementation.", 0},
		{"no service", new15, "cmd nope", "", "cmd: Can't find service: nope", 20},
		{"input by way of cmd", old10, "cmd input tap 1 1", "", "No shell command implementation.", 0},
		{"text that cannot be typed", new15, "input text 'a\u00e9'", "", "java.lang.NullPointerException: Attempt to get length of null array", 255},
		{"arguments that are missing", new15, "input tap 1", "", `java.lang.IllegalArgumentException: Argument expected after "tap"`, 255},
		{"a command that is too new", old10, "input keycombination 113 29 >/dev/null", "", "Error: Unknown command: keycombination", 1},
		{"an unknown command", new15, "input jump", "", "Unknown command: jump", 255},
		{"a raw screen", new15, "screencap | head -c 16 | od -An -tx4", " 000002d0 00000500 00000001 00000001\n", "", 0},
		{"all of it", new15, "screencap | wc -c", "3686416\n", "", 0},
		{"to a file", new15, "screencap /data/local/tmp/s.png; head -c 4 /data/local/tmp/s.png | od -An -c; screencap -p -d 0 /sdcard/t; ls /sdcard/t", " 211   P   N   G\n/sdcard/t\n", "", 0},
		{"of a display that is not there", new15, "screencap -d 5", "", "Display Id '5' is not valid.", 255},
		{"the focus", new15, "dumpsys window | grep mCurrentFocus; dumpsys activity activities | grep -c topResumedActivity=", "  mCurrentFocus=Window{5a1d2c3 u0 com.android.launcher3/com.android.launcher3.uioverrides.QuickstepLauncher}\n1\n", "", 0},
		{"the focus of old", old10, "dumpsys activity activities | grep -c mResumedActivity:", "1\n", "", 0},
		{"power", new15, "dumpsys power | grep -e mWakefulness= -e 'Display Power'", "  mWakefulness=Awake\nDisplay Power: state=ON\n", "", 0},
		{"stay awake", new15, "svc power stayon true; settings get global stay_on_while_plugged_in; svc power stayon false; settings get global stay_on_while_plugged_in", "15\n0\n", "", 0},
		{"ports", new15, "cat /proc/net/tcp6 | grep -c ':1F90 .* 0A '; cat /proc/net/tcp | wc -l", "1\n1\n", "", 0},
		{"a process as scripts read it", new15, `tr '\0' ' ' </proc/$$/cmdline | cut -c1-18; set -- $(cat /proc/$$/stat); echo $# $(( $1 == $$ )) $3 $(( $5 == $$ )); grep ^PPid /proc/$$/status`, "/system/bin/sh -c \n52 1 S 1\nPPid:\t412\n", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := sh(t, c.g, c.script)
			if got.out != c.out || got.status != c.status || !strings.Contains(got.err, c.err) || c.err == "" && got.err != "" {
				t.Errorf("%s\n got %+v\nwant %q, %q, %d", c.script, got, c.out, c.err, c.status)
			}
		})
	}
}

// find is the view of a dump that has an id or a text.
func find(t *testing.T, g *guest.Guest, name string) *ui.View {
	t.Helper()
	v := g.Phone().Tree().Find(func(v *ui.View) bool { return !v.Hidden && (v.ID == name || v.Text == name || v.Description == name) })
	if v == nil {
		t.Fatalf("no view %q", name)
	}
	return v
}

// tap touches the middle of a view by way of the shell.
func tap(t *testing.T, g *guest.Guest, name string) {
	t.Helper()
	at := find(t, g, name).Bounds
	script := "input tap " + strconv.Itoa((at.Min.X+at.Max.X)/2) + " " + strconv.Itoa((at.Min.Y+at.Max.Y)/2)
	if got := sh(t, g, script); got != (result{}) {
		t.Fatalf("%s: %+v", script, got)
	}
}

func TestAPersonUsesThePhone(t *testing.T) {
	t.Parallel()
	disk := newDisk()
	g := boot(t, guest.Options{}, disk)
	tap(t, g, "Notes")
	tap(t, g, "com.example.notes:id/note")
	sh(t, g, "input text 'Hello%sworld'; input keyevent ENTER KEYCODE_A; input keycombination SHIFT_LEFT B; input keyevent 67 67 c")
	note := find(t, g, "com.example.notes:id/note")
	if note.Text != "Hello world\n" || !note.Focused || note.Look.Caret != len("Hello world\n")+1 {
		t.Errorf("typed %q, caret %d", note.Text, note.Look.Caret)
	}
	sh(t, g, "input keyevent KEYCODE_C")
	sh(t, g, "input keycombination CTRL_LEFT A; input keycombination CTRL_LEFT C; input keyevent MOVE_END; input keyevent PASTE")
	if got := find(t, g, "com.example.notes:id/note").Text; got != "Hello world\ncHello world\nc" {
		t.Errorf("pasted %q", got)
	}
	tap(t, g, "q")
	if got := sh(t, g, "su 0 cat /data/data/com.example.notes/files/note.txt").out; got != "Hello world\ncHello world\ncq" {
		t.Errorf("kept %q", got)
	}
	sh(t, g, "input keyevent BACK") // the keyboard
	if g.Phone().Keyboard() || g.Phone().Focused().Package != "com.example.notes" {
		t.Error("back does not hide the keyboard first")
	}
	sh(t, g, "input keyevent BACK")
	tap(t, g, "Settings")
	before := find(t, g, "Airplane mode")
	tap(t, g, "Airplane mode")
	if got := sh(t, g, "settings get global airplane_mode_on").out; got != "1\n" {
		t.Errorf("the switch sets %q", got)
	}
	sh(t, g, "input swipe 360 1000 360 500 20; input mouse scroll 360 600 --axis VSCROLL,-1")
	if v := g.Phone().Tree().Find(func(v *ui.View) bool { return v.Text == "Airplane mode" }); v != nil && v.Bounds == before.Bounds {
		t.Error("the list does not scroll")
	}
	sh(t, g, "input keyevent HOME; am start -a android.intent.action.VIEW -d 'https://example.com/?a=1&b=2'")
	if got := find(t, g, "org.chromium.webview_shell:id/url_field").Text; got != "https://example.com/?a=1&b=2" {
		t.Errorf("the browser shows %q", got)
	}
	sh(t, g, "input keyevent APP_SWITCH")
	find(t, g, "com.android.launcher3:id/task")
	sh(t, g, "input keyevent APP_SWITCH POWER")
	if sh(t, g, "dumpsys power | grep mWakefulness=").out != "  mWakefulness=Asleep\n" {
		t.Error("the power key does nothing")
	}
	_, _, rgba := g.Framebuffer()
	for i := 0; i < len(rgba); i += 4 {
		if rgba[i]|rgba[i+1]|rgba[i+2] != 0 {
			t.Fatal("a screen that is off is not black")
		}
	}
	sh(t, g, "input keyevent WAKEUP; settings put system user_rotation 1")
	if w, h, _ := g.Framebuffer(); w != 1280 || h != 720 {
		t.Errorf("turned: %dx%d", w, h)
	}
	if got := sh(t, g, "screencap -p | wc -c; wm user-rotation"); !strings.HasSuffix(got.out, "lock 1\n") {
		t.Errorf("rotation: %+v", got)
	}
	if err := g.Sync(); err != nil {
		t.Fatal(err)
	}
	g.Shutdown()
	again := boot(t, guest.Options{}, disk)
	if p := again.Phone(); p.Focused().Package != "com.android.launcher3" || p.Size().X != 1280 || p.Clipboard() != "" {
		t.Errorf("after a boot: %+v, %v", p.Focused(), p.Size())
	}
	again.Phone().Open("com.example.notes")
	if got := find(t, again, "com.example.notes:id/note").Text; got != "Hello world\ncHello world\ncq" {
		t.Errorf("the note is %q", got)
	}
}

func TestScreencapIsTheFramebuffer(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	sh(t, g, "screencap /data/local/tmp/raw; screencap -p /data/local/tmp/png")
	raw, packed := readGuest(t, g, "/data/local/tmp/raw"), readGuest(t, g, "/data/local/tmp/png")
	w, h, _ := g.Framebuffer()
	if len(raw) != 16+4*w*h || binary.LittleEndian.Uint32(raw) != uint32(w) {
		t.Fatalf("raw: %d bytes", len(raw))
	}
	img, err := png.Decode(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 4 * w * h / 3 &^ 3, 4*w*h - 4} {
		r, green, b, _ := img.At(at/4%w, at/4/w).RGBA()
		if raw[16+at] != byte(r>>8) || raw[17+at] != byte(green>>8) || raw[18+at] != byte(b>>8) {
			t.Errorf("pixel %d: raw % x, png %d %d %d", at/4, raw[16+at:20+at], r>>8, green>>8, b>>8)
		}
	}
}

func readGuest(t *testing.T, g *guest.Guest, path string) []byte {
	t.Helper()
	f, err := g.Files(true).Open(path, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPortsOfTheGuest(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	c, err := g.DialPort(t.Context(), 8080)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /echo HTTP/1.0\r\n\r\n")
	if got, err := io.ReadAll(c); err != nil || !bytes.Contains(got, []byte(`"path":"/echo"`)) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := g.DialPort(t.Context(), 8081); err == nil {
		t.Error("a port that nobody opened answers")
	}
	l, err := g.ListenPort(8081)
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Ports(); len(got) != 2 {
		t.Errorf("ports %v", got)
	}
	l.Close()
}
