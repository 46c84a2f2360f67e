package h264

import (
	"bytes"
	"image"
)

// picture is a frame in YUV 4:2:0, in whole macroblocks: what lies outside of the frame repeats its edge.
type picture struct {
	across, down int // macroblocks
	y, u, v      []byte
}

func newPicture(width, height int) *picture {
	p := &picture{across: (width + 15) / 16, down: (height + 15) / 16}
	n := p.across * p.down
	p.y, p.u, p.v = make([]byte, n*256), make([]byte, n*64), make([]byte, n*64)
	return p
}

// set makes the picture that of an image of width by height pixels.
func (p *picture) set(img *image.RGBA, width, height int) {
	stride, half := p.across*16, p.across*8
	for y := 0; y < height; y += 2 {
		upper := img.Pix[img.PixOffset(img.Rect.Min.X, img.Rect.Min.Y+y):][:width*4]
		lower := img.Pix[img.PixOffset(img.Rect.Min.X, img.Rect.Min.Y+y+1):][:width*4]
		above, below := p.y[y*stride:][:stride], p.y[(y+1)*stride:][:stride]
		us, vs := p.u[y/2*half:][:half], p.v[y/2*half:][:half]
		for x := 0; x < width; x += 2 {
			a, b := upper[x*4:][:8], lower[x*4:][:8]
			above[x], above[x+1] = luma(a[0], a[1], a[2]), luma(a[4], a[5], a[6])
			below[x], below[x+1] = luma(b[0], b[1], b[2]), luma(b[4], b[5], b[6])
			us[x/2], vs[x/2] = chroma(
				int(a[0])+int(a[4])+int(b[0])+int(b[4]), int(a[1])+int(a[5])+int(b[1])+int(b[5]), int(a[2])+int(a[6])+int(b[2])+int(b[6]))
		}
	}
	pad(p.y, stride, p.down*16, width, height)
	pad(p.u, half, p.down*8, width/2, height/2)
	pad(p.v, half, p.down*8, width/2, height/2)
}

// luma and chroma are BT.709 in limited range, in 256ths; chroma takes the sums of four pixels.
func luma(r, g, b byte) byte { return byte(16 + (47*int(r)+157*int(g)+16*int(b)+128)>>8) }

func chroma(r, g, b int) (u, v byte) {
	return byte(128 + (112*b-26*r-86*g+512)>>10), byte(128 + (112*r-102*g-10*b+512)>>10)
}

// pad repeats the last column and the last row of a plane.
func pad(plane []byte, stride, rows, width, height int) {
	for y := range height {
		row := plane[y*stride:][:stride]
		for x := width; x < stride; x++ {
			row[x] = row[width-1]
		}
	}
	for y := height; y < rows; y++ {
		copy(plane[y*stride:][:stride], plane[(height-1)*stride:])
	}
}

// block is one macroblock's part of a plane: size by size samples.
type block struct {
	plane            []byte
	at, stride, size int
}

// blocks are the three parts of a macroblock.
func (p *picture) blocks(x, y int) [3]block {
	stride, half := p.across*16, p.across*8
	return [3]block{
		{p.y, y*16*stride + x*16, stride, 16},
		{p.u, y*8*half + x*8, half, 8},
		{p.v, y*8*half + x*8, half, 8},
	}
}

func (b block) row(i int) []byte { return b.plane[b.at+i*b.stride:][:b.size] }

// same reports whether two blocks hold the same samples.
func (b block) same(other block) bool {
	for i := range b.size {
		if !bytes.Equal(b.row(i), other.row(i)) {
			return false
		}
	}
	return true
}

// fromAbove reports whether every row is the one above the block.
func (b block) fromAbove() bool {
	above := b.row(-1)
	for i := range b.size {
		if !bytes.Equal(b.row(i), above) {
			return false
		}
	}
	return true
}

// fromLeft reports whether every row repeats the sample to its left.
func (b block) fromLeft() bool {
	for i := range b.size {
		at := b.at + i*b.stride
		left := b.plane[at-1]
		for _, sample := range b.plane[at:][:b.size] {
			if sample != left {
				return false
			}
		}
	}
	return true
}

func every(blocks [3]block, is func(block) bool) bool {
	return is(blocks[0]) && is(blocks[1]) && is(blocks[2])
}
