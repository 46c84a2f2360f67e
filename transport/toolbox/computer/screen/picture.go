package screen

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
)

// Crop is a part of a picture, which must lie within it. The pixels are shared.
func Crop(img *image.RGBA, part image.Rectangle) *image.RGBA {
	sub := img.SubImage(part).(*image.RGBA) //nolint:forcetypeassert // documented
	return &image.RGBA{Pix: sub.Pix, Stride: sub.Stride, Rect: image.Rect(0, 0, part.Dx(), part.Dy())}
}

// Black reports whether nothing is to be seen.
func Black(img *image.RGBA) bool {
	for y := range img.Rect.Dy() {
		row := img.Pix[y*img.Stride : y*img.Stride+4*img.Rect.Dx()]
		for i := 0; i < len(row); i += 4 {
			if row[i]|row[i+1]|row[i+2] != 0 {
				return false
			}
		}
	}
	return true
}

// Scale makes a smaller picture, at least 1x1, of which each pixel is the mean of those it stands for.
// factor is above 0 and at most 1.
func Scale(img *image.RGBA, factor float64) *image.RGBA {
	if factor == 1 {
		return img
	}
	from := img.Rect
	w, h := max(1, int(float64(from.Dx())*factor)), max(1, int(float64(from.Dy())*factor))
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		top, bottom := y*from.Dy()/h, (y+1)*from.Dy()/h
		for x := range w {
			left, right := x*from.Dx()/w, (x+1)*from.Dx()/w
			mean(to.Pix[y*to.Stride+4*x:], img, left, top, right, bottom)
		}
	}
	return to
}

// mean writes one pixel: the mean of a part of img, which is not empty.
func mean(dst []byte, img *image.RGBA, left, top, right, bottom int) {
	var r, g, b uint32
	for y := top; y < bottom; y++ {
		row := img.Pix[y*img.Stride+4*left : y*img.Stride+4*right]
		for i := 0; i < len(row); i += 4 {
			r, g, b = r+uint32(row[i]), g+uint32(row[i+1]), b+uint32(row[i+2])
		}
	}
	n := uint32((right - left) * (bottom - top))
	dst[0], dst[1], dst[2], dst[3] = byte((r+n/2)/n), byte((g+n/2)/n), byte((b+n/2)/n), 0xff
}

// Encode makes a JPEG of quality 1 to 100 for "jpeg", else a PNG.
func Encode(img *image.RGBA, format string, quality int) ([]byte, error) {
	var out bytes.Buffer
	var err error
	if format == "jpeg" {
		err = jpeg.Encode(&out, img, &jpeg.Options{Quality: quality})
	} else {
		encoder := png.Encoder{CompressionLevel: png.BestSpeed}
		err = encoder.Encode(&out, img)
	}
	return out.Bytes(), err
}

// reach is how far the arms of the cursor go.
const reach = 20

// DrawCursor paints a cross with a red centre at x, y, as far as that lies within img.
func DrawCursor(img *image.RGBA, x, y int) {
	paint := func(r image.Rectangle, c color.RGBA) {
		r = r.Intersect(img.Rect)
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				img.SetRGBA(x, y, c)
			}
		}
	}
	around := func(dx, dy int) image.Rectangle { return image.Rect(x-dx, y-dy, x+dx+1, y+dy+1) }
	white, black, red := color.RGBA{255, 255, 255, 255}, color.RGBA{0, 0, 0, 255}, color.RGBA{255, 0, 0, 255}
	paint(around(reach, 1), white)
	paint(around(1, reach), white)
	paint(around(reach, 0), black)
	paint(around(0, reach), black)
	paint(around(2, 2), red)
}
