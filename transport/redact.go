package transport

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	withheld = "(redacted)"
	// maxSentence bounds what is told of an error; launcher logs can be long.
	maxSentence = 4 << 10
	// minLiteral is the shortest token that is looked for in texts by its own letters.
	minLiteral = 6
)

// secrets are the shapes of credentials that may stand in the text of an error.
var secrets = []struct {
	shape *regexp.Regexp
	with  string
}{
	{regexp.MustCompile(`(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=-]{4,}`), "$1 " + withheld},
	{regexp.MustCompile(`\b([A-Za-z][A-Za-z0-9+.-]*://)[^\s/@"']+@`), "$1" + withheld + "@"},
	{regexp.MustCompile(`\b(AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA|APKA|ASCA)[A-Z0-9]{12,}\b`), withheld},
	{regexp.MustCompile(`(?i)([A-Za-z0-9_.-]*(?:secret|passwd|password|token|signature|credential|access[-_]?key|api[-_]?key)` +
		`[A-Za-z0-9_.-]*["']?\s*=\s*["']?|[A-Za-z0-9_.-]*(?:secret|password|token|access[-_]?key|api[-_]?key)[A-Za-z0-9_.-]*"\s*:\s*")` +
		`[^\s"'&,;]+`), "$1" + withheld},
}

// Redactor takes credentials out of texts. It is safe for concurrent use.
type Redactor struct{ token string }

// NewRedactor makes one that knows the runner's own token by its letters.
func NewRedactor(token string) Redactor { return Redactor{token} }

// Clean returns text without credentials, as valid UTF-8 of at most maxSentence bytes.
func (r Redactor) Clean(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(r.token) >= minLiteral {
		text = strings.ReplaceAll(text, r.token, withheld)
	}
	for _, s := range secrets {
		text = s.shape.ReplaceAllString(text, s.with)
	}
	return shorten(text)
}

func shorten(text string) string {
	if len(text) <= maxSentence {
		return text
	}
	end := maxSentence
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
