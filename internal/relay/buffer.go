package relay

import (
	"sync"
	"sync/atomic"
)

// A direction begins with a small buffer, because most connections are idle, and gets a larger one as soon as a read
// fills it. The largest is what ADB sends as one packet, for which the device answers once: the fewer packets, the less each
// side spends on a byte. Only so many are out at a time, and a connection that has little to say gives its back.
const (
	smallCopy, mediumCopy = 2 << 10, 128 << 10
	largeCopy             = 1 << 20
	maxLarge              = 32
)

var (
	large    = sync.Pool{New: func() any { return new([largeCopy]byte) }}
	largeOut atomic.Int32
)

// buffer is what one direction copies through.
type buffer struct {
	room []byte // to read into
	own  []byte
	lent *[largeCopy]byte // nil: room is own
}

func newBuffer() *buffer {
	own := make([]byte, smallCopy)
	return &buffer{room: own, own: own}
}

// fit makes the buffer fit for what comes after a read of n bytes. What was read into it is lost.
func (b *buffer) fit(n int) {
	switch {
	case b.lent != nil && n <= smallCopy:
		b.release()
	case b.lent != nil || n < len(b.room):
	case n < mediumCopy:
		b.own = make([]byte, min(4*n, mediumCopy))
		b.room = b.own
	default:
		b.borrow()
	}
}

func (b *buffer) borrow() {
	if largeOut.Add(1) > maxLarge {
		largeOut.Add(-1)
		return
	}
	b.lent = large.Get().(*[largeCopy]byte)
	b.room = b.lent[:]
}

// release gives a large buffer back; the connection goes on with its own.
func (b *buffer) release() {
	if b.lent == nil {
		return
	}
	large.Put(b.lent)
	b.lent, b.room = nil, b.own
	largeOut.Add(-1)
}
