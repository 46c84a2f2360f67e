package proxy

import (
	"context"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
)

// Frames shows a device's screen over a WebSocket, and takes touches and keys: for browsers that have no way to
// the device itself. It returns when ctx ends, the client leaves, or the lease is over.
type Frames interface {
	Serve(ctx context.Context, held lease.Lease, s *transport.Socket) error
}

// maxInput is the largest message of a viewer: a touch or a text.
const maxInput = 16 << 10

// frames hands the viewer over to whoever shows the screen.
func (d *Door) frames(c *transport.Ctx, held use) error {
	if d.Frames == nil {
		return fault.Unsupportedf("the screen over a WebSocket")
	}
	return c.Upgrade(transport.SocketOptions{ReadLimit: maxInput, WriteLimit: slowViewer},
		func(ctx context.Context, s *transport.Socket) error {
			defer s.CloseWith(held.Context)()
			defer s.CloseWith(held.until)()
			return d.Frames.Serve(ctx, held.Lease, s)
		})
}
