package adb

import (
	"context"
	"io"
	"io/fs"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Stat looks at what path leads to; links are followed, except on devices without stat_v2.
// Errors: NotFound, Forbidden or Invalid as the device says; Invalid for a path that cannot be
// sent (empty, with a NUL, over 1024 bytes); otherwise those of Open.
func (d *Device) Stat(ctx context.Context, path string) (FileStat, error) {
	return FileStat{}, fault.Unsupportedf("not built yet")
}

// Lstat is Stat that does not follow a link.
func (d *Device) Lstat(ctx context.Context, path string) (FileStat, error) {
	return FileStat{}, fault.Unsupportedf("not built yet")
}

// List calls each for every name in a directory, in the device's order, as they arrive; "."
// and ".." are left out. An error of each ends the listing and is returned. A device that
// sends a name with a "/" is not believed: Unavailable.
func (d *Device) List(ctx context.Context, dir string, each func(Entry) error) error {
	return fault.Unsupportedf("not built yet")
}

// Recv begins to read a file of the device. When it returns, the device has opened the file.
// The caller closes the reader; the end of ctx ends the transfer.
func (d *Device) Recv(ctx context.Context, path string) (*FileReader, error) {
	return nil, fault.Unsupportedf("not built yet")
}

// FileReader is a file on its way from the device. Its end is io.EOF only when the device said
// that the file was complete. A transfer that was cut is Unavailable and wraps ErrClosed.
type FileReader struct{}

var (
	_ io.ReadCloser = (*FileReader)(nil)
	_ io.WriterTo   = (*FileReader)(nil)
)

// Read reads from the file.
func (f *FileReader) Read(p []byte) (int, error) { return 0, io.ErrClosedPipe }

// WriteTo writes what is left of the file to w, without a copy in between.
func (f *FileReader) WriteTo(w io.Writer) (int64, error) { return 0, io.ErrClosedPipe }

// Close ends the transfer. It may be called again.
func (f *FileReader) Close() error { return nil }

// Send writes a file on the device and returns the bytes taken from r. Missing parent
// directories are made (0775); a file or link of that name is replaced, not atomically: send
// to another name and rename. The device copies the owner's permissions to group and others. On
// an error nothing complete is left behind. The zero mtime is now.
//
// Errors: those of r, with their kind; NotFound, Forbidden, Invalid, Exhausted (see ErrNoSpace)
// as the device says; Unavailable wrapping ErrClosed when it is lost.
func (d *Device) Send(ctx context.Context, path string, mode fs.FileMode, mtime time.Time, r io.Reader) (int64, error) {
	return 0, fault.Unsupportedf("not built yet")
}
