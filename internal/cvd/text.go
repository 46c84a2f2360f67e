package cvd

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxLineBytes = 400  // of a line shown to people
	maxScanLines = 5000 // of a text searched for known causes
)

// escapes are the terminal's colour and title sequences, which the host tools print even to files.
var escapes = regexp.MustCompile("\x1b(?:\\[[0-9;?]*[\\x20-/]*[\\x40-\\x7e]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\))")

// cleanLines returns the last n non-empty lines of b as plain text: no terminal escapes, no control
// characters, valid UTF-8, each cut at maxLineBytes.
func cleanLines(b []byte, n int) []string {
	if n <= 0 {
		return nil
	}
	text := escapes.ReplaceAllString(strings.ToValidUTF8(string(b), "?"), "")
	rough := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	var lines []string
	for i := len(rough) - 1; i >= 0 && len(lines) < n; i-- {
		if line := cleanLine(rough[i]); line != "" {
			lines = append(lines, line)
		}
	}
	for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
		lines[i], lines[j] = lines[j], lines[i]
	}
	return lines
}

func cleanLine(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, s))
	if len(s) <= maxLineBytes {
		return s
	}
	cut := maxLineBytes
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
