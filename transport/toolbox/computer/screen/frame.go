package screen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
)

// MaxPixels is the largest screen that is read: 64 MiB of memory.
const MaxPixels = 16 << 20

// ErrEmpty is a frame that ended before it began: screencap failed.
var ErrEmpty = errors.New("screencap printed no picture")

// PixelFormat of android/hardware_buffer.h, as far as screencap prints it.
type pixelFormat uint32

const (
	rgba8888 pixelFormat = 1
	rgbx8888 pixelFormat = 2
	rgb888   pixelFormat = 3
	rgb565   pixelFormat = 4
	bgra8888 pixelFormat = 5
)

// bytesPer is how many bytes one pixel has; 0: not known.
func (f pixelFormat) bytesPer() int {
	switch f {
	case rgba8888, rgbx8888, bgra8888:
		return 4
	case rgb888:
		return 3
	case rgb565:
		return 2
	default:
		return 0
	}
}

// shortHeader is that of Android 8 and older; the later one has colorSpace more.
const shortHeader, colorSpace = 12, 4

// Read reads a frame to its end. Screens are opaque, whatever the pixels' fourth byte says.
func Read(r io.Reader) (*image.RGBA, error) {
	var header [shortHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, ErrEmpty
		}
		return nil, err
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(header[4*i:]) }
	w, h, format := word(0), word(1), pixelFormat(word(2))
	per := format.bytesPer()
	switch {
	case w == 0 || h == 0 || uint64(w)*uint64(h) > MaxPixels:
		return nil, fmt.Errorf("screencap speaks of a screen of %dx%d", w, h)
	case per == 0:
		return nil, fmt.Errorf("screencap's pixel format %d is not known", format)
	}
	size := int(w) * int(h) * per
	data := make([]byte, size+colorSpace+1)
	n, err := io.ReadFull(r, data)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
	case err != nil:
		return nil, err
	}
	switch n {
	case size:
	case size + colorSpace:
		data = data[colorSpace:]
	default:
		return nil, fmt.Errorf("screencap printed %d bytes for a screen of %dx%d", shortHeader+n, w, h)
	}
	return pixels(data[:size], image.Rect(0, 0, int(w), int(h)), format), nil
}

// pixels makes a picture of data, in place where it can.
func pixels(data []byte, bounds image.Rectangle, format pixelFormat) *image.RGBA {
	if format.bytesPer() == 4 {
		for i := 0; i < len(data); i += 4 {
			if format == bgra8888 {
				data[i], data[i+2] = data[i+2], data[i]
			}
			data[i+3] = 0xff
		}
		return &image.RGBA{Pix: data, Stride: 4 * bounds.Dx(), Rect: bounds}
	}
	img := image.NewRGBA(bounds)
	for i, j := 0, 0; j < len(img.Pix); j += 4 {
		if format == rgb888 {
			copy(img.Pix[j:j+3], data[i:])
			i += 3
		} else {
			v := binary.LittleEndian.Uint16(data[i:])
			r, g, b := byte(v>>11), byte(v>>5&0x3f), byte(v&0x1f)
			img.Pix[j], img.Pix[j+1], img.Pix[j+2] = r<<3|r>>2, g<<2|g>>4, b<<3|b>>2
			i += 2
		}
		img.Pix[j+3] = 0xff
	}
	return img
}
