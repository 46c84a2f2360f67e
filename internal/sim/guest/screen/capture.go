package screen

import (
	"encoding/binary"
	"image"
	"image/png"
	"io"
)

// The header of raw screencap output: HAL_PIXEL_FORMAT_RGBA_8888, and the dataspace that
// screencap translates to ColorMode sRGB (cmds/screencap/screencap.cpp).
const (
	formatRGBA = 1
	colorSRGB  = 1
)

// WriteRaw writes what screencap does without -p: width, height, format and, since Android 9, color
// space as little-endian words, then the rows.
func WriteRaw(w io.Writer, img *image.RGBA) error {
	var head []byte
	for _, n := range []int{img.Bounds().Dx(), img.Bounds().Dy(), formatRGBA, colorSRGB} {
		head = binary.LittleEndian.AppendUint32(head, uint32(n))
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(img.Pix)
	return err
}

// WritePNG writes what screencap -p does.
func WritePNG(w io.Writer, img *image.RGBA) error {
	return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, img)
}
