package ui

import (
	"image"
	"strings"
)

// settingsApp is a list of switches.
type settingsApp struct{ scroll int }

// toggle is a row of Settings: a setting with its values.
type toggle struct{ title, summary, space, key, on, off string }

func toggles() []toggle {
	return []toggle{
		{"Airplane mode", "", "global", "airplane_mode_on", "1", "0"},
		{"Wi-Fi", "AndroidWifi", "global", "wifi_on", "1", "0"},
		{"Bluetooth", "", "global", "bluetooth_on", "1", "0"},
		{"Mobile data", "", "global", "mobile_data", "1", "0"},
		{"Dark theme", "Display", "secure", "ui_night_mode", "2", "1"},
		{"Auto-rotate screen", "Display", "system", "accelerometer_rotation", "1", "0"},
		{"Adaptive brightness", "Display", "system", "screen_brightness_mode", "1", "0"},
		{"Touch sounds", "Sound", "system", "sound_effects_enabled", "1", "0"},
		{"Touch vibration", "Sound", "system", "haptic_feedback_enabled", "1", "0"},
		{"Use location", "Location", "secure", "location_mode", "3", "0"},
		{"Automatic date & time", "System", "global", "auto_time", "1", "0"},
		{"Developer options", "System", "global", "development_settings_enabled", "1", "0"},
		{"USB debugging", "Developer options", "global", "adb_enabled", "1", "0"},
		{"Stay awake", "Developer options", "global", "stay_on_while_plugged_in", "15", "0"},
		{"Show taps", "Developer options", "system", "show_touches", "1", "0"},
	}
}

func (*settingsApp) name() string { return "Settings" }

func (*settingsApp) component() (pkg, activity string) { return "com.android.settings", ".Settings" }

func (*settingsApp) field() *field { return nil }

// title is the bar on top of an app, and the room below it.
func title(a app, l layout) (*View, layout) {
	c := l.colors()
	pkg, _ := a.component()
	bar := row(l.Rectangle, l.Min.Y, l.dp(56))
	l.Min.Y = bar.Max.Y
	return &View{Class: "android.widget.TextView", Package: pkg, ID: pkg + ":id/action_bar_title", Text: a.name(), Bounds: bar,
		Look: Look{Fill: c.back, Ink: c.ink, Size: l.dp(22), Padding: l.dp(16)}}, l
}

func (a *settingsApp) build(p *Phone, l layout) *View {
	const pkg = "com.android.settings"
	c := l.colors()
	root := &View{Class: "android.widget.LinearLayout", Package: pkg, Bounds: l.Rectangle, Look: Look{Fill: c.back}}
	bar, rest := title(a, l)
	rows, height := toggles(), l.dp(64)
	most := max(0, len(rows)*height-rest.Dy())
	a.scroll = min(max(a.scroll, 0), most)
	list := &View{Class: "androidx.recyclerview.widget.RecyclerView", Package: pkg, ID: pkg + ":id/recycler_view", Bounds: rest.Rectangle,
		Scrollable: most > 0, Focusable: true, drag: func(_, dy int) { a.scroll -= dy }}
	for i, t := range rows {
		at := row(rest.Rectangle, rest.Min.Y+i*height-a.scroll, height)
		if !at.Overlaps(rest.Rectangle) {
			continue // as a RecyclerView has only what can be seen
		}
		list.Children = append(list.Children, a.row(p, l, t, at))
	}
	root.Children = []*View{list, bar}
	return root
}

func (a *settingsApp) row(p *Phone, l layout, t toggle, at image.Rectangle) *View {
	const pkg = "com.android.settings"
	c := l.colors()
	on := p.store.Setting(t.space, t.key) == t.on || t.off == "0" && p.on(t.space, t.key)
	text := at
	text.Min.X += l.dp(16)
	text.Max.X -= l.dp(72)
	head := row(text, at.Min.Y+l.dp(8), l.dp(26))
	if t.summary == "" {
		head = row(text, at.Min.Y, at.Dy())
	}
	knob := image.Rect(at.Max.X-l.dp(64), at.Min.Y+l.dp(18), at.Max.X-l.dp(16), at.Max.Y-l.dp(18))
	v := &View{Class: "android.widget.LinearLayout", Package: pkg, Bounds: at, Clickable: true, Focusable: true, tap: func() {
		value := t.on
		if on {
			value = t.off
		}
		p.store.PutSetting(t.space, t.key, value)
	}}
	v.Children = []*View{
		{Class: "android.widget.TextView", Package: pkg, ID: "android:id/title", Text: t.title, Bounds: head, Look: Look{Ink: c.ink, Size: l.dp(17)}},
		{Class: "android.widget.Switch", Package: pkg, ID: "android:id/switch_widget", Bounds: knob, Checkable: true, Checked: on,
			Look: Look{Fill: c.faint, Ink: c.accent, Switch: true}},
	}
	if t.summary != "" {
		v.Children = append(v.Children, &View{Class: "android.widget.TextView", Package: pkg, ID: "android:id/summary", Text: t.summary,
			Bounds: row(text, at.Min.Y+l.dp(34), l.dp(22)), Look: Look{Ink: c.faint, Size: l.dp(14)}})
	}
	return v
}

