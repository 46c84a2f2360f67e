package logs

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
)

// The sizes of logcat -B, from liblog's log_read.h: the header's grows with releases, so its own word is trusted
// within bounds.
const (
	minHeader  = 20
	maxHeader  = 256
	lidHeader  = 24 // from here on it tells the buffer
	uidHeader  = 28 // and from here on the user
	maxPayload = 16 << 10
)

// record is one message.
type record struct {
	Time    time.Time
	PID     int
	TID     int
	UID     int // -1: not told
	Level   byte
	Tag     string
	Message string
	Buffer  string // "": not told
}

// reader takes records out of what arrives in pieces.
type reader struct {
	rest   []byte
	events map[uint32]string // names of events by number
}

// feed calls each with every record that is whole by now. The error is a stream that is no log.
func (r *reader) feed(data []byte, each func(*record)) error {
	if len(r.rest) > 0 {
		r.rest = append(r.rest, data...)
		data = r.rest
	}
	for len(data) >= minHeader {
		size, header := int(binary.LittleEndian.Uint16(data)), int(binary.LittleEndian.Uint16(data[2:]))
		if header < minHeader || header > maxHeader || size > maxPayload {
			return fault.Unavailablef("the device's log is not what logcat -B writes: a header of %d bytes, a payload of %d", header, size)
		}
		if len(data) < header+size {
			break
		}
		rec := r.decode(data[:header], data[header:header+size])
		each(&rec)
		data = data[header+size:]
	}
	r.rest = append(r.rest[:0], data...)
	return nil
}

// buffers by their number.
var buffers = []string{"main", "radio", "events", "system", "crash", "stats", "security", "kernel"}

const eventsBuffer = "events"

func (r *reader) decode(head, payload []byte) record {
	word := func(at int) uint32 { return binary.LittleEndian.Uint32(head[at:]) }
	rec := record{PID: int(int32(word(4))), TID: int(word(8)), Time: time.Unix(int64(word(12)), int64(word(16))).UTC(), UID: -1}
	if len(head) >= lidHeader {
		if id := word(20); id < uint32(len(buffers)) {
			rec.Buffer = buffers[id]
		}
	}
	if len(head) >= uidHeader {
		rec.UID = int(word(24))
	}
	if rec.Buffer == eventsBuffer {
		r.event(&rec, payload)
		return rec
	}
	if len(payload) == 0 {
		rec.Level = 'I'
		return rec
	}
	// Android's priorities begin with two that no message has.
	rec.Level = levels[min(max(int(payload[0])-2, 0), len(levels)-1)]
	tag, message, _ := strings.Cut(string(payload[1:]), "\x00")
	message, _, _ = strings.Cut(message, "\x00")
	rec.Tag, rec.Message = tag, strings.TrimRight(message, "\n")
	return rec
}
