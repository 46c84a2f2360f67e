package screen

import (
	"image"
	"image/color"
	"image/draw"

	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// Paint draws a tree on a screen of the given size. What no view covers is black.
func Paint(root *ui.View, size image.Point) *image.RGBA {
	img := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(img, img.Bounds(), image.NewUniform(color.RGBA{A: 255}), image.Point{}, draw.Src)
	paint(img, root)
	return img
}

func paint(img *image.RGBA, v *ui.View) {
	clip := v.Clip.Intersect(img.Bounds())
	if clip.Empty() {
		return
	}
	on := img.SubImage(clip).(*image.RGBA)
	switch {
	case v.Look.Switch:
		paintSwitch(on, v)
	default:
		fill(on, v.Bounds, v.Look.Round, v.Look.Fill)
		text(on, v)
	}
	for _, child := range v.Children {
		paint(img, child)
	}
}

// fill paints a rectangle with round corners.
func fill(img *image.RGBA, r image.Rectangle, round int, c color.RGBA) {
	if c.A == 0 {
		return
	}
	round = min(round, r.Dx()/2, r.Dy()/2)
	seen := r.Intersect(img.Bounds())
	for y := seen.Min.Y; y < seen.Max.Y; y++ {
		inset := 0
		if dy := max(r.Min.Y+round-y, y-(r.Max.Y-1-round)); dy > 0 {
			for inset < round && (round-inset)*(round-inset)+dy*dy > round*round {
				inset++
			}
		}
		from, to := max(seen.Min.X, r.Min.X+inset), min(seen.Max.X, r.Max.X-inset)
		if from >= to {
			continue
		}
		line := img.Pix[img.PixOffset(from, y) : img.PixOffset(to-1, y)+4]
		for i := 0; i < len(line); i += 4 {
			line[i], line[i+1], line[i+2], line[i+3] = c.R, c.G, c.B, c.A
		}
	}
}

func paintSwitch(img *image.RGBA, v *ui.View) {
	r := v.Bounds
	track := v.Look.Fill
	if v.Checked {
		track = v.Look.Ink
	}
	fill(img, r, r.Dy()/2, track)
	knob := r.Inset(max(1, r.Dy()/8))
	if v.Checked {
		knob.Min.X = knob.Max.X - knob.Dy()
	} else {
		knob.Max.X = knob.Min.X + knob.Dy()
	}
	fill(img, knob, knob.Dy()/2, color.RGBA{255, 255, 255, 255})
}
