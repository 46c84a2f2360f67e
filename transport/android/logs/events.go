package logs

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// Types of values in an event.
const (
	typeInt = iota
	typeLong
	typeString
	typeList
	typeFloat
)

// deepest is how far lists may lie in lists.
const deepest = 4

// event reads an event: the number of its tag, then a value. What cannot be read is left out.
func (r *reader) event(rec *record, payload []byte) {
	rec.Level = 'I'
	if len(payload) < 4 {
		return
	}
	number := binary.LittleEndian.Uint32(payload)
	if rec.Tag = r.events[number]; rec.Tag == "" {
		rec.Tag = strconv.FormatUint(uint64(number), 10)
	}
	text, _, _ := appendValue(nil, payload[4:], 0)
	rec.Message = string(text)
}

// appendValue writes a value as logcat does: 1, text, [1,text].
func appendValue(dst, data []byte, depth int) (text, rest []byte, ok bool) {
	if len(data) == 0 || depth > deepest {
		return dst, nil, false
	}
	kind, data := data[0], data[1:]
	need := map[byte]int{typeInt: 4, typeLong: 8, typeString: 4, typeList: 1, typeFloat: 4}[kind]
	if need == 0 || len(data) < need {
		return dst, nil, false
	}
	switch kind {
	case typeInt:
		return strconv.AppendInt(dst, int64(int32(binary.LittleEndian.Uint32(data))), 10), data[need:], true
	case typeLong:
		return strconv.AppendInt(dst, int64(binary.LittleEndian.Uint64(data)), 10), data[need:], true
	case typeFloat:
		f := math.Float32frombits(binary.LittleEndian.Uint32(data))
		return strconv.AppendFloat(dst, float64(f), 'g', -1, 32), data[need:], true
	case typeString:
		n := int(min(binary.LittleEndian.Uint32(data), maxPayload))
		data = data[need:]
		if n > len(data) {
			return append(dst, data...), nil, false
		}
		return append(dst, data[:n]...), data[n:], true
	}
	dst = append(dst, '[')
	n, data := int(data[0]), data[need:]
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, data, ok = appendValue(dst, data, depth+1); !ok {
			break
		}
	}
	return append(dst, ']'), data, true
}

// eventTags is where a device keeps the names of its events.
const eventTags = "cat /system/etc/event-log-tags"

// parseEventTags reads "30014 am_proc_start (User|1|5),…", a line for each.
func parseEventTags(text string) map[uint32]string {
	tags := map[uint32]string{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if number, err := strconv.ParseUint(fields[0], 10, 32); err == nil {
			tags[uint32(number)] = fields[1]
		}
	}
	return tags
}
