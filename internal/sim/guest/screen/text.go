package screen

import (
	"image"
	"image/color"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// regular is the parsed font; nil if it cannot be parsed, which a test excludes.
var regular = sync.OnceValue(func() *opentype.Font {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil
	}
	return f
})

// faces are the sizes in use. A face is not safe for concurrent use, so each is lent out.
var faces sync.Map // int to *sync.Pool

func borrow(size int) (face font.Face, giveBack func()) {
	pool, _ := faces.LoadOrStore(size, &sync.Pool{New: func() any {
		face, err := opentype.NewFace(regular(), &opentype.FaceOptions{Size: float64(size), DPI: 72})
		if err != nil {
			return nil
		}
		return face
	}})
	p := pool.(*sync.Pool)
	face, ok := p.Get().(font.Face)
	if !ok {
		return nil, func() {}
	}
	return face, func() { p.Put(face) }
}

// maxSize bounds the size of text; larger is drawn so.
const maxSize = 200

// text draws the text of v within its bounds.
func text(img *image.RGBA, v *ui.View) {
	if v.Look.Ink.A == 0 || v.Look.Size < 1 || v.Text == "" && v.Look.Caret == 0 {
		return
	}
	face, giveBack := borrow(min(v.Look.Size, maxSize))
	if face == nil {
		return
	}
	defer giveBack()
	box := v.Bounds.Inset(v.Look.Padding)
	metrics := face.Metrics()
	height := metrics.Height.Ceil() + v.Look.Size/5
	lines := split(face, v, box.Dx())
	y := box.Min.Y + (box.Dy()-height)/2
	if v.Look.Wrap {
		y = box.Min.Y
		if at := caretLine(lines, v.Look.Caret); (at+1)*height > box.Dy() {
			y -= (at+1)*height - box.Dy() // what is typed stays in sight
		}
	}
	seen, _ := img.SubImage(box).(*image.RGBA)
	for _, line := range lines {
		if y+height < box.Min.Y || y > box.Max.Y {
			y += height
			continue
		}
		width := font.MeasureString(face, line.text).Ceil()
		x := box.Min.X
		if v.Look.Center {
			x += (box.Dx() - width) / 2
		} else if !v.Look.Wrap && v.Look.Caret > 0 && width > box.Dx() {
			x = box.Max.X - width - 2 // the end of a long line is what is typed at
		}
		if v.Look.Marked && line.text != "" {
			fill(seen, image.Rect(x, y, x+width, y+height), 0, color.RGBA{0xb3, 0xd4, 0xfc, 0xff})
		}
		d := font.Drawer{Dst: seen, Src: image.NewUniform(v.Look.Ink), Face: face,
			Dot: fixed.P(x, y+metrics.Ascent.Ceil())}
		d.DrawString(line.text)
		if at := v.Look.Caret - 1 - line.start; v.Look.Caret > 0 && at >= 0 && (at < line.length || at == line.length && line.last) {
			left := x + font.MeasureString(face, string([]rune(line.text)[:min(at, len([]rune(line.text)))])).Ceil()
			fill(seen, image.Rect(left, y, left+max(2, v.Look.Size/12), y+height), 0, v.Look.Ink)
		}
		y += height
	}
}

// textLine is a line as it is drawn: text begins at rune start of the whole and takes length runes,
// an end of line included; last tells whether a caret behind it belongs to it.
type textLine struct {
	text          string
	start, length int
	last          bool
}

func split(face font.Face, v *ui.View, width int) []textLine {
	var lines []textLine
	start := 0
	for i, text := range strings.Split(v.Text, "\n") {
		if i > 0 && !v.Look.Wrap {
			break
		}
		if !v.Look.Wrap {
			n := len([]rune(text))
			return []textLine{{text, 0, n, true}}
		}
		pieces := wrap(face, text, width)
		for j, piece := range pieces {
			n := len([]rune(piece))
			line := textLine{piece, start, n, j == len(pieces)-1}
			if line.last {
				line.length++ // the end of line
			}
			lines = append(lines, line)
			start += n
		}
		start++
	}
	if len(lines) > 0 {
		lines[len(lines)-1].length--
	}
	return lines
}

// wrap breaks a text into lines that fit, behind spaces where it can.
func wrap(face font.Face, text string, width int) []string {
	var lines []string
	limit := fixed.I(max(width, 1))
	runes := []rune(text)
	from, space := 0, -1
	var wide fixed.Int26_6
	for i := 0; i < len(runes); i++ {
		advance, _ := face.GlyphAdvance(runes[i])
		wide += advance
		if wide > limit && i > from {
			cut := i
			if space > from {
				cut = space
			}
			lines = append(lines, string(runes[from:cut]))
			from, space, wide = cut, -1, 0
			i = cut - 1
			continue
		}
		if runes[i] == ' ' {
			space = i + 1
		}
	}
	return append(lines, string(runes[from:]))
}

func caretLine(lines []textLine, caret int) int {
	for i, line := range lines {
		if at := caret - 1 - line.start; caret > 0 && at >= 0 && at <= line.length {
			return i
		}
	}
	return 0
}
