package logd

import "strings"

// Set is some of the buffers, a bit for each.
type Set uint

// Sets that have names.
const (
	All     = Set(1<<Main | 1<<Radio | 1<<Events | 1<<System | 1<<Crash | 1<<Kernel)
	Default = Set(1<<Main | 1<<System | 1<<Crash | 1<<Kernel) // kernel where the device logs it, as Cuttlefish does
)

var names = map[string]Buffer{"main": Main, "radio": Radio, "events": Events, "system": System, "crash": Crash, "kernel": Kernel}

// ByName finds what logcat's -b calls so; ok is false for what is none.
func ByName(name string) (set Set, ok bool) {
	switch name {
	case "all":
		return All, true
	case "default":
		return Default, true
	}
	b, ok := names[name]
	return 1 << b, ok
}

// Has tells whether b is one of them.
func (s Set) Has(b Buffer) bool { return s&(1<<b) != 0 }

// Each lists them in the order of their numbers.
func (s Set) Each() (all []Buffer) {
	for b := range Buffer(buffers) {
		if s.Has(b) {
			all = append(all, b)
		}
	}
	return all
}

// String is the buffer's name.
func (b Buffer) String() string {
	for name, number := range names {
		if number == b {
			return name
		}
	}
	return "unknown"
}

// String lists the names.
func (s Set) String() string {
	var words []string
	for _, b := range s.Each() {
		words = append(words, b.String())
	}
	return strings.Join(words, ",")
}
