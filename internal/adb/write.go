package adb

import (
	"context"
	"fmt"
	"runtime"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

const (
	// copyLimit is the payload up to which copying is cheaper than a second buffer of the
	// system call.
	copyLimit = 4 << 10
	// maxLeft bounds the packets of streams that wait for who is writing.
	maxLeft = 32 << 10
	// maxPosted bounds the control packets that wait beside them: a device that does not read
	// its answers has no claim to more.
	maxPosted = maxLeft + 1024*wire.HeaderSize
)

// send writes one packet, or leaves a small one to who is writing. The end of ctx ends the wait
// for our turn; once writing, the limit is the connection's.
func (c *Conn) send(ctx context.Context, h wire.Header, payload []byte) error {
	h.Length = uint32(len(payload))
	if c.checksums {
		h.Check = wire.Checksum(payload)
	}
	if mine, left := c.turnOrLeave(h, payload); left {
		return nil
	} else if !mine {
		select {
		case c.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.done:
			return c.Err()
		}
	}
	c.out = h.Append(c.takePosted())
	err := c.write(payload)
	c.pass()
	return err
}

// turnOrLeave takes the turn if it is free. Otherwise it leaves a small packet to who has it,
// who looks for posted packets once more behind the own write. The turn is tried under the lock,
// so that either of the two sees the other.
func (c *Conn) turnOrLeave(h wire.Header, payload []byte) (mine, left bool) {
	c.mu.Lock()
	mine = c.tryTurn()
	if !mine && c.err == nil && len(payload) <= copyLimit && len(c.posted)+wire.HeaderSize+len(payload) <= maxLeft {
		c.posted, left = append(h.Append(c.posted), payload...), true
	}
	crowd := len(c.streams) > 1
	c.mu.Unlock()
	if mine && crowd {
		runtime.Gosched() // the others leave theirs, and one system call writes them all
	}
	return mine, left
}

// write puts out what is in c.out, then payload. It needs the turn.
func (c *Conn) write(payload []byte) error {
	var err error
	c.stuck.Reset(c.writeLimit)
	if len(payload) <= copyLimit {
		c.out = append(c.out, payload...)
		_, err = c.nc.Write(c.out)
	} else {
		c.parts = [2][]byte{c.out, payload}
		c.vector = c.parts[:]
		_, err = c.vector.WriteTo(c.nc)
		c.parts = [2][]byte{}
	}
	c.stuck.Stop()
	if err != nil {
		c.fail(fmt.Errorf("write: %w", err))
		return c.Err()
	}
	return nil
}

// takePosted moves the waiting control packets to the start of the write buffer.
func (c *Conn) takePosted() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out[:0], c.posted...)
	c.posted = c.posted[:0]
	return c.out
}

// pass gives up the turn. What was posted meanwhile is written first or, when somebody else
// was faster, by them: no posted packet is ever left behind.
func (c *Conn) pass() {
	for {
		<-c.turn
		c.mu.Lock()
		idle := len(c.posted) == 0
		c.mu.Unlock()
		if idle || !c.tryTurn() {
			return
		}
		c.out = c.takePosted()
		if len(c.out) > 0 {
			_ = c.write(nil) // a failed write ended the connection
		}
	}
}

func (c *Conn) tryTurn() bool {
	select {
	case c.turn <- struct{}{}:
		return true
	default:
		return false
	}
}

// post sends a packet without payload and never waits: it goes out with the next write, or by
// a goroutine of its own when nobody writes.
func (c *Conn) post(cmd wire.Command, arg0, arg1 uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.postLocked(cmd, arg0, arg1)
}

// postLocked is post for who holds c.mu. The turn is tried under the lock, so that every such
// goroutine is counted before Close waits for them.
func (c *Conn) postLocked(cmd wire.Command, arg0, arg1 uint32) {
	if c.err != nil {
		return
	}
	if len(c.posted) >= maxPosted {
		c.wg.Go(func() { c.fail(errFlooded) })
		return
	}
	c.posted = wire.AppendPacket(c.posted, cmd, arg0, arg1, nil)
	if c.tryTurn() {
		c.wg.Go(c.pass)
	}
}
