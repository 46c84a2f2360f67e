package guestfiles

import (
	"context"
	"io"
	"io/fs"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Device is what is needed of a device. Its methods are those of adb.Device.
type Device interface {
	Stat(ctx context.Context, path string) (adb.FileStat, error)
	Lstat(ctx context.Context, path string) (adb.FileStat, error)
	List(ctx context.Context, dir string, each func(adb.Entry) error) error
	Recv(ctx context.Context, path string) (io.ReadCloser, error)
	Send(ctx context.Context, path string, mode fs.FileMode, mtime time.Time, r io.Reader) (int64, error)
}

// Files are those of one device. They are safe for concurrent use; two who write one file at a time end
// with one content or the other, whole.
type Files struct {
	device Device
	shell  guestshell.Shell
	serial string
}

// New takes the device with this serial, and the shell that reaches it.
func New(device Device, shell guestshell.Shell, serial string) *Files {
	return &Files{device, shell, serial}
}

// Stat looks at a file, following links.
func (f *Files) Stat(ctx context.Context, name string) (adb.FileStat, error) {
	return f.device.Stat(ctx, name)
}

// exists is Stat for what is to be removed or renamed: a link that leads nowhere is there.
func (f *Files) exists(ctx context.Context, name string) (adb.FileStat, error) {
	st, err := f.device.Stat(ctx, name)
	if err == nil || fault.Is(err, fault.Unavailable) {
		return st, err
	}
	if link, lerr := f.device.Lstat(ctx, name); lerr == nil {
		return link, nil
	}
	return st, err
}

// lost reports whether err is the device's or the runner's, and not about a file: going on with another
// file makes no sense.
func lost(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Timeout, fault.Cancelled, fault.Internal:
		return true
	default:
		return false
	}
}

// Lost is for callers who go through many files.
func Lost(err error) bool { return lost(err) }
