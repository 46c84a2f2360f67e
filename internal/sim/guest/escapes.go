package guest

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// escapes quotes the characters behind backslashes in the value of an assignment, where the
// interpreter (v3.14.1) forgets to take the backslashes away: A='it'\”s' gave it\'s.
func (rw *rewriter) escapes(value *syntax.Word) {
	if value == nil {
		return
	}
	var parts []syntax.WordPart
	for _, part := range value.Parts {
		lit, plain := part.(*syntax.Lit)
		if !plain || !strings.Contains(lit.Value, `\`) {
			parts = append(parts, part)
			continue
		}
		rw.changed = true
		parts = append(parts, unescaped(lit.Value)...)
	}
	value.Parts = parts
}

// unescaped turns a\'b into the parts a, ' in quotes, b.
func unescaped(text string) (parts []syntax.WordPart) {
	for text != "" {
		before, after, found := strings.Cut(text, `\`)
		if before != "" {
			parts = append(parts, &syntax.Lit{Value: before})
		}
		if !found {
			return parts
		}
		if after == "" { // a backslash at the end of the input stands for itself
			return append(parts, &syntax.SglQuoted{Value: `\`})
		}
		size := 1
		for size < len(after) && after[size]&0xC0 == 0x80 { // the rest of one UTF-8 character
			size++
		}
		parts = append(parts, &syntax.SglQuoted{Value: after[:size]})
		text = after[size:]
	}
	return parts
}
