package logcat

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
)

// options are what a call of logcat asks for.
type options struct {
	set       logd.Set
	layout    layout
	filter    filter
	tail      int       // entries to begin with; 0 is all
	since     time.Time // zero is all
	stop      bool      // at the end of what is there
	clear     bool
	sizes     bool
	resize    int // bytes; 0 is not
	most      int // lines printed; 0 is any number
	dividers  bool
	binary    bool
	help      bool
	formatted bool
}

// mistake is a call that logcat refuses.
type mistake string

func (m mistake) Error() string { return string(m) }

func mistakef(format string, a ...any) error { return mistake(fmt.Sprintf(format, a...)) }

// long are the long options with the letters they stand for; what has none of its own gets a capital that is free.
var long = map[string]byte{
	"binary": 'B', "buffer": 'b', "buffer-size": 'g', "clear": 'c', "dividers": 'D', "format": 'v', "max-count": 'm',
	"pid": 'P', "regex": 'e', "tail": 't', "uid": 'U', "help": 'h',
}

const valued = "bvmePtTU"

// parse reads the arguments as getopt_long does: options and filters in any order, values joined or apart.
func parse(args []string, tags string) (*options, error) {
	o := &options{filter: newFilter()}
	var filters []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			filters = append(filters, args...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			filters = append(filters, arg)
			continue
		}
		name, inline, joined := strings.Cut(arg, "=")
		if word, ok := strings.CutPrefix(name, "--"); ok {
			letter := long[word]
			if letter == 0 {
				return nil, mistakef("unrecognized option '%s'", arg)
			}
			var err error
			if args, err = o.take(letter, inline, joined, args); err != nil {
				return nil, err
			}
			continue
		}
		for i := 1; i < len(arg); i++ {
			letter, rest := arg[i], arg[i+1:]
			if letter == 'P' || letter == 'U' || strings.IndexByte("BDGTbcdeghmstv", letter) < 0 {
				return nil, mistakef("invalid option -- '%c'", letter)
			}
			takes := strings.IndexByte(valued+"G", letter) >= 0
			var err error
			if args, err = o.take(letter, rest, takes && rest != "", args); err != nil {
				return nil, err
			}
			if takes {
				break
			}
		}
	}
	err := o.finish(filters, tags)
	return o, err
}

// take is one option; its value is inline or the next argument.
func (o *options) take(letter byte, inline string, joined bool, args []string) ([]string, error) {
	if strings.IndexByte(valued+"G", letter) < 0 {
		o.flag(letter)
		return args, nil
	}
	if !joined {
		if len(args) == 0 {
			return nil, mistakef("option requires an argument -- '%c'", letter)
		}
		inline, args = args[0], args[1:]
	}
	return args, o.value(letter, inline)
}

func (o *options) flag(letter byte) {
	switch letter {
	case 'd':
		o.stop = true
	case 'c':
		o.clear = true
	case 'g':
		o.sizes = true
	case 's':
		o.filter.all = logd.Number('S')
	case 'B':
		o.binary = true
	case 'D':
		o.dividers = true
	case 'h':
		o.help = true
	}
}

func (o *options) value(letter byte, value string) (err error) {
	switch letter {
	case 'b':
		return o.buffers(value)
	case 'v':
		o.formatted = true
		for _, word := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(",:; \t\n\r\f", r) }) {
			if !o.layout.set(word) {
				return mistakef("Invalid parameter \"%s\" to -v", word)
			}
		}
	case 't', 'T':
		o.stop = o.stop || letter == 't'
		return o.from(letter, value)
	case 'm':
		if o.most, err = strconv.Atoi(value); err != nil || o.most < 1 {
			return mistakef("-m \"%s\" isn't an integer greater than zero", value)
		}
	case 'e':
		if o.filter.regex, err = regexp.Compile(value); err != nil {
			return mistakef("Invalid regex \"%s\"", value)
		}
	case 'G':
		if o.resize = sizeOf(value); o.resize == 0 {
			return mistakef("Invalid parameter \"%s\" to -G", value)
		}
	case 'P':
		if o.filter.pid, err = strconv.Atoi(value); err != nil || o.filter.pid < 1 {
			return mistakef("pid '%s' out of range", value)
		}
	case 'U':
		for _, word := range strings.Split(value, ",") {
			uid, err := strconv.Atoi(word)
			if err != nil {
				return mistakef("Unable to parse UID '%s'", word)
			}
			o.filter.uids = append(o.filter.uids, uid)
		}
	}
	return nil
}

func (o *options) buffers(value string) error {
	for _, name := range strings.Split(value, ",") {
		set, ok := logd.ByName(name)
		if !ok {
			return mistakef("unknown buffer %s", name)
		}
		o.set |= set
	}
	return nil
}

// from is -t and -T: a number of entries, or a time.
func (o *options) from(letter byte, value string) error {
	if n, err := strconv.Atoi(value); err == nil {
		o.tail = max(1, n)
		return nil
	}
	now := time.Now().UTC()
	for _, form := range []string{"01-02 15:04:05", "2006-01-02 15:04:05"} {
		if at, err := time.Parse(form, value); err == nil { // a fraction may follow the seconds
			if at.Year() == 0 {
				at = at.AddDate(now.Year(), 0, 0)
			}
			o.since = at
			return nil
		}
	}
	seconds, fraction, pointed := strings.Cut(value, ".")
	whole, err := strconv.ParseInt(seconds, 10, 64)
	if fraction += "000000000"; err == nil && pointed {
		if nanos, err := strconv.ParseInt(fraction[:9], 10, 64); err == nil {
			o.since = time.Unix(whole, nanos)
			return nil
		}
	}
	return mistakef("-%c \"%s\" not in time format", letter, value)
}

// sizeOf reads 256K, 1M; 0 is wrong.
func sizeOf(value string) int {
	unit := 1
	if i := strings.IndexAny(value, "KMGkmg"); i >= 0 && i == len(value)-1 {
		unit = map[byte]int{'k': 1 << 10, 'm': 1 << 20, 'g': 1 << 30}[value[i]|0x20]
		value = value[:i]
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 1<<20*1<<10 {
		return 0
	}
	return n * unit
}

// finish adds the filters: those given, or those of ANDROID_LOG_TAGS.
func (o *options) finish(filters []string, tags string) error {
	if o.set == 0 {
		o.set = logd.Default
	}
	if len(filters) == 0 {
		filters = strings.Fields(tags)
	}
	for _, words := range filters {
		for _, spec := range strings.FieldsFunc(words, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
			if !o.filter.add(spec) {
				return mistakef("Invalid filter expression '%s'", spec)
			}
		}
	}
	return nil
}
