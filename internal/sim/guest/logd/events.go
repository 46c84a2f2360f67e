package logd

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// event is a tag of the events buffer: its number, and what its values are.
type event struct {
	number uint32
	about  string
}

// events are the tags that the guest knows; their numbers are Android's.
var events = map[string]event{
	"boot_progress_start": {3000, "(time|2|3)"}, "boot_progress_ams_ready": {3040, "(time|2|3)"}, "boot_progress_enable_screen": {3050, "(time|2|3)"},
	"am_anr":        {30008, "(User|1|5),(pid|1|5),(Package Name|3),(Flags|1|5),(reason|3)"},
	"am_proc_died":  {30011, "(User|1|5),(PID|1|5),(Process Name|3),(OomAdj|1|5),(ProcState|1|5)"},
	"am_proc_start": {30014, "(User|1|5),(PID|1|5),(UID|1|5),(Process Name|3),(Type|3),(Component|3)"},
	"am_kill":       {30023, "(User|1|5),(PID|1|5),(Process Name|3),(OomAdj|1|5),(Reason|3)"},
	"am_crash":      {30039, "(User|1|5),(PID|1|5),(Process Name|3),(Flags|1|5),(Exception|3),(Message|3),(File|3),(Line|1|5)"},
}

// EventTags is the guest's /system/etc/event-log-tags.
func EventTags() string {
	var lines []string
	for name, e := range events {
		lines = append(lines, fmt.Sprintf("%d %s %s\n", e.number, name, e.about))
	}
	slices.Sort(lines)
	return "# content owner: frameworks\n" + strings.Join(lines, "")
}

// Types of values in an event's payload.
const (
	eventInt    = 0
	eventString = 2
	eventList   = 3
)

// appendEvent writes an event as liblog does: the tag's number, then a list, or a single value. Its text is what
// logcat prints of it, "[0,2000,com.example.app]".
func appendEvent(dst []byte, e *Entry) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, events[e.Tag].number)
	list, isList := strings.CutPrefix(e.Text, "[")
	list, closed := strings.CutSuffix(list, "]")
	if !isList || !closed {
		return appendValue(dst, e.Text)
	}
	values := strings.Split(list, ",")
	dst = append(dst, eventList, byte(len(values)))
	for _, v := range values {
		dst = appendValue(dst, v)
	}
	return dst
}

func appendValue(dst []byte, value string) []byte {
	if n, err := strconv.ParseInt(value, 10, 32); err == nil {
		return binary.LittleEndian.AppendUint32(append(dst, eventInt), uint32(int32(n)))
	}
	dst = binary.LittleEndian.AppendUint32(append(dst, eventString), uint32(len(value)))
	return append(dst, value...)
}
