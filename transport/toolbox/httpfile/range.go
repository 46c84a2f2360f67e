package httpfile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Range is a piece of a file.
type Range struct{ Start, Length int64 }

// ContentRange is the header's value for the piece of a file of this size.
func (r Range) ContentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", r.Start, r.Start+r.Length-1, size)
}

// ErrUnsatisfiable says that nothing of the file lies in the range: 416.
var ErrUnsatisfiable = errors.New("the range lies outside the file")

// ParseRange reads a Range header for a file of size bytes. The whole file is wanted (no error, not
// partial) when there is no header, when it is malformed or of another unit, and when it has more than one
// range, which RFC 9110 lets a server ignore.
func ParseRange(header string, size int64) (r Range, partial bool, err error) {
	whole := Range{0, size}
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return whole, false, nil
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	if !ok || !isNumber(first) || !isNumber(last) || first == "" && last == "" {
		return whole, false, nil
	}
	if first == "" {
		n := min(number(last), size)
		if n == 0 {
			return Range{}, false, ErrUnsatisfiable
		}
		return Range{size - n, n}, true, nil
	}
	start, end := number(first), size-1
	if last != "" {
		if number(last) < start {
			return whole, false, nil
		}
		end = min(number(last), end)
	}
	if start >= size {
		return Range{}, false, ErrUnsatisfiable
	}
	return Range{start, end - start + 1}, true, nil
}

// isNumber reports whether s has digits only; it may be empty.
func isNumber(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// number is the value of digits; what is too large is the largest there is.
func number(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

// Unsatisfied is the value of Content-Range in a 416 about a file of this size.
func Unsatisfied(size int64) string { return fmt.Sprintf("bytes */%d", size) }
