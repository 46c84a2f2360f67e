package guest

import (
	"errors"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// errorLine is where a syntax error is, 0 if it is not known.
func errorLine(err error) uint {
	var parse syntax.ParseError
	if errors.As(err, &parse) {
		return parse.Pos.Line()
	}
	return 0
}

// syntaxReason words a syntax error, where it can, as the shell does.
func syntaxReason(err error) string {
	var parse syntax.ParseError
	if !errors.As(err, &parse) {
		return "syntax error: " + err.Error()
	}
	text := parse.Text
	word := ""
	if at := strings.IndexByte(text, '`'); at >= 0 {
		word, _, _ = strings.Cut(text[at+1:], "`")
		word, _, _ = strings.Cut(word, " ")
	}
	switch {
	case strings.Contains(text, "without closing quote"):
		return "no closing quote"
	case strings.Contains(text, "can only be used"), strings.Contains(text, "must be preceded"), strings.Contains(text, "not a valid start"),
		strings.Contains(text, "is not a valid word"):
		return "syntax error: unexpected '" + word + "'"
	case strings.Contains(text, "must be followed by"), strings.Contains(text, "must end with"), strings.Contains(text, "without matching"):
		return "syntax error: unmatched '" + word + "'"
	}
	return "syntax error: " + text
}
