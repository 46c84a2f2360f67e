package wire

import (
	"encoding/binary"
	"fmt"
)

// FrameHeader describes the pixels that follow it (adbd's framebuffer_service.cpp).
type FrameHeader struct {
	Version       uint32
	BitsPerPixel  uint32
	ColorSpace    uint32 // of version 2; 0 is unknown
	Size          uint32 // bytes
	Width, Height uint32

	Red, Blue, Green, Alpha Channel
}

// Channel is where in a pixel, counted in bits from the lowest, a colour lives.
type Channel struct{ Offset, Length uint32 }

// Sizes and limits of frames.
const (
	FrameVersionSize = 4 // what tells the version
	MaxFrameSide     = 16 << 10
	MaxFrameSize     = 256 << 20
)

// FrameHeaderSize is the size of a header of that version, or 0 for one that is not known.
func FrameHeaderSize(version uint32) int {
	switch version {
	case 1:
		return 13 * 4
	case 2:
		return 14 * 4
	}
	return 0
}

// ParseFrameHeader reads the header at the start of b. One that contradicts itself, or is larger
// than any display, is ErrMalformed.
func ParseFrameHeader(b []byte) (FrameHeader, error) {
	var version uint32
	if len(b) >= FrameVersionSize {
		version = binary.LittleEndian.Uint32(b)
	}
	size := FrameHeaderSize(version)
	if size == 0 || len(b) < size {
		return FrameHeader{}, fmt.Errorf("%w: %d bytes of a frame's header of version %d", ErrMalformed, len(b), version)
	}
	h := FrameHeader{Version: version}
	fields := []*uint32{&h.BitsPerPixel, &h.ColorSpace, &h.Size, &h.Width, &h.Height}
	if version == 1 {
		fields = []*uint32{&h.BitsPerPixel, &h.Size, &h.Width, &h.Height}
	}
	channels := []*Channel{&h.Red, &h.Blue, &h.Green, &h.Alpha}
	for _, c := range channels {
		fields = append(fields, &c.Offset, &c.Length)
	}
	for i, f := range fields {
		*f = binary.LittleEndian.Uint32(b[FrameVersionSize+4*i:])
	}
	switch h.BitsPerPixel {
	case 16, 24, 32, 64:
	default:
		return FrameHeader{}, fmt.Errorf("%w: a frame of %d bits per pixel", ErrMalformed, h.BitsPerPixel)
	}
	want := uint64(h.Width) * uint64(h.Height) * uint64(h.BitsPerPixel/8)
	if h.Width == 0 || h.Height == 0 || h.Width > MaxFrameSide || h.Height > MaxFrameSide ||
		want > MaxFrameSize || uint64(h.Size) != want {
		return FrameHeader{}, fmt.Errorf("%w: a frame of %d × %d pixels in %d bytes", ErrMalformed, h.Width, h.Height, h.Size)
	}
	for _, c := range channels {
		if uint64(c.Offset)+uint64(c.Length) > uint64(h.BitsPerPixel) {
			return FrameHeader{}, fmt.Errorf("%w: a colour at bits %d+%d of %d", ErrMalformed, c.Offset, c.Length, h.BitsPerPixel)
		}
	}
	return h, nil
}

// Append adds h to dst.
func (h FrameHeader) Append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(le.AppendUint32(dst, h.Version), h.BitsPerPixel)
	if h.Version != 1 {
		dst = le.AppendUint32(dst, h.ColorSpace)
	}
	dst = le.AppendUint32(le.AppendUint32(le.AppendUint32(dst, h.Size), h.Width), h.Height)
	for _, c := range [...]Channel{h.Red, h.Blue, h.Green, h.Alpha} {
		dst = le.AppendUint32(le.AppendUint32(dst, c.Offset), c.Length)
	}
	return dst
}