// NoteFile is where Notes keeps its text.
const NoteFile = "/data/data/com.example.notes/files/note.txt"

// notesApp is one text field that fills the screen.
type notesApp struct {
	text  *field
	focus bool
}

func newNotes(store Store) *notesApp {
	f := &field{multi: true}
	f.changed = func() { _ = store.WriteFile(NoteFile, []byte(string(f.text))) } // a full disk loses it, as on a phone
	return &notesApp{text: f}
}

// fresh reads the note: it may have been cleared since.
func (a *notesApp) fresh(store Store) {
	saved, _ := store.ReadFile(NoteFile) // none yet is an empty note
	a.text.text = []rune(strings.ToValidUTF8(string(saved), "\uFFFD"))
	a.text.caret, a.text.all, a.text.scroll = len(a.text.text), false, 0
}

func (*notesApp) name() string { return "Notes" }

func (*notesApp) component() (pkg, activity string) { return "com.example.notes", ".MainActivity" }

func (a *notesApp) field() *field {
	if a.focus {
		return a.text
	}
	return nil
}

func (a *notesApp) build(p *Phone, l layout) *View {
	const pkg = "com.example.notes"
	c := l.colors()
	root := &View{Class: "android.widget.LinearLayout", Package: pkg, Bounds: l.Rectangle, Look: Look{Fill: c.back}}
	bar, rest := title(a, l)
	clearAt := image.Rect(bar.Bounds.Max.X-l.dp(88), bar.Bounds.Min.Y+l.dp(8), bar.Bounds.Max.X-l.dp(8), bar.Bounds.Max.Y-l.dp(8))
	bar.Bounds.Max.X = clearAt.Min.X
	edit := &View{Class: "android.widget.EditText", Package: pkg, ID: pkg + ":id/note", Bounds: rest.Inset(l.dp(8)),
		Clickable: true, LongClickable: true, Focusable: true, Focused: a.focus, Scrollable: true,
		tap:  func() { a.focus, p.ime, a.text.all = true, true, false },
		long: func() { a.focus, p.ime, a.text.all = true, true, len(a.text.text) > 0 },
		drag: func(_, dy int) { a.text.scroll = max(0, a.text.scroll-dy) }}
	a.text.show(edit, "Write something", a.focus, Look{Fill: c.surface, Round: l.dp(8), Ink: c.ink, Size: l.dp(18), Wrap: true, Padding: l.dp(12)}, c.faint)
	root.Children = []*View{bar,
		{Class: "android.widget.Button", Package: pkg, ID: pkg + ":id/clear", Text: "CLEAR", Description: "Clear note", Bounds: clearAt, Clickable: true,
			Focusable: true, tap: func() { a.text.set("") }, Look: Look{Fill: c.accent, Round: l.dp(8), Ink: rgb(0xffffff), Size: l.dp(15), Center: true}},
		edit}
	return root
}

// browserApp shows which page it would load.
type browserApp struct {
	url   string
	bar   field
	focus bool
}

func (*browserApp) name() string { return "Browser" }

func (*browserApp) component() (pkg, activity string) {
	return "org.chromium.webview_shell", ".WebViewBrowserActivity"
}

func (a *browserApp) field() *field {
	if a.focus {
		return &a.bar
	}
	return nil
}

// started loads the page that an intent names.
func (a *browserApp) started(l Launch) {
	if l.Data != "" {
		a.load(l.Data)
	}
}

// load goes to url, which gets a scheme if it has none.
func (a *browserApp) load(url string) {
	if url != "" && !strings.Contains(url, ":") {
		url = "https://" + url
	}
	a.url = url
	a.bar.set(url)
	a.focus = false
}

func (a *browserApp) build(p *Phone, l layout) *View {
	const pkg = "org.chromium.webview_shell"
	c := l.colors()
	root := &View{Class: "android.widget.LinearLayout", Package: pkg, Bounds: l.Rectangle, Look: Look{Fill: c.back}}
	at := row(l.Rectangle, l.Min.Y, l.dp(56)).Inset(l.dp(6))
	a.bar.enter = func() { a.load(string(a.bar.text)); p.ime = false }
	edit := &View{Class: "android.widget.EditText", Package: pkg, ID: pkg + ":id/url_field", Bounds: at, Clickable: true, LongClickable: true,
		Focusable: true, Focused: a.focus,
		tap:  func() { a.focus, p.ime, a.bar.all = true, true, false },
		long: func() { a.focus, p.ime, a.bar.all = true, true, len(a.bar.text) > 0 }}
	a.bar.show(edit, "Type a URL", a.focus, Look{Fill: c.surface, Round: l.dp(20), Ink: c.ink, Size: l.dp(16), Padding: l.dp(14)}, c.faint)
	page := l.Rectangle
	page.Min.Y += l.dp(56)
	text := "about:blank"
	if a.url != "" {
		text = "This is where " + a.url + " would be."
	}
	root.Children = []*View{edit, {Class: "android.webkit.WebView", Package: pkg, ID: pkg + ":id/webview", Bounds: page, Focusable: true, Scrollable: true,
		Text: text, Look: Look{Ink: c.ink, Size: l.dp(18), Wrap: true, Padding: l.dp(16)}}}
	return root
}
