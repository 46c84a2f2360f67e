package toybox

import (
	"io/fs"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// androidIDs are the users and groups that have names, from system/core's android_filesystem_config.h.
func androidIDs() []struct {
	name string
	id   int
} {
	return []struct {
		name string
		id   int
	}{
		{"root", 0}, {"system", 1000}, {"radio", 1001}, {"bluetooth", 1002}, {"graphics", 1003},
		{"input", 1004}, {"audio", 1005}, {"camera", 1006}, {"log", 1007}, {"mount", 1009},
		{"wifi", 1010}, {"adb", 1011}, {"install", 1012}, {"media", 1013}, {"sdcard_rw", 1015},
		{"media_rw", 1023}, {"sdcard_r", 1028}, {"logd", 1036}, {"shared_relro", 1037},
		{"ext_data_rw", 1078}, {"ext_obb_rw", 1079}, {"shell", 2000}, {"cache", 2001},
		{"net_bt_admin", 3001}, {"net_bt", 3002}, {"inet", 3003}, {"net_raw", 3004},
		{"net_admin", 3005}, {"net_bw_stats", 3006}, {"net_bw_acct", 3007}, {"readproc", 3009},
		{"uhid", 3011}, {"readtracefs", 3012}, {"everybody", 9997}, {"nobody", 9999},
	}
}

// userName is what id is called; apps are u0_aN.
func userName(id int) string {
	for _, u := range androidIDs() {
		if u.id == id {
			return u.name
		}
	}
	if id >= 10000 && id < 20000 {
		return "u0_a" + strconv.Itoa(id-10000)
	}
	return strconv.Itoa(id)
}

func userID(name string) (int, bool) {
	if id, err := strconv.Atoi(name); err == nil && id >= 0 {
		return id, true
	}
	for _, u := range androidIDs() {
		if u.name == name {
			return u.id, true
		}
	}
	if n, ok := strings.CutPrefix(name, "u0_a"); ok {
		id, err := strconv.Atoi(n)
		return 10000 + id, err == nil && id >= 0
	}
	return 0, false
}

// parseMode applies chmod's mode text (octal or symbolic) to a file that has mode now.
func parseMode(text string, now fs.FileMode, dir bool) (fs.FileMode, error) {
	if bits, err := strconv.ParseUint(text, 8, 32); err == nil {
		if bits > 0o7777 {
			return 0, syscall.EINVAL
		}
		return vfs.FileMode(uint32(bits)), nil
	}
	mode := vfs.UnixMode(now) & 0o7777
	for clause := range strings.SplitSeq(text, ",") {
		at := strings.IndexAny(clause, "+-=")
		if at < 0 {
			return 0, syscall.EINVAL
		}
		who, err := whoMask(clause[:at])
		if err != nil {
			return 0, err
		}
		var bits uint32
		for _, letter := range clause[at+1:] {
			switch letter {
			case 'r':
				bits |= 0o444
			case 'w':
				bits |= 0o222
			case 'x':
				bits |= 0o111
			case 'X':
				if dir || mode&0o111 != 0 {
					bits |= 0o111
				}
			case 's':
				bits |= 0o6000
			case 't':
				bits |= 0o1000
			default:
				return 0, syscall.EINVAL
			}
		}
		switch bits &= who; clause[at] {
		case '+':
			mode |= bits
		case '-':
			mode &^= bits
		default:
			mode = mode&^who | bits
		}
	}
	return vfs.FileMode(mode), nil
}

func whoMask(letters string) (mask uint32, err error) {
	for _, letter := range letters {
		switch letter {
		case 'u':
			mask |= 0o4700
		case 'g':
			mask |= 0o2070
		case 'o':
			mask |= 0o1007
		case 'a':
			mask |= 0o7777
		default:
			return 0, syscall.EINVAL
		}
	}
	if letters == "" {
		mask = 0o7777
	}
	return mask, nil
}

// parseSize reads a number with toybox's suffixes: c, b (512), k, m, g, and kd for powers of ten.
func parseSize(text string) (int64, bool) {
	digits := strings.TrimRight(strings.ToLower(text), "cbkmgd")
	n, err := strconv.ParseInt(digits, 0, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	unit := int64(1)
	switch strings.ToLower(text[len(digits):]) {
	case "", "c":
	case "b":
		unit = 512
	case "k":
		unit = 1 << 10
	case "m":
		unit = 1 << 20
	case "g":
		unit = 1 << 30
	case "kd":
		unit = 1e3
	case "md":
		unit = 1e6
	default:
		return 0, false
	}
	if n > (1<<62)/unit {
		return 0, false
	}
	return n * unit, true
}

func parseDate(text string) (time.Time, error) {
	if sec, ok := strings.CutPrefix(text, "@"); ok {
		n, err := strconv.ParseFloat(sec, 64)
		return time.Unix(0, int64(n*1e9)), err
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, syscall.EINVAL
}

func randomUint() uint64 { return rand.Uint64() }
