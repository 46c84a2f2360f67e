package adb

import (
	"context"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

// Mode is the way to a device.
type Mode string

// The ways to a device.
const (
	Direct Mode = "direct" // its own port, one multiplexed connection
	Server Mode = "server" // an adb server, one connection per stream
)

// session is a live way to one device.
type session interface {
	openLink(ctx context.Context, service []byte) (link, error)
	name() string // of the device, for errors
	via() Mode
	fail(cause error)

	Banner() wire.Banner
	Ping(ctx context.Context) error
	Done() <-chan struct{}
	Err() error
	Close() error
}

var _ session = (*Conn)(nil)

// link carries one conversation with a service, whichever way leads to the device.
type link interface {
	// next waits for what the device sends next. It is valid until release, which is to be
	// called before next is called again. io.EOF is the end.
	next(ctx context.Context) ([]byte, error)
	// release tells the device that it may send again.
	release(ctx context.Context) error
	// write returns when all of p is on its way.
	write(ctx context.Context, p []byte) (int, error)
	// ready reports that next would return at once; false may mean that it is not known.
	ready() bool
	// hangUp is Close with an end, for a device that was just heard of.
	hangUp(ctx context.Context)
	Close() error

	room() int    // the most that write sends as one
	name() string // of the device, for errors
}
