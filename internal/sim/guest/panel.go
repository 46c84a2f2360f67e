package guest

import (
	"image"
	"image/color"
	"sync"

	"golang.org/x/image/draw"

	"github.com/daytonaio/runner-android/internal/sim/evdev"
	"github.com/daytonaio/runner-android/internal/sim/guest/input"
	"github.com/daytonaio/runner-android/internal/sim/guest/screen"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// Panel is the display's glass with its touch sensor, and the keyboard: what the outside of the device has. The
// panel never turns: where the phone shows its screen turned, the picture lies on its side, and what the phone
// shows in another size (wm size) fills it as far as it can.
type Panel struct {
	guest *Guest

	mu   sync.Mutex
	held int // modifiers
}

// Panel returns the panel; each has a keyboard of its own.
func (g *Guest) Panel() *Panel { return &Panel{guest: g} }

// Size is the panel's, in pixels.
func (p *Panel) Size() image.Point { return image.Pt(ui.PhysicalWidth, ui.PhysicalHeight) }

// Mark is another number when the picture is another one.
func (p *Panel) Mark() uint64 { return p.guest.phone.Mark() }

// Rotation is by how many quarter turns the picture is turned clockwise.
func (p *Panel) Rotation() int { return p.guest.phone.Rotation() }

// Awake tells whether the display is on.
func (p *Panel) Awake() bool { return p.guest.phone.Awake() }

// Picture is what the panel shows now.
func (p *Panel) Picture() *image.RGBA {
	phone := p.guest.phone
	img := turned(screen.Paint(phone.Tree(), phone.Size()), phone.Rotation())
	if img.Bounds().Size() == p.Size() {
		return img
	}
	glass := image.NewRGBA(image.Rectangle{Max: p.Size()})
	draw.Draw(glass, glass.Bounds(), image.NewUniform(color.RGBA{A: 255}), image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(glass, fit(img.Bounds().Size(), p.Size()), img, img.Bounds(), draw.Src, nil)
	return glass
}

// fit is where a picture of one size lies on a panel of another: as large as possible, in the middle.
func fit(picture, panel image.Point) image.Rectangle {
	w, h := panel.X, picture.Y*panel.X/picture.X
	if h > panel.Y {
		w, h = picture.X*panel.Y/picture.Y, panel.Y
	}
	at := image.Pt((panel.X-w)/2, (panel.Y-h)/2)
	return image.Rectangle{Min: at, Max: at.Add(image.Pt(max(w, 1), max(h, 1)))}
}

// turned turns a picture clockwise by quarter turns.
func turned(img *image.RGBA, quarters int) *image.RGBA {
	if quarters == 0 {
		return img
	}
	size := img.Bounds().Size()
	to := size
	if quarters%2 == 1 {
		to = image.Pt(size.Y, size.X)
	}
	out := image.NewRGBA(image.Rectangle{Max: to})
	for y := range size.Y {
		for x := range size.X {
			at := place(image.Pt(x, y), size, quarters)
			copy(out.Pix[out.PixOffset(at.X, at.Y):][:4], img.Pix[img.PixOffset(x, y):][:4])
		}
	}
	return out
}

// place is where a pixel of a picture of a size goes when that is turned clockwise.
func place(p, size image.Point, quarters int) image.Point {
	switch quarters % 4 {
	case 1:
		return image.Pt(size.Y-1-p.Y, p.X)
	case 2:
		return image.Pt(size.X-1-p.X, size.Y-1-p.Y)
	case 3:
		return image.Pt(p.Y, size.X-1-p.X)
	}
	return p
}

// onScreen is the pixel of the phone's screen below a point of the panel.
func (p *Panel) onScreen(at image.Point) image.Point {
	w, h := p.guest.phone.BaseSize()
	base := image.Pt(w, h)
	if base != p.Size() {
		lies := fit(base, p.Size())
		at = at.Sub(lies.Min)
		at = image.Pt(at.X*base.X/lies.Dx(), at.Y*base.Y/lies.Dy())
	}
	return place(at, base, 4-p.Rotation()) // back again
}

// Finger is a finger at a point of the panel.
func (p *Panel) Finger(a ui.Action, at image.Point) {
	at = p.onScreen(at)
	p.guest.phone.Touch(a, at.X, at.Y)
}

// Key is a key of the keyboard going down or up, by its Linux code. The phone reacts when it goes down.
func (p *Panel) Key(code uint16, down bool) {
	key, ok := evdev.ToAndroid(code)
	if !ok {
		return
	}
	p.mu.Lock()
	modifier := input.Modifier(key)
	if down {
		p.held |= modifier
	} else {
		p.held &^= modifier
	}
	held := p.held
	p.mu.Unlock()
	if down && modifier == 0 {
		p.guest.phone.Key(key, held)
	}
}
