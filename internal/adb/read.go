package adb

import (
	"io"

	"github.com/daytonaio/runner-android/internal/adb/wire"
)

// readLoop hands what the device sends to the streams until the connection ends. It never
// waits for a consumer and never for the socket to take a write: either would let a device
// that waits for us in turn stall for ever.
func (c *Conn) readLoop() {
	defer c.wg.Done()
	for {
		h, err := c.in.Next()
		if err == nil {
			err = c.dispatch(h)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// dispatch handles one packet; an error ends the connection. A payload that is left unread
// is skipped by the next read. Ids that are not known get no answer: adb and adbd answer some
// of them with CLSE, and two who do would go on for ever.
func (c *Conn) dispatch(h wire.Header) error {
	switch h.Command {
	case wire.OKAY:
		c.onOkay(h)
	case wire.WRTE:
		return c.onWrite(h)
	case wire.CLSE:
		c.onClose(h)
	case wire.OPEN: // a reverse forward, or a guest that tries its luck
		if h.Arg0 != 0 {
			c.post(wire.CLSE, 0, h.Arg0)
		}
	case wire.CNXN, wire.AUTH, wire.STLS:
		return errRestarted
	case wire.SYNC: // obsolete, and never sent
	}
	return nil
}

// onOkay: the device accepted our OPEN, or took our last WRTE.
func (c *Conn) onOkay(h wire.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[h.Arg1]
	switch {
	case s == nil || h.Arg0 == 0:
	case s.abandoned:
		delete(c.streams, s.id)
		c.postLocked(wire.CLSE, s.id, h.Arg0)
	case s.remote == 0:
		s.remote = h.Arg0 // and never written again
		fallthrough
	case s.remote == h.Arg0:
		s.credit = true
		wake(s.writable)
	}
}

// maxEarly bounds the payloads of a connection that came before our OKAY for the one before.
const maxEarly = 16 << 20

// onWrite: data for a stream. It goes into the stream's one slot, which is free: the device
// should send again only after our OKAY.
//
// It does not always wait: when a service hangs up, adb's event loop reads what is left of its
// output, and sends it, whether or not the peer is ready (fdevent_poll.cpp: "we fake a read" on
// POLLHUP; ran with adb 29, whose sockets.cpp is adbd's). Such payloads queue up, within a bound.
func (c *Conn) onWrite(h wire.Header) error {
	c.mu.Lock()
	s := c.streams[h.Arg1]
	if s == nil || s.remote == 0 || s.remote != h.Arg0 {
		c.mu.Unlock()
		return nil
	}
	if h.Length == 0 {
		c.postLocked(wire.OKAY, s.id, s.remote)
		c.mu.Unlock()
		return nil
	}
	inTurn := !s.full
	if !inTurn && c.early+int(h.Length) > maxEarly {
		c.mu.Unlock()
		return protocolError("%d bytes of WRTE before OKAY", c.early)
	}
	c.mu.Unlock()

	var data []byte
	if inTurn {
		data = s.buffer(int(h.Length))
	} else {
		data = make([]byte, h.Length)
	}
	if _, err := io.ReadFull(c.in, data); err != nil {
		return err
	}
	c.mu.Lock()
	switch {
	case inTurn, !s.full: // an early one's turn may have come meanwhile
		s.data, s.full = data, true
	case !s.closed:
		s.early = append(s.early, data)
		c.early += len(data)
	}
	c.mu.Unlock()
	wake(s.readable)
	return nil
}

// onClose: the device ended a stream, or refused our OPEN. Older devices close with 0 for
// their id also what they had accepted (adb.cpp says so).
func (c *Conn) onClose(h wire.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[h.Arg1]
	if s == nil || (h.Arg0 != 0 && s.remote != 0 && h.Arg0 != s.remote) {
		return
	}
	delete(c.streams, s.id)
	s.ended = true
	s.wake()
}
