package tunnel

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/relay"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

// maxMessage bounds a message of the client; it is never held as a whole.
const maxMessage = 64 << 20

func (d *Door) adb(c *transport.Ctx) error {
	return d.tunnel(c, "the device's ADB", func(ctx context.Context, serial string) (net.Conn, error) {
		return d.devices.DialADB(ctx, serial)
	})
}

func (d *Door) tcp(c *transport.Ctx) error {
	text, err := c.Param("port")
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return fault.Invalidf("port %q in the path: it is a number from 1 to 65535", text)
	}
	name := strconv.Itoa(port)
	return d.tunnel(c, "port "+name+" of the guest", func(ctx context.Context, serial string) (net.Conn, error) {
		conn, err := d.devices.Dial(ctx, serial, "tcp:"+name)
		if errors.Is(err, adb.ErrRefused) {
			return nil, fault.Unavailablef("nothing listens there")
		}
		return conn, err
	})
}

// tunnel connects first, so that a refusal is an answer, and then makes a WebSocket of the request.
func (d *Door) tunnel(c *transport.Ctx, what string, dial func(context.Context, string) (net.Conn, error)) error {
	if !c.WantsSocket() {
		return fault.Invalidf("a WebSocket is wanted here: send Connection: Upgrade and Upgrade: websocket, or use runner-android adb-forward")
	}
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	if !d.open.Take(held.ID, d.Tunnels) {
		return fault.Exhaustedf("sandbox %s has %d tunnels open", held.ID, d.Tunnels)
	}
	guest, err := d.dial(held, what, dial)
	if err != nil {
		d.open.Leave(held.ID)
		return err
	}
	leave := func() {
		_ = guest.Close()
		d.open.Leave(held.ID)
	}
	return c.Upgrade(transport.SocketOptions{ReadLimit: maxMessage, Bulk: true, Abandon: leave}, func(ctx context.Context, s *transport.Socket) error {
		defer leave()
		carry(ctx, held.Context, s, guest)
		return nil
	})
}

func (d *Door) dial(held lease.Lease, what string, dial func(context.Context, string) (net.Conn, error)) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(held.Context, d.Dial, fault.Timeoutf("%s took no connection within %s", what, d.Dial))
	defer cancel()
	conn, err := dial(ctx, held.Serial)
	if err != nil {
		return nil, fault.Op("reach "+what, guestcommand.CauseOf(ctx, err))
	}
	return conn, nil
}

// carry copies until either side ends, the device leaves started, or the runner stops, and says which.
func carry(ctx, held context.Context, s *transport.Socket, guest net.Conn) {
	hangUp := func() { // a read that waits sees no context
		_ = guest.Close()
		s.StopReading()
	}
	defer relay.Watch(held, hangUp)()
	defer relay.Watch(ctx, hangUp)()
	ended := false // by the device
	relay.Join(s.Bytes(), func() {
		ended = held.Err() == nil && ctx.Err() == nil
		s.StopReading()
	}, guest)
	switch {
	case held.Err() != nil:
		s.Close(transport.CloseGoing, context.Cause(held).Error())
	case ended:
		s.Close(transport.CloseNormal, "the device closed the connection")
	}
}
