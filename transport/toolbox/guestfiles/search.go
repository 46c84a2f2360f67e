package guestfiles

import (
	"bytes"
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Search returns the paths below and including root whose last part matches pattern, one of Go's
// path.Match, in the order of a walk: directories too, links not followed except root itself. What cannot be
// read is left out; no root and a bad pattern find nothing. At most limit are returned; more tells that there are.
func (f *Files) Search(ctx context.Context, root, pattern string, limit int) (found []string, more bool, err error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, false, nil
	}
	names := nameReader{limit: limit, wanted: func(name string) bool {
		ok, err := path.Match(pattern, path.Base(name))
		return ok && err == nil
	}}
	s := newScript().line("exec find -H \x00 -name \x00 -print0", root, loose(pattern))
	return f.names(ctx, s, &names)
}

// loose makes a pattern for the guest's find that matches at least what Go's does: of brackets, escapes and
// letters beyond ASCII, where the two differ, only a star is left.
func loose(pattern string) string {
	var b strings.Builder
	star := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
			star = true
		case c == '[':
			i = endOfClass(pattern, i)
			star = true
		case c == '*', c == '?', c == ']', c >= 0x80, c < ' ':
			star = true
		default:
			if star {
				b.WriteByte('*')
			}
			star = false
			b.WriteByte(c)
		}
	}
	if star {
		b.WriteByte('*')
	}
	return b.String()
}

// endOfClass is where the bracket that opens at i closes, in a pattern that is well formed.
func endOfClass(pattern string, i int) int {
	for i++; i < len(pattern) && pattern[i] != ']'; i++ {
		if pattern[i] == '\\' {
			i++
		}
	}
	return i
}

// Containing returns the regular files below root in which the guest's grep finds the text, binary ones
// included, in the order of a walk; links are not followed except root itself. Toybox takes a line that begins with a
// NUL for empty: such lines are not seen. /proc, /sys and /dev are left out, unless
// root lies in them: some of their files never end. At most limit are returned; more tells that there are.
func (f *Files) Containing(ctx context.Context, root, text string, limit int) (found []string, more bool, err error) {
	if strings.ContainsAny(text, "\n\x00") {
		return nil, false, nil // no line holds it
	}
	s := newScript().line(`exec find -H `+"\x00"+` \( -path /proc -o -path /sys -o -path /dev \) -prune -o -type f -exec grep -lFZ -e `+
		"\x00 {} +", root, text)
	return f.names(ctx, s, &nameReader{limit: limit})
}

// names runs a script that prints names, each ended by a NUL.
func (f *Files) names(ctx context.Context, s *script, names *nameReader) ([]string, bool, error) {
	_, err := f.shell.Run(ctx, f.serial, guestshell.Script{Text: s.end(false), MaxOutput: maxSaid, Stdout: names})
	more := errors.Is(err, errEnough)
	if err != nil && !more {
		return nil, false, err
	}
	// As filepath.Walk: a directory comes before what is in it, that before its neighbours.
	slices.SortFunc(names.found, func(a, b string) int {
		return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
	})
	return names.found, more, nil
}

// errEnough ends a script whose further output nobody wants.
var errEnough = errors.New("enough was found")

// maxFound bounds the path of a file that a search comes upon; Linux's is 4096, but find goes deeper.
const maxFound = 64 << 10

// nameReader is a writer that takes output apart at its NULs. What comes behind the last one is no name.
type nameReader struct {
	limit  int
	wanted func(name string) bool // nil: all
	found  []string
	rest   []byte // the beginning of a name
}

// Write implements io.Writer. It fails with errEnough at the first name over the limit.
func (r *nameReader) Write(p []byte) (int, error) {
	size := len(p)
	for {
		before, after, ended := bytes.Cut(p, []byte{0})
		if len(r.rest)+len(before) > maxFound {
			return 0, fault.Unavailablef("the device found a name of more than %d bytes", maxFound)
		}
		if !ended {
			r.rest = append(r.rest, before...)
			return size, nil
		}
		name := string(append(r.rest, before...))
		r.rest, p = r.rest[:0], after
		if name == "" || r.wanted != nil && !r.wanted(name) {
			continue
		}
		if len(r.found) == r.limit {
			return 0, errEnough
		}
		r.found = append(r.found, name)
	}
}
