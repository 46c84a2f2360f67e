package toybox

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// badDirective is the first letter of a -printf format that toybox 0.8.9 refuses, 0 if there is none.
func badDirective(format string) byte {
	for i := 0; i < len(format); i++ {
		if format[i] == '\\' {
			i++
			continue
		}
		if format[i] != '%' || i+1 == len(format) {
			continue
		}
		if i++; strings.IndexByte("fgGilmMpPsTuUZ%", format[i]) < 0 {
			return format[i]
		}
	}
	return 0
}

// findFormat fills in the directives and escapes of -printf.
func findFormat(format string, x found) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		switch {
		case format[i] == '\\' && i+1 < len(format):
			i++
			b.WriteString(escape(format[i]))
		case format[i] == '%' && i+1 < len(format):
			i++
			if format[i] == 'T' && i+1 < len(format) {
				i++
				fmt.Fprintf(&b, "%d.%d", x.info.ModTime.Unix(), x.info.ModTime.Nanosecond())
				continue
			}
			b.WriteString(findField(format[i], x))
		default:
			b.WriteByte(format[i])
		}
	}
	return b.String()
}

func escape(letter byte) string {
	if at := strings.IndexByte("abfnrtv0\\", letter); at >= 0 {
		return "\a\b\f\n\r\t\v\x00\\"[at : at+1]
	}
	return "\\" + string(letter)
}

func findField(letter byte, x found) string {
	switch letter {
	case 'p':
		return x.name
	case 'f':
		return path.Base(x.name)
	case 'h':
		return path.Dir(x.name)
	case 'P':
		return strings.TrimPrefix(strings.TrimPrefix(x.name, x.start), "/")
	case 'l':
		return x.info.Target
	case 'm':
		return strconv.FormatUint(uint64(vfs.UnixMode(x.info.Mode)&0o7777), 8)
	case 'M':
		return vfs.ModeString(x.info.Mode)
	case 'g':
		return userName(x.info.GID)
	case 'G':
		return strconv.Itoa(x.info.GID)
	case 'u':
		return userName(x.info.UID)
	case 'U':
		return strconv.Itoa(x.info.UID)
	case 'Z':
		return "u:object_r:unlabeled:s0"
	}
	return statField(letter, x.name, x.info)
}
