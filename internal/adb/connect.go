package adb

import (
	"context"
	"errors"
	"fmt"

	"github.com/daytonaio/runner-android/internal/fault"
)

// connect makes one attempt, first by the way given. A device that demands a key we lack is
// tried through a server, one that a server no longer has is tried directly.
func (d *Device) connect(way Mode) (session, error) {
	var serverErr error
	if way == Server {
		s, err := d.throughServer()
		if err == nil || d.mode == Server {
			return s, err
		}
		serverErr = err
	}
	ctx, cancel := context.WithTimeout(d.life, d.timing.Connect)
	defer cancel()
	c, err := d.connectDirect(ctx)
	if err == nil {
		return c, nil
	}
	if d.server.dial == nil || !errors.Is(err, ErrAuthRequired) && !errors.Is(err, ErrTLSRequired) {
		return nil, err
	}
	if serverErr == nil {
		var s session
		if s, serverErr = d.throughServer(); serverErr == nil {
			return s, nil
		}
	}
	return nil, &fault.Error{Kind: fault.KindOf(err), Err: fmt.Errorf("%w; nor does it come through an adb server: %w", err, serverErr)}
}

// throughServer returns no session that is not nil beside an error.
func (d *Device) throughServer() (session, error) {
	if d.server.dial == nil {
		return nil, fault.Invalidf("no adb server is given")
	}
	// The server itself waits 10 s for a device to which it connects.
	ctx, cancel := context.WithTimeout(d.life, 2*d.timing.Connect)
	defer cancel()
	c, err := connectServer(ctx, d.server)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (d *Device) connectDirect(ctx context.Context) (*Conn, error) {
	nc, err := d.dial(ctx)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "dial", err)
	}
	return Connect(ctx, nc, ConnOptions{
		Serial: d.serial, Handshake: d.timing.Connect, Write: d.timing.Write, Keys: d.keys,
	})
}
