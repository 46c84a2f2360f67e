package adb

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// run keeps the device connected until Close.
func (d *Device) run() {
	wait := backoff{min: d.timing.RetryMin, max: d.timing.RetryMax}
	way := d.mode
	for {
		conn, err := d.connect(way)
		if err != nil {
			d.setCause(err)
		} else {
			if way = d.mode; conn.via() == Server {
				way = Server // offers no key to a device that refused it, unless the server fails
			}
			began := time.Now()
			d.up(conn)
			d.down(d.tend(conn))
			// Who comes up only to fall again is not worth hurrying for.
			if time.Since(began) >= d.timing.RetryMax {
				wait.reset()
			}
		}
		if !d.pause(wait.next()) {
			d.setCause(errHandedIn)
			return
		}
	}
}

// tend asks the device for signs of life until the connection ends, and returns why it did.
func (d *Device) tend(c session) error {
	defer func() { _ = c.Close() }()
	tick := time.NewTimer(jitter(d.timing.PingEvery))
	defer tick.Stop()
	for {
		select {
		case <-d.life.Done():
			_ = c.Close()
			return c.Err()
		case <-c.Done():
			return c.Err()
		case <-tick.C:
			d.ping(c)
			tick.Reset(d.timing.PingEvery)
		}
	}
}

// ping ends the connection when no answer comes in time, a write that hangs included.
func (d *Device) ping(c session) {
	ctx, cancel := context.WithTimeout(d.life, d.timing.PingTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.fail(errNoPong) })
	defer stop()
	began := time.Now()
	if c.Ping(ctx) != nil {
		return // the connection has ended, ends with ctx, or is full of streams and so alive
	}
	now := time.Now()
	d.mu.Lock()
	d.state.Pong, d.state.PingTook = now, now.Sub(began)
	d.mu.Unlock()
}

// setCause records why the device is not connected.
func (d *Device) setCause(err error) {
	d.mu.Lock()
	d.state.Err = err
	d.mu.Unlock()
}

func (d *Device) up(c session) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn = c
	d.state.Connected, d.state.Since, d.state.Err = true, now, nil
	d.state.Banner, d.state.Pong = c.Banner(), now
	d.state.Connects++
	if d.hung {
		d.hung = false
		d.state.Renewals++
	}
	d.state.Via = c.via()
	close(d.came)
	d.came = make(chan struct{})
	d.announceLocked()
}

func (d *Device) down(cause error) {
	d.mu.Lock()
	d.conn = nil // from here on nobody makes a second connection
	d.hung = errors.Is(cause, errNoPong) || errors.Is(cause, errStuck)
	d.state.Connected, d.state.Since, d.state.Err = false, time.Now(), cause
	d.announceLocked()
	d.mu.Unlock()
	d.dropBulk()
}

// announceLocked has the callback called. A goroutine exists only while it has work.
func (d *Device) announceLocked() {
	d.changed = true
	if d.notifying || d.onChange == nil || d.life.Err() != nil {
		return
	}
	d.notifying = true
	d.wg.Go(d.notify)
}

func (d *Device) notify() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.changed && d.onChange != nil && d.life.Err() == nil {
		tell, state := d.onChange, d.state
		d.changed = false
		d.mu.Unlock()
		tell(state)
		d.mu.Lock()
	}
	d.notifying = false
}

// replaceOnChange gives the device another listener, who is told the present state if the
// device ever came up.
func (d *Device) replaceOnChange(f func(State)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onChange = f
	if d.state.Connects > 0 {
		d.announceLocked()
	}
}

// pause waits before the next attempt, shorter while somebody waits for the connection. It
// reports false when the device was closed.
func (d *Device) pause(delay time.Duration) bool {
	end := time.Now().Add(d.hurried(delay))
	t := time.NewTimer(time.Until(end))
	defer t.Stop()
	for {
		select {
		case <-d.life.Done():
			return false
		case <-t.C:
			return true
		case <-d.kick:
			left := d.hurried(time.Until(end))
			end = time.Now().Add(left)
			t.Reset(left)
		}
	}
}

// hurried shortens a delay while somebody waits.
func (d *Device) hurried(delay time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiters == 0 {
		return delay
	}
	return min(delay, jitter(d.timing.RetryMin))
}

// backoff is the delay before each attempt: doubling from min to max.
type backoff struct{ min, max, last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, b.min), b.max)
	return jitter(b.last)
}

func (b *backoff) reset() { b.last = 0 }

// jitter takes up to a fifth off d, so that a host full of devices does not move in step.
func jitter(d time.Duration) time.Duration {
	return d - rand.N(d/5+1)
}
