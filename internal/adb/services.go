package adb

import (
	"context"
	"io"
	"net"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Dial opens a service ("tcp:8080", "localabstract:name") as a net.Conn, deadlines included,
// for net/http and its like. There is no half close: when the local side is done writing, keep
// the connection open until the device's side has answered.
func (d *Device) Dial(ctx context.Context, service string) (net.Conn, error) {
	return nil, fault.Unsupportedf("not built yet")
}

// OpenBulk is Open on the device's second connection, for what is large: it does not delay the
// shells. That connection is made on first use and closed when nothing used it for a while.
func (d *Device) OpenBulk(ctx context.Context, service string) (*Stream, error) {
	return d.Open(ctx, service)
}

// Exec runs a command on a raw terminal: both outputs in one, no exit code, no end of input.
// It is for what adb itself uses it for (streamed installs); else use Shell.
func (d *Device) Exec(ctx context.Context, command string) (*Stream, error) {
	return d.OpenBulk(ctx, "exec:"+command)
}

// ABB runs a binder command ("package", "list", "packages") in a helper that lives on the
// device: what "cmd" does, without a shell and its quoting. Unsupported without the feature
// abb (Android 11 and later); Invalid for an empty argument, which the device would drop.
func (d *Device) ABB(ctx context.Context, args []string) (ShellResult, error) {
	return ShellResult{ExitCode: NoExit}, fault.Unsupportedf("not built yet")
}

// ABBExec is ABB with raw bytes both ways: what streamed installs use (feature abb_exec).
func (d *Device) ABBExec(ctx context.Context, args []string) (*Stream, error) {
	return nil, fault.Unsupportedf("not built yet")
}

// FrameHeader describes the pixels of a frame.
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

// Framebuffer takes a picture of the first display. The reader gives exactly Size bytes, rows
// without gaps, or fails; the caller closes it.
func (d *Device) Framebuffer(ctx context.Context) (FrameHeader, io.ReadCloser, error) {
	return FrameHeader{}, nil, fault.Unsupportedf("not built yet")
}
