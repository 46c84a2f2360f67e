package android

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

const (
	// idleWindow is how long the screen must rest before a dump: a second on a phone, a fraction of it here,
	// so that scripts with many dumps stay short.
	idleWindow = 40 * time.Millisecond
	// idleLimit is how long a dump waits for that: ten seconds on a phone. idleSetting, in milliseconds, replaces it.
	idleLimit   = time.Second
	idleSetting = "sim_uiautomator_idle_limit_ms"

	defaultDump = "/sdcard/window_dump.xml"
)

const uiautomatorUsage = `Usage: uiautomator <subcommand> [options]

Available subcommands:

help: displays help message

runtest: executes UI automation tests
    runtest <class spec> [options]
    <class spec>: <JARS> < -c <CLASSES> | -e class <CLASSES> >

dump: creates an XML dump of current UI hierarchy
    dump [--verbose][file]
      [--compressed]: dumps compressed layout information.
      [file]: the location where the dumped XML should be stored, default is
      /sdcard/window_dump.xml

events: prints out accessibility events until terminated

`

// uiautomator is its dump: of the active window, which has neither the bars nor the keyboard. It reports its failures on
// the error output, and ends with 0 all the same.
func (d Device) uiautomator(c *toybox.Call) int {
	if len(c.Args) < 2 || c.Args[1] != "dump" {
		io.WriteString(c.Out, uiautomatorUsage)
		return 0
	}
	file, compressed := defaultDump, false
	for i := 2; i < len(c.Args); i++ {
		switch arg := c.Args[i]; {
		case arg == "--compressed":
			compressed = true
		case arg == "--display-id":
			i++
		case !strings.HasPrefix(arg, "-"):
			file = vfs.Abs(c.Dir, arg)
		}
	}
	if !d.rests(c) {
		if c.Ctx.Err() != nil {
			return 1
		}
		io.WriteString(c.Err, "ERROR: could not get idle state.\n")
		return 0
	}
	if !d.Phone.Awake() {
		io.WriteString(c.Err, "ERROR: null root node returned by UiTestAutomationBridge.\n")
		return 0
	}
	if err := writeDump(c, file, dumpOf(d.Phone.Tree(), d.Phone.Rotation(), compressed)); err != nil {
		d.Log("AccessibilityNodeInfoDumper", "failed to dump window to file: %v", err) // and says that it has
	}
	say(c, "UI hierchary dumped to: %s", file) // sic
	return 0
}

// rests waits until the screen has not changed for a while.
func (d Device) rests(c *toybox.Call) bool {
	limit := idleLimit
	if value, ok := c.Sys.Setting("global", idleSetting); ok {
		if ms, err := strconv.Atoi(value); err == nil && ms >= 0 && ms <= 60_000 {
			limit = time.Duration(ms) * time.Millisecond
		}
	}
	for end := time.Now().Add(limit); ; {
		restless := d.Phone.Restless()
		t := time.NewTimer(min(idleWindow, max(0, time.Until(end))))
		select {
		case <-t.C:
		case <-c.Ctx.Done():
			t.Stop()
			return false
		}
		if !restless && !d.Phone.Restless() {
			return true
		}
		if !time.Now().Before(end) {
			return false
		}
	}
}

func writeDump(c *toybox.Call, file, dump string) error {
	if t := c.Sys.Terminal(); t != nil && file == "/dev/tty" {
		_, err := io.WriteString(t, dump)
		return err
	}
	f, err := c.View.Open(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.WriteString(f, dump)
	return err
}

// dumpOf is the window in front as AccessibilityNodeInfoDumper writes it with KXmlSerializer.
func dumpOf(root *ui.View, rotation int, compressed bool) string {
	w := dumper{compressed: compressed}
	fmt.Fprintf(&w.out, "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?><hierarchy rotation=\"%d\">", rotation)
	window := *root
	window.Children = nil
	for _, v := range root.Children {
		if v.Package == root.Package { // bars and keyboard are windows of their own
			window.Children = append(window.Children, v)
		}
	}
	w.node(&window, 0)
	w.out.WriteString("</hierarchy>")
	return w.out.String()
}

type dumper struct {
	out        strings.Builder
	compressed bool
}

func (w *dumper) node(v *ui.View, index int) {
	w.out.WriteString("<node")
	if notAccessible(v) {
		w.attribute("NAF", "true")
	}
	for _, a := range [][2]string{
		{"index", strconv.Itoa(index)}, {"text", v.Text}, {"resource-id", v.ID}, {"class", v.Class}, {"package", v.Package},
		{"content-desc", v.Description}, {"checkable", yes(v.Checkable)}, {"checked", yes(v.Checked)}, {"clickable", yes(v.Clickable)},
		{"enabled", yes(!v.Disabled)}, {"focusable", yes(v.Focusable)}, {"focused", yes(v.Focused)}, {"scrollable", yes(v.Scrollable)},
		{"long-clickable", yes(v.LongClickable)}, {"password", yes(v.Password)}, {"selected", yes(v.Selected)},
		{"bounds", fmt.Sprintf("[%d,%d][%d,%d]", v.Clip.Min.X, v.Clip.Min.Y, v.Clip.Max.X, v.Clip.Max.Y)},
	} {
		w.attribute(a[0], a[1])
	}
	children := w.children(v, nil)
	if len(children) == 0 {
		w.out.WriteString(" />")
		return
	}
	w.out.WriteByte('>')
	for i, child := range children {
		if !child.Clip.Empty() {
			w.node(child, i)
		}
	}
	w.out.WriteString("</node>")
}

// children are those that accessibility services are told of; in a compressed dump what means nothing is passed over.
func (w *dumper) children(v *ui.View, list []*ui.View) []*ui.View {
	for _, child := range v.Children {
		switch {
		case child.Hidden:
		case w.compressed && !important(child):
			list = w.children(child, list)
		default:
			list = append(list, child)
		}
	}
	return list
}

func important(v *ui.View) bool {
	return v.Text != "" || v.Description != "" || v.Clickable || v.LongClickable || v.Focusable || v.Scrollable || v.Checkable
}

// notAccessible is what uiautomator marks NAF: something to click that says nothing, nor does anything in it.
func notAccessible(v *ui.View) bool {
	if !v.Clickable || v.Disabled {
		return false
	}
	return v.Find(func(v *ui.View) bool { return !v.Hidden && v.Text+v.Description != "" }) == nil
}

func yes(b bool) string { return strconv.FormatBool(b) }

// attribute writes one as KXmlSerializer does: in the quotes that the value has not, characters beyond the
// first plane as numbers, and a dot for what XML cannot say.
func (w *dumper) attribute(name, value string) {
	quote := byte('"')
	if strings.Contains(value, `"`) {
		quote = '\''
	}
	w.out.WriteString(" " + name + "=" + string(quote))
	for _, r := range value {
		switch {
		case r == '&':
			w.out.WriteString("&amp;")
		case r == '<':
			w.out.WriteString("&lt;")
		case r == '>':
			w.out.WriteString("&gt;")
		case r == '\'' && quote == '\'':
			w.out.WriteString("&apos;")
		case r == '\n' || r == '\r' || r == '\t' || r > 0xffff:
			fmt.Fprintf(&w.out, "&#%d;", r)
		case r < ' ' || r >= 0x7f && r <= 0x9f && r != 0x85 || r >= 0xfdd0 && r <= 0xfddf || r >= 0xfffe:
			w.out.WriteByte('.')
		default:
			w.out.WriteRune(r)
		}
	}
	w.out.WriteByte(quote)
}
