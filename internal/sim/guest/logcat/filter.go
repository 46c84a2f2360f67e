package logcat

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
)

// filter chooses entries.
type filter struct {
	all   int            // the least priority of tags that are not named
	tags  map[string]int // that of those that are
	regex *regexp.Regexp
	pid   int
	uids  []int
}

func newFilter() filter { return filter{all: logd.Number('V'), tags: map[string]int{}} }

// add is TAG[:PRIORITY] or *:PRIORITY; it reports whether it was understood.
func (f *filter) add(spec string) bool {
	tag, text, given := strings.Cut(spec, ":")
	if tag == "" {
		return false
	}
	priority := logd.Number('V')
	if given && text == "*" {
		text = ""
	}
	if given && text != "" {
		letter := strings.ToUpper(text)[0]
		if len(text) != 1 || strings.IndexByte("VDIWEFS", letter) < 0 {
			return false
		}
		priority = logd.Number(letter)
	}
	if tag == "*" {
		if given || f.all < priority {
			f.all = priority
		}
		return true
	}
	f.tags[tag] = priority
	return true
}

// reads is what logd itself leaves out for its reader.
func (f *filter) reads(e *logd.Entry, since time.Time) bool {
	return (f.pid == 0 || e.PID == f.pid) && !e.Time.Before(since)
}

// of is what logcat leaves out before everything else.
func (f *filter) of(e *logd.Entry) bool { return len(f.uids) == 0 || slices.Contains(f.uids, e.UID) }

// prints is what it leaves out of a text.
func (f *filter) prints(e *logd.Entry) bool {
	least, named := f.tags[e.Tag]
	if !named {
		least = f.all
	}
	return logd.Number(e.Priority) >= least && (f.regex == nil || f.regex.MatchString(e.Text))
}
