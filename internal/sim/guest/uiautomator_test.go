package guest_test

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest"
)

// Ensure uiautomator says and writes what Android's does, of the window in front alone.
func TestUIAutomator(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	for _, c := range []struct {
		name, script, out string
		err               string // a part of it; "" is none
	}{
		{"where", "uiautomator dump; uiautomator dump /data/local/tmp/a.xml; cd /data/local/tmp; uiautomator dump --compressed b.xml",
			"UI hierchary dumped to: /sdcard/window_dump.xml\nUI hierchary dumped to: /data/local/tmp/a.xml\nUI hierchary dumped to: /data/local/tmp/b.xml\n", ""},
		{"a file that cannot be", "uiautomator dump /nope/a.xml; echo $?; ls /nope/a.xml", "UI hierchary dumped to: /nope/a.xml\n0\n", "No such file"},
		{"the beginning", `sed 's/\(<node[^>]*>\).*/\1/' /sdcard/window_dump.xml`, `<?xml version='1.0' encoding='UTF-8' standalone='yes' ?><hierarchy rotation="0"><node index="0" text="" resource-id="" ` +
			`class="android.widget.FrameLayout" package="com.android.launcher3" content-desc="" checkable="false" checked="false" clickable="false" ` +
			`enabled="true" focusable="false" focused="false" scrollable="false" long-clickable="false" password="false" selected="false" bounds="[0,0][720,1280]">`, ""},
		{"no bars", "grep -c systemui /sdcard/window_dump.xml", "0\n", ""},
		{"an element", `sed 's/<node/\n<node/g' /sdcard/window_dump.xml | grep 'text="Notes"'`, `<node index="1" text="Notes" resource-id="com.android.launcher3:id/icon" ` +
			`class="android.widget.TextView" package="com.android.launcher3" content-desc="Notes" checkable="false" checked="false" clickable="true" enabled="true" ` +
			`focusable="true" focused="false" scrollable="false" long-clickable="true" password="false" selected="false" bounds="[180,128][360,328]" />` + "\n", ""},
		{"a compressed one", "grep -o '<node' /data/local/tmp/a.xml | wc -l; grep -o '<node' /data/local/tmp/b.xml | wc -l", "8\n8\n", ""},
		{"marks", `am start -n com.example.notes/.MainActivity >/dev/null; input tap 300 500; input text 'a<&>'; input keyevent 66; input text '"x"'\''y'; uiautomator dump >/dev/null; ` +
			`sed 's/<node/\n<node/g' /sdcard/window_dump.xml | grep -o 'text=.*resource-id="com.example.notes:id/note"'; grep -c inputmethod /sdcard/window_dump.xml`,
			`text='a&lt;&amp;&gt;&#10;"x"&apos;y' resource-id="com.example.notes:id/note"` + "\n0\n", ""},
		{"a screen that moves", "am start -n com.example.animation/.MainActivity >/dev/null; rm /sdcard/window_dump.xml; settings put global sim_uiautomator_idle_limit_ms 200; uiautomator dump; echo $?; ls /sdcard/window_dump.xml 2>/dev/null", "0\n", "ERROR: could not get idle state.\n"},
		{"a screen that is off", "input keyevent HOME; input keyevent SLEEP; uiautomator dump; echo $?; input keyevent WAKEUP", "0\n", "ERROR: null root node returned by UiTestAutomationBridge.\n"},
		{"no subcommand", "uiautomator | head -n 1", "Usage: uiautomator <subcommand> [options]\n", ""},
	} {
		got := sh(t, g, c.script)
		if got.out != c.out || !strings.Contains(got.err, c.err) || c.err == "" && got.err != "" {
			t.Errorf("%s:\n got %q %q\nwant %q %q", c.name, got.out, got.err, c.out, c.err)
		}
	}
	whole := sh(t, g, "uiautomator dump >/dev/null; cat /sdcard/window_dump.xml").out
	if err := xml.Unmarshal([]byte(whole), new(struct{ XMLName xml.Name })); err != nil {
		t.Errorf("%v: %s", err, whole)
	}
}

// Ensure a dump to the terminal stands before the words about it.
func TestUIAutomatorToTheTerminal(t *testing.T) {
	t.Parallel()
	g := boot(t, guest.Options{})
	k := sit(t, g, guest.Spec{Script: "uiautomator dump /dev/tty"})
	k.expect("<?xml version='1.0'")
	k.expect("</hierarchy>UI hierchary dumped to: /dev/tty")
}
