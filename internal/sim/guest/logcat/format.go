package logcat

import (
	"fmt"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
)

// layout is how entries are printed: a form, and what is added to it.
type layout struct {
	form                                     string // "" is threadtime
	epoch, year, zone, usec, nsec, uid, utc  bool
	monotonic, printable, descriptive, color bool
}

// set is one word of -v; it reports whether there is such a one.
func (l *layout) set(word string) bool {
	switch word {
	case "brief", "process", "tag", "thread", "raw", "time", "threadtime", "long":
		l.form = word
		return true
	}
	flag := map[string]*bool{
		"epoch": &l.epoch, "year": &l.year, "zone": &l.zone, "usec": &l.usec, "us": &l.usec, "nsec": &l.nsec, "ns": &l.nsec, "uid": &l.uid,
		"UTC": &l.utc, "utc": &l.utc, "monotonic": &l.monotonic, "printable": &l.printable, "descriptive": &l.descriptive,
		"color": &l.color, "colour": &l.color,
	}[word]
	if flag == nil {
		return false
	}
	*flag = true
	return true
}

// stamp is the time. The guest's zone is UTC.
func (l *layout) stamp(t, booted time.Time) string {
	fraction := ".000"
	if l.usec {
		fraction = ".000000"
	}
	if l.nsec {
		fraction = ".000000000"
	}
	t = t.UTC()
	switch {
	case l.monotonic:
		since := t.Sub(booted)
		return fmt.Sprintf("%6d", int64(since.Seconds())) + time.Unix(0, int64(since)).UTC().Format(fraction)
	case l.epoch:
		return fmt.Sprintf("%19d", t.Unix()) + t.Format(fraction)
	}
	form := "01-02 15:04:05" + fraction
	if l.year {
		form = "2006-" + form
	}
	if l.zone {
		form += " -0700"
	}
	return t.Format(form)
}

// append writes an entry: each line of its text with the prefix and suffix of the form.
func (l *layout) append(dst []byte, e *logd.Entry, booted time.Time) []byte {
	prefix, suffix := l.around(e, booted)
	text := strings.TrimSuffix(e.Text, "\n")
	if l.printable {
		text = printable(text)
	}
	if l.form == "long" {
		return append(append(append(dst, prefix...), text...), suffix...)
	}
	for line := range strings.SplitSeq(text, "\n") {
		dst = append(append(append(dst, prefix...), line...), suffix...)
	}
	return dst
}

// around is what stands before and behind each line.
func (l *layout) around(e *logd.Entry, booted time.Time) (prefix, suffix string) {
	uid := ""
	if l.uid {
		uid = fmt.Sprintf("%5d:", e.UID)
	}
	p := string(rune(e.Priority))
	switch l.form {
	case "brief":
		return fmt.Sprintf("%s/%-8s(%s%5d): ", p, e.Tag, uid, e.PID), "\n"
	case "process":
		return fmt.Sprintf("%s(%s%5d) ", p, uid, e.PID), "  (" + e.Tag + ")\n"
	case "tag":
		return fmt.Sprintf("%s/%-8s: ", p, e.Tag), "\n"
	case "thread":
		return fmt.Sprintf("%s(%s%5d:%5d) ", p, uid, e.PID, e.TID), "\n"
	case "raw":
		return "", "\n"
	case "time":
		return fmt.Sprintf("%s %s/%-8s(%s%5d): ", l.stamp(e.Time, booted), p, e.Tag, uid, e.PID), "\n"
	case "long":
		return fmt.Sprintf("[ %s %s%5d:%5d %s/%-8s ]\n", l.stamp(e.Time, booted), uid, e.PID, e.TID, p, e.Tag), "\n\n"
	}
	return fmt.Sprintf("%s %s%5d %5d %s %-8s: ", l.stamp(e.Time, booted), uid, e.PID, e.TID, p, e.Tag), "\n"
}

// printable writes what is no printable character as C does.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\n' || r >= ' ' && r != 0x7f && r != '\\':
			b.WriteRune(r)
		case r == '\\':
			b.WriteString(`\\`)
		default:
			fmt.Fprintf(&b, `\x%02X`, r)
		}
	}
	return b.String()
}
