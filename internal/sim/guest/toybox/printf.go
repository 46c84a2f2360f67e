package toybox

import (
	"fmt"
	"strconv"
	"strings"
)

// printf is toybox's: it knows %s %b %c %d %i %u %x %X %o %f %F %g %G %e %E %%, widths and *, and
// reuses the format while arguments are left.
func printf(c *Call) int {
	args := c.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return c.needs(1)
	}
	f := &formatter{c: c, format: args[0], args: args[1:]}
	for {
		before := f.used
		if !f.once() || f.used >= len(f.args) || f.used == before {
			break
		}
	}
	f.flush()
	return f.status
}

// formatter is one run of printf.
type formatter struct {
	c      *Call
	b      strings.Builder
	format string
	args   []string
	used   int
	status int
}

// flush writes what was made so far, so that messages stand where toybox has them.
func (f *formatter) flush() {
	if _, err := f.c.Out.Write([]byte(f.b.String())); err != nil {
		f.status = 1
	}
	f.b.Reset()
}

func (f *formatter) take() string {
	f.used++
	if f.used > len(f.args) {
		return ""
	}
	return f.args[f.used-1]
}

// once writes the format with arguments filled in and reports whether it can go on.
func (f *formatter) once() bool {
	format := f.format
	for i := 0; i < len(format); i++ {
		switch {
		case format[i] == '\\' && i+1 < len(format):
			end := escapeEnd(format, i)
			text, stop := printfEscape(format[i:end])
			if stop {
				return false
			}
			f.b.WriteString(text)
			i = end - 1
		case format[i] == '%' && i+1 < len(format) && format[i+1] == '%':
			f.b.WriteByte('%')
			i++
		case format[i] == '%':
			end := i + 1
			for end < len(format) && strings.IndexByte("-+ #0123456789.*", format[end]) >= 0 {
				end++
			}
			if end == len(format) {
				f.c.fail("bad %%@%d", end)
				f.status = 1
				return false
			}
			flags := format[i:end]
			for strings.Contains(flags, "*") {
				n, _ := strconv.Atoi(f.take())
				flags = strings.Replace(flags, "*", strconv.Itoa(max(-4096, min(n, 4096))), 1)
			}
			if !f.field(limitWidth(flags), format[end], end) {
				return false
			}
			i = end
		default:
			f.b.WriteByte(format[i])
		}
	}
	return true
}

// limitWidth keeps a width from taking all memory.
func limitWidth(flags string) string {
	if len(flags) > 12 {
		return "%"
	}
	for _, number := range strings.FieldsFunc(flags, func(r rune) bool { return r < '0' || r > '9' }) {
		if n, err := strconv.Atoi(number); err != nil || n > 65536 {
			return "%"
		}
	}
	return flags
}

func (f *formatter) field(flags string, verb byte, at int) bool {
	switch verb {
	case 's':
		fmt.Fprintf(&f.b, flags+"s", f.take())
	case 'b':
		text, stop := Unescape(f.take())
		fmt.Fprintf(&f.b, flags+"s", text)
		return !stop
	case 'c':
		text := f.take()
		fmt.Fprintf(&f.b, flags+"s", text[:min(1, len(text))])
	case 'd', 'i', 'u', 'x', 'X', 'o':
		if verb == 'i' || verb == 'u' {
			verb = 'd'
		}
		n, ok := integer(f.take())
		fmt.Fprintf(&f.b, flags+string(verb), n)
		f.check(ok, verb)
	case 'f', 'F', 'g', 'G', 'e', 'E':
		text := f.take()
		n, err := strconv.ParseFloat(text, 64)
		fmt.Fprintf(&f.b, flags+string(verb), n)
		f.check(err == nil || text == "", verb)
	default:
		f.flush()
		f.c.fail("bad %%%c@%d", verb, at+1)
		f.status = 1
		return false
	}
	return true
}

// check complains about an argument that is no number; its value so far is printed.
func (f *formatter) check(ok bool, verb byte) {
	if ok {
		return
	}
	f.flush()
	f.c.fail("bad %%%c %s", verb, f.args[f.used-1])
	f.status = 1
}

func integer(text string) (int64, bool) {
	if text == "" {
		return 0, true
	}
	if len(text) > 1 && (text[0] == '\'' || text[0] == '"') {
		return int64([]rune(text[1:])[0]), true
	}
	n, err := strconv.ParseInt(text, 0, 64)
	return n, err == nil
}

// escapeEnd is where the backslash sequence at i ends.
func escapeEnd(format string, i int) int {
	end := i + 2
	digits := ""
	switch letter := format[i+1]; {
	case letter >= '0' && letter <= '7':
		digits = "01234567"
	case letter == 'x':
		digits = "0123456789abcdefABCDEF"
	}
	most := 2
	if digits != "" && format[i+1] == '0' {
		most = 3
	}
	for n := 0; n < most && end < len(format) && digits != "" && strings.IndexByte(digits, format[end]) >= 0; n++ {
		end++
	}
	return end
}

func printfEscape(text string) (out string, stop bool) {
	if text[1] >= '0' && text[1] <= '7' {
		n, _ := strconv.ParseUint(text[1:], 8, 16)
		return string([]byte{byte(n)}), false
	}
	return Unescape(text)
}
