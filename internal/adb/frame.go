package adb

import (
	"context"
	"encoding/binary"
	"io"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// FrameHeader describes the pixels of a frame.
type FrameHeader = wire.FrameHeader

// Framebuffer takes a picture of the first display. The reader gives exactly Size bytes, rows
// without gaps, or fails; the caller closes it, and the end of ctx ends it. The header is
// checked: at most 256 MiB, and a size that follows from width, height and depth.
func (d *Device) Framebuffer(ctx context.Context) (FrameHeader, io.ReadCloser, error) {
	const op = "read the framebuffer"
	l, err := d.openBulkLink(ctx, []byte("framebuffer:\x00")[:len("framebuffer:")])
	if err != nil {
		return FrameHeader{}, nil, fault.Op(op, err)
	}
	f := &frameReader{ctx: ctx, in: linkReader{link: l}}
	h, err := f.header()
	if err != nil {
		_ = f.Close()
		return FrameHeader{}, nil, fault.Op(op, err)
	}
	f.left = int(h.Size)
	return h, f, nil
}

// frameReader is the pixels on their way.
type frameReader struct {
	ctx  context.Context
	in   linkReader
	left int
}

func (f *frameReader) header() (FrameHeader, error) {
	var raw [14 * 4]byte
	if err := f.in.full(f.ctx, raw[:wire.FrameVersionSize]); err != nil {
		return FrameHeader{}, err
	}
	size := wire.FrameHeaderSize(binary.LittleEndian.Uint32(raw[:]))
	if size == 0 {
		return FrameHeader{}, f.in.lies("a frame of version %d", binary.LittleEndian.Uint32(raw[:]))
	}
	if err := f.in.full(f.ctx, raw[wire.FrameVersionSize:size]); err != nil {
		return FrameHeader{}, err
	}
	h, err := wire.ParseFrameHeader(raw[:size])
	return h, fault.Wrap(fault.Unavailable, "adb "+f.in.link.name(), err)
}

func (f *frameReader) Read(p []byte) (int, error) {
	if f.left == 0 || len(p) == 0 {
		return 0, eofIf(f.left == 0)
	}
	part, err := f.in.some(f.ctx, min(len(p), f.left))
	f.left -= len(part)
	return copy(p, part), fault.Op("read the framebuffer", err)
}

func eofIf(end bool) error {
	if end {
		return io.EOF
	}
	return nil
}

func (f *frameReader) Close() error { return f.in.link.Close() }
