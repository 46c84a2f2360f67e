package httpfile

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Disposition is the value of a Content-Disposition header that names a file twice: in Latin-1 for old
// clients, and in UTF-8. field is the name of a form's field, or empty.
func Disposition(kind, field, filename string) string {
	var b strings.Builder
	b.WriteString(kind)
	if field != "" {
		b.WriteString(`; name="`)
		writeLatin1(&b, field)
		b.WriteByte('"')
	}
	b.WriteString(`; filename="`)
	writeLatin1(&b, filename)
	b.WriteString(`"; filename*=utf-8''`)
	writePercent(&b, filename)
	return b.String()
}

// writeLatin1 writes s as a quoted string's inside, in Latin-1: CR, LF and NUL are dropped, other control
// characters and what Latin-1 has not are "_".
func writeLatin1(b *strings.Builder, s string) {
	for _, r := range s {
		switch {
		case r == '\r', r == '\n', r == 0:
		case r == '"', r == '\\':
			b.WriteByte('\\')
			b.WriteByte(byte(r))
		case r > unicode.MaxLatin1, unicode.IsControl(r), r == utf8.RuneError:
			b.WriteByte('_')
		default:
			b.WriteByte(byte(r))
		}
	}
}

// writePercent writes s as RFC 5987 wants it, byte by byte.
func writePercent(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
}
