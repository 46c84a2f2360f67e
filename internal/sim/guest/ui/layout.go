package ui

import (
	"image"
	"image/color"
)

// layout is the room for an app, with the units and colors of the display.
type layout struct {
	image.Rectangle
	density int
	dark    bool
}

// dp turns density-independent pixels into pixels.
func (l layout) dp(n int) int { return n * l.density / 160 }

type palette struct{ back, surface, ink, faint, accent color.RGBA }

func rgb(n uint32) color.RGBA {
	return color.RGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 255}
}

func (l layout) colors() palette {
	if l.dark {
		return palette{rgb(0x121316), rgb(0x26282d), rgb(0xe6e6e6), rgb(0x9aa0a6), rgb(0x8ab4f8)}
	}
	return palette{rgb(0xfafafa), rgb(0xffffff), rgb(0x202124), rgb(0x70757a), rgb(0x1a73e8)}
}

const (
	systemPackage   = "com.android.systemui"
	launcherPackage = "com.android.launcher3"
	imePackage      = "com.android.inputmethod.latin"

	launcherActivity = ".uioverrides.QuickstepLauncher"
)

// Tree is the screen as it is now. The views of the app come first, as in a dump of the active
// window; bars and keyboard are on top of it.
func (p *Phone) Tree() *View {
	size, density := p.Size(), p.Density()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tree(size, density)
}

func (p *Phone) tree(size image.Point, density int) *View {
	all := image.Rectangle{Max: size}
	root := &View{Class: "android.widget.FrameLayout", Bounds: all, Look: Look{Fill: rgb(0)}}
	if p.asleep {
		root.clip(all)
		return root
	}
	l := layout{all, density, p.store.Setting("secure", "ui_night_mode") == "2"}
	l.Min.Y += l.dp(24)
	l.Max.Y -= l.dp(48)
	keyboard := p.ime && p.field() != nil
	inner := l
	if keyboard {
		inner.Max.Y -= min(l.dp(200), l.Dy()/2)
	}
	var content *View
	switch a := p.front(); {
	case p.recents:
		content = p.recentsView(l)
	case a == nil:
		content = p.launcherView(l)
	default:
		content = a.build(p, inner)
	}
	root.Package = content.Package
	root.Look.Fill = content.Look.Fill
	root.Children = []*View{content, p.statusBar(l, all), p.navigation(l, all)}
	if keyboard {
		board := l
		board.Min.Y = inner.Max.Y
		root.Children = append(root.Children, p.keyboardView(board))
	}
	root.clip(all)
	return root
}

// row makes a rectangle of height h at y, as wide as r.
func row(r image.Rectangle, y, h int) image.Rectangle { return image.Rect(r.Min.X, y, r.Max.X, y+h) }

func (p *Phone) statusBar(l layout, all image.Rectangle) *View {
	c := l.colors()
	bar := row(all, 0, l.dp(24))
	clock := bar
	clock.Min.X += l.dp(12)
	clock.Max.X = min(bar.Max.X, clock.Min.X+l.dp(60))
	return &View{Class: "android.widget.FrameLayout", Package: systemPackage, ID: systemPackage + ":id/status_bar", Bounds: bar,
		Look: Look{Fill: c.back}, Children: []*View{
			{Class: "android.widget.TextView", Package: systemPackage, ID: systemPackage + ":id/clock", Bounds: clock,
				Text: p.store.Now().Format("15:04"), Look: Look{Ink: c.ink, Size: l.dp(14)}},
		}}
}

func (p *Phone) navigation(l layout, all image.Rectangle) *View {
	c := l.colors()
	bar := image.Rect(all.Min.X, all.Max.Y-l.dp(48), all.Max.X, all.Max.Y)
	v := &View{Class: "android.widget.FrameLayout", Package: systemPackage, ID: systemPackage + ":id/navigation_bar_frame",
		Bounds: bar, Look: Look{Fill: c.surface}}
	third := bar.Dx() / 3
	for i, b := range []struct {
		id, name, sign string
		tap            func()
	}{{"back", "Back", "<", p.back}, {"home", "Home", "O", p.home}, {"recent_apps", "Overview", "=", func() { p.recents = !p.recents }}} {
		v.Children = append(v.Children, &View{Class: "android.widget.ImageView", Package: systemPackage,
			ID: systemPackage + ":id/" + b.id, Description: b.name, Clickable: true, tap: b.tap,
			Bounds: image.Rect(bar.Min.X+i*third, bar.Min.Y, bar.Min.X+(i+1)*third, bar.Max.Y),
			Children: []*View{{Hidden: true, Text: b.sign, Bounds: image.Rect(bar.Min.X+i*third, bar.Min.Y, bar.Min.X+(i+1)*third, bar.Max.Y),
				Look: Look{Ink: c.ink, Size: l.dp(20), Center: true}}}})
	}
	return v
}

