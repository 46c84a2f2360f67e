package ui

import (
	"fmt"
	"image"
	"time"
)

// animationApp never comes to rest: it moves and counts, and tells accessibility services so each time.
type animationApp struct{ taps int }

// animationFrame is how long one step of it lasts.
const animationFrame = 100 * time.Millisecond

func (*animationApp) name() string { return "Animation" }

func (*animationApp) component() (pkg, activity string) {
	return "com.example.animation", ".MainActivity"
}

func (*animationApp) field() *field { return nil }

func (*animationApp) restless() bool { return true }

func (a *animationApp) build(p *Phone, l layout) *View {
	const pkg = "com.example.animation"
	c := l.colors()
	root := &View{Class: "android.widget.FrameLayout", Package: pkg, Bounds: l.Rectangle, Look: Look{Fill: c.back}}
	bar, rest := title(a, l)
	frame := int(p.store.Now().UnixMilli() / animationFrame.Milliseconds() % 1000)
	side := l.dp(64)
	x := rest.Min.X + frame*l.dp(8)%max(1, rest.Dx()-side)
	ball := image.Rect(x, rest.Min.Y+l.dp(32), x+side, rest.Min.Y+l.dp(32)+side)
	root.Children = []*View{bar,
		{Class: "android.view.View", Package: pkg, ID: pkg + ":id/ball", Description: fmt.Sprintf("Frame %d", frame), Bounds: ball,
			Look: Look{Fill: c.accent, Round: side / 2}},
		{Class: "android.widget.Button", Package: pkg, ID: pkg + ":id/tap", Text: fmt.Sprintf("TAPPED %d TIMES", a.taps), Bounds: row(rest.Inset(l.dp(16)),
			rest.Min.Y+l.dp(160), l.dp(56)), Clickable: true, Focusable: true, tap: func() { a.taps++ },
			Look: Look{Fill: c.accent, Round: l.dp(8), Ink: rgb(0xffffff), Size: l.dp(16), Center: true}}}
	return root
}
