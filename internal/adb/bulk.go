package adb

import (
	"context"
	"errors"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// bulk is the second connection to a device: for files and other large streams, so that a shell
// does not wait behind a megabyte. It lives at most as long as the first, which is the one that is
// asked for signs of life.
type bulk struct {
	conn *Conn
	idle *time.Timer
}

// OpenBulk is Open on the device's second connection, for what is large: it does not delay the
// shells. That connection is made on first use and closed when nothing used it for a while.
// Through an adb server every stream has a connection of its own, and it is Open.
func (d *Device) OpenBulk(ctx context.Context, service string) (*Stream, error) {
	l, err := d.openBulkLink(ctx, append(make([]byte, 0, len(service)+1), service...))
	if err != nil {
		return nil, err
	}
	return newStream(l, service), nil
}

func (d *Device) openBulkLink(ctx context.Context, service []byte) (link, error) {
	for {
		s, err := d.bulkSession(ctx)
		if err != nil {
			return nil, err
		}
		l, err := s.openLink(ctx, service)
		if err != nil && errors.Is(s.Err(), errIdle) {
			continue // it was closed for want of use between the two lines
		}
		return l, err
	}
}

// bulkSession returns the second connection, which it makes if there is none.
func (d *Device) bulkSession(ctx context.Context) (session, error) {
	for {
		first, err := d.current()
		if err != nil || first.via() != Direct {
			return first, err
		}
		if c := d.liveBulk(); c != nil {
			return c, nil
		}
		select {
		case d.turn <- struct{}{}:
		case <-first.Done():
			continue // and say why
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		c := d.liveBulk()
		if c == nil {
			c, err = d.makeBulk(ctx, first)
		}
		<-d.turn
		if err != nil {
			return nil, err
		}
		return c, nil
	}
}

func (d *Device) liveBulk() *Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.second == nil || d.second.conn.Err() != nil {
		return nil
	}
	return d.second.conn
}

// makeBulk connects once more beside first. It needs the turn.
func (d *Device) makeBulk(caller context.Context, first session) (*Conn, error) {
	d.dropBulk()
	ctx, cancel := context.WithTimeout(caller, d.timing.Connect)
	defer cancel()
	stop := context.AfterFunc(d.life, cancel)
	defer stop()
	c, err := d.connectDirect(ctx)
	if err != nil {
		if end := endOf(caller); end != nil {
			err = fault.Wrap(fault.KindOf(end), "connect once more", err)
		}
		return nil, err
	}
	d.mu.Lock()
	if d.conn != first {
		cause := absentError(d.serial, d.state.Since, d.state.Err)
		d.mu.Unlock()
		_ = c.Close()
		return nil, cause
	}
	d.second = &bulk{conn: c}
	d.watchBulkLocked(0)
	d.mu.Unlock()
	return c, nil
}

// watchBulkLocked looks in a while whether the second connection is still used.
func (d *Device) watchBulkLocked(since uint32) {
	b := d.second
	b.idle = time.AfterFunc(d.timing.BulkIdle, func() {
		now, ended := b.conn.endIfIdle(since)
		d.mu.Lock()
		defer d.mu.Unlock()
		if !ended && d.second == b {
			d.watchBulkLocked(now)
		}
	})
}

// dropBulk closes the second connection, if there is one.
func (d *Device) dropBulk() {
	d.mu.Lock()
	b := d.second
	d.second = nil
	d.mu.Unlock()
	if b != nil {
		b.idle.Stop()
		_ = b.conn.Close()
	}
}