func (p *Phone) launcherView(l layout) *View {
	v := &View{Class: "android.widget.FrameLayout", Package: launcherPackage, ID: launcherPackage + ":id/workspace",
		Bounds: l.Rectangle, Scrollable: true, Look: Look{Fill: rgb(0x35506b)}}
	const columns = 4
	cell := l.Dx() / columns
	icon := min(l.dp(56), cell)
	for i, a := range p.icons() {
		x, y := l.Min.X+i%columns*cell, l.Min.Y+l.dp(40)+i/columns*l.dp(110)
		at := image.Rect(x, y, x+cell, y+l.dp(100))
		left := x + (cell-icon)/2
		color := []uint32{0x5f6368, 0xf9ab00, 0x1a73e8}[i%3]
		pkg, _ := a.component()
		v.Children = append(v.Children, &View{Class: "android.widget.TextView", Package: launcherPackage, ID: launcherPackage + ":id/icon",
			Text: a.name(), Description: a.name(), Clickable: true, LongClickable: true, Focusable: true, Bounds: at,
			tap:  func() { p.open(a) },
			Look: Look{},
			Children: []*View{
				{Hidden: true, Package: pkg, Bounds: image.Rect(left, y, left+icon, y+icon), Text: initial(a.name()),
					Look: Look{Fill: rgb(color), Round: icon / 2, Ink: rgb(0xffffff), Size: l.dp(26), Center: true}},
				{Hidden: true, Bounds: image.Rect(x, y+icon, x+cell, y+l.dp(90)), Text: a.name(),
					Look: Look{Ink: rgb(0xffffff), Size: l.dp(14), Center: true}},
			}})
	}
	return v
}

func (p *Phone) recentsView(l layout) *View {
	c := l.colors()
	v := &View{Class: "android.widget.FrameLayout", Package: launcherPackage, ID: launcherPackage + ":id/overview_panel",
		Bounds: l.Rectangle, Scrollable: true, Look: Look{Fill: rgb(0x202a33)}}
	y := l.Min.Y + l.dp(24)
	for i := len(p.stack) - 1; i >= 0; i-- {
		a := p.stack[i]
		card := row(l.Inset(l.dp(24)), y, l.dp(96))
		v.Children = append(v.Children, &View{Class: "android.widget.FrameLayout", Package: launcherPackage, ID: launcherPackage + ":id/task",
			Description: a.name(), Text: a.name(), Clickable: true, Bounds: card, tap: func() { p.open(a) },
			Look: Look{Fill: c.surface, Round: l.dp(12), Ink: c.ink, Size: l.dp(18), Padding: l.dp(16)}})
		y += l.dp(112)
	}
	if len(p.stack) == 0 {
		v.Children = []*View{{Class: "android.widget.TextView", Package: launcherPackage, Text: "No recent items",
			Bounds: l.Rectangle, Look: Look{Ink: rgb(0xffffff), Size: l.dp(18), Center: true}}}
	}
	return v
}

// keyboardView is the on-screen keyboard: letters, shift, space, backspace and enter.
func (p *Phone) keyboardView(l layout) *View {
	v := &View{Class: "android.widget.FrameLayout", Package: imePackage, ID: imePackage + ":id/keyboard_view", Bounds: l.Rectangle,
		Look: Look{Fill: rgb(0xd5d8dc)}}
	rows := []string{"1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"}
	height := l.Dy() / 5
	key := func(at image.Rectangle, label, name string, tap func()) {
		v.Children = append(v.Children, &View{Class: "android.widget.Button", Package: imePackage, Description: name, Bounds: at, Clickable: true,
			tap: tap, Text: label, Look: Look{Fill: rgb(0xffffff), Round: l.dp(4), Ink: rgb(0x202124), Size: l.dp(18), Center: true}})
	}
	for r, letters := range rows {
		width := l.Dx() / 10
		x := l.Min.X + (l.Dx()-width*len(letters))/2
		for _, letter := range letters {
			text := string(letter)
			if p.shift {
				text = string([]rune{letter - 32})
				if letter < 'a' {
					text = string(letter)
				}
			}
			key(image.Rect(x, l.Min.Y+r*height, x+width, l.Min.Y+(r+1)*height).Inset(l.dp(2)), text, text, func() {
				p.typed(text)
				p.shift = false
			})
			x += width
		}
	}
	y := l.Min.Y + 4*height
	sixth := l.Dx() / 6
	cell := func(from, to int) image.Rectangle {
		return image.Rect(l.Min.X+from*sixth, y, l.Min.X+to*sixth, y+height).Inset(l.dp(2))
	}
	key(cell(0, 1), "^", "Shift", func() { p.shift = !p.shift })
	key(cell(1, 4), "", "Space", func() { p.typed(" ") })
	key(cell(4, 5), "<x", "Delete", func() { p.press(keyDel, 0) })
	key(cell(5, 6), "ok", "Enter", func() { p.press(keyEnter, 0) })
	return v
}
