package logd

import (
	"encoding/binary"
	"strings"
)

const recordHeader = 28

// priorities in the order of their numbers, from 2.
const priorities = "VDIWEFS"

// Number is that of a priority: 2 for V to 8 for S.
func Number(priority byte) int { return max(0, strings.IndexByte(priorities, priority)) + 2 }

// AppendRecord writes an entry as logcat -B does: struct logger_entry of its newest version, then the payload.
func AppendRecord(dst []byte, e *Entry) []byte {
	begin := len(dst)
	dst = append(dst, make([]byte, recordHeader)...)
	if e.Buffer == Events {
		dst = appendEvent(dst, e)
	} else {
		dst = append(dst, byte(Number(e.Priority)))
		dst = append(append(dst, e.Tag...), 0)
		dst = append(append(dst, e.Text...), 0)
	}
	head := dst[begin:]
	binary.LittleEndian.PutUint16(head[0:], uint16(len(head)-recordHeader))
	binary.LittleEndian.PutUint16(head[2:], recordHeader)
	for i, v := range []int{e.PID, e.TID, int(e.Time.Unix()), e.Time.Nanosecond(), int(e.Buffer), e.UID} {
		binary.LittleEndian.PutUint32(head[4+4*i:], uint32(v))
	}
	return dst
}
