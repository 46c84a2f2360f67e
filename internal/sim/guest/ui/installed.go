package ui

import (
	"cmp"
	"image"
	"strings"
	"time"
)

// maxShown bounds a text from outside on the screen, in runes.
const maxShown = 300

func shown(text string) string {
	if runes := []rune(strings.ToValidUTF8(text, "\uFFFD")); len(runes) > maxShown {
		return string(runes[:maxShown]) + "..."
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// installedApp is one that was installed: its screen says what it is and how it was opened.
type installedApp struct {
	Installed
	launch Launch
}

// crasherPackage is the app that is there to die.
const crasherPackage = "com.example.crasher"

func newCrasher() *installedApp {
	return &installedApp{Installed: Installed{Package: crasherPackage, Activity: ".MainActivity", Label: "Crasher", Crashes: true}}
}

func (a *installedApp) name() string { return shown(cmp.Or(a.Label, a.Package)) }

func (a *installedApp) component() (pkg, activity string) {
	return a.Package, cmp.Or(a.launch.Activity, a.Activity)
}

func (*installedApp) field() *field { return nil }

// started takes the intent, which the screen shows until the activity ends.
func (a *installedApp) started(l Launch) { a.launch = l }

func (a *installedApp) build(p *Phone, l layout) *View {
	c := l.colors()
	root := &View{Class: "android.widget.LinearLayout", Package: a.Package, Bounds: l.Rectangle, Look: Look{Fill: c.back}}
	bar, rest := title(a, l)
	root.Children = []*View{bar}
	inner := rest.Rectangle
	inner.Min.X, inner.Max.X = inner.Min.X+l.dp(16), inner.Max.X-l.dp(16)
	y := rest.Min.Y
	line := func(id, text string, height int) {
		if text == "" {
			return
		}
		root.Children = append(root.Children, &View{Class: "android.widget.TextView", Package: a.Package, ID: a.Package + ":id/" + id, Text: text,
			Bounds: row(inner, y, height), Look: Look{Ink: c.ink, Size: l.dp(16), Wrap: height > l.dp(40)}})
		y += height
	}
	_, activity := a.component()
	line("package", a.Package, l.dp(36))
	line("version", a.Version, l.dp(36))
	line("activity", activity, l.dp(36))
	line("action", shown(a.launch.Action), l.dp(36))
	line("data", shown(a.launch.Data), l.dp(64))
	var extras []string
	for _, e := range a.launch.Extras {
		extras = append(extras, e.Name+"="+e.Value)
	}
	line("extras", shown(strings.Join(extras, "\n")), l.dp(96))
	if a.Crashes {
		root.Children = append(root.Children, a.button(p, l, y, "CRASH", "crash", 0), a.button(p, l, y+l.dp(64), "CRASH LATER", "crash_later", crashLater))
	}
	return root
}

// crashLater is how long CRASH LATER waits.
const crashLater = 2 * time.Second

func (a *installedApp) button(p *Phone, l layout, y int, text, id string, after time.Duration) *View {
	c := l.colors()
	at := image.Rect(l.Min.X+l.dp(16), y+l.dp(8), l.Min.X+l.dp(216), y+l.dp(56))
	return &View{Class: "android.widget.Button", Package: a.Package, ID: a.Package + ":id/" + id, Text: text, Bounds: at, Clickable: true, Focusable: true,
		Look: Look{Fill: c.accent, Round: l.dp(8), Ink: rgb(0xffffff), Size: l.dp(16), Center: true},
		tap: func() {
			if p.host != nil {
				p.host.Crash(a.Package, after)
			}
		}}
}

// Choice is one of several activities that an intent found.
type Choice struct {
	Label  string
	Launch Launch
}

// resolverApp asks which of several activities shall be opened.
type resolverApp struct{ choices []Choice }

func (*resolverApp) name() string { return "Open with" }

func (*resolverApp) component() (pkg, activity string) {
	return "android", "com.android.internal.app.ResolverActivity"
}

func (*resolverApp) field() *field { return nil }

func (a *resolverApp) build(p *Phone, l layout) *View {
	c := l.colors()
	root := &View{Class: "android.widget.LinearLayout", Package: "android", Bounds: l.Rectangle, Look: Look{Fill: c.back}}
	bar, rest := title(a, l)
	root.Children = []*View{bar}
	for i, choice := range a.choices {
		at := row(rest.Rectangle, rest.Min.Y+i*l.dp(56), l.dp(56))
		root.Children = append(root.Children, &View{Class: "android.widget.TextView", Package: "android", ID: "android:id/text1", Text: shown(choice.Label),
			Bounds: at, Clickable: true, Focusable: true, Look: Look{Ink: c.ink, Size: l.dp(18), Padding: l.dp(12)},
			tap: func() {
				p.back()
				p.launch(choice.Launch)
			}})
	}
	return root
}
