package configs

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
)

// withheld is all that a secret ever prints.
const withheld = "(secret)"

// Secret is a value that never shows itself: under every fmt verb, in JSON and in text it is
// "(secret)", or nothing when it is empty. The text lies behind a pointer, so that a printer
// which may not call methods (fmt, below an unexported field) shows an address at most. The
// zero Secret is empty. It is immutable and safe for concurrent use.
type Secret struct{ text *string }

// NewSecret returns a Secret that holds text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text, for the one place that must send it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet reports whether there is any text.
func (s Secret) IsSet() bool { return s.text != nil }

// Equal reports whether candidate is the secret, in a time that depends on neither's content
// nor on where they differ. An empty secret equals nothing, not even an empty candidate, so
// that a forgotten token locks the door instead of opening it.
func (s Secret) Equal(candidate string) bool {
	want, got := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(candidate))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && s.IsSet()
}

// String returns "(secret)", or nothing when empty.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return withheld
}

// Format prints String under every verb, %x and %#v included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText serves JSON and every other encoder that asks.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
