package ui

import (
	"encoding/binary"
	"hash/fnv"
	"image"
)

// Mark is a number that is another one when the screen shows something else. It costs much less than painting.
func (p *Phone) Mark() uint64 {
	sum := fnv.New64a()
	var b []byte
	rectangle := func(r image.Rectangle) {
		for _, n := range []int{r.Min.X, r.Min.Y, r.Max.X, r.Max.Y} {
			b = binary.AppendVarint(b, int64(n))
		}
	}
	flag := func(v bool) {
		if v {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	rectangle(image.Rectangle{Max: p.Size()})
	b = binary.AppendVarint(b, int64(p.Rotation()))
	for v := range p.Tree().All() {
		rectangle(v.Bounds)
		rectangle(v.Clip)
		look := v.Look
		b = append(b, look.Fill.R, look.Fill.G, look.Fill.B, look.Fill.A, look.Ink.R, look.Ink.G, look.Ink.B, look.Ink.A)
		for _, n := range []int{look.Round, look.Size, look.Caret, look.Padding, len(v.Text)} {
			b = binary.AppendVarint(b, int64(n))
		}
		for _, f := range []bool{look.Center, look.Wrap, look.Marked, look.Switch, v.Checked} {
			flag(f)
		}
		b = append(b, v.Text...)
		_, _ = sum.Write(b) // a hash takes everything
		b = b[:0]
	}
	return sum.Sum64()
}
