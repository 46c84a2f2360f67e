package logd

import "time"

// Buffer is one of logd's rings, with its number on the wire.
type Buffer int

// The buffers that the guest has.
const (
	Main   Buffer = 0
	Radio  Buffer = 1
	Events Buffer = 2
	System Buffer = 3
	Crash  Buffer = 4
	Kernel Buffer = 7

	buffers = 8 // numbers are below
)

// Entry is one message. Its text may have several lines.
type Entry struct {
	Time     time.Time // zero: now
	Buffer   Buffer
	Priority byte // one of V D I W E F
	PID, TID int  // TID 0: as PID
	UID      int
	Tag      string
	Text     string
}

// The limits of liblog and logd: longer tags and texts are cut.
const (
	maxTag  = 128
	maxText = 4000
)

// header is what logd counts for an entry beside its words.
const header = 28 + 3

func (e *Entry) size() int { return header + len(e.Tag) + len(e.Text) }

// Sink takes entries. It is safe for concurrent use, never waits, and keeps nothing of the entry's memory.
type Sink interface{ Add(Entry) }

// Discard is a Sink that forgets.
var Discard Sink = discard{}

type discard struct{}

func (discard) Add(Entry) {}
