package selector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	maxWord    = 4 << 10 // bytes of each text
	maxPattern = 1000    // bytes of each pattern
	maxWithin  = 8       // selectors in each other
	maxIndex   = 20_000
)

// Selector says what is looked for. Nil fields say nothing.
type Selector struct {
	Text                *string   `json:"text,omitempty"`
	TextContains        *string   `json:"textContains,omitempty"`
	TextMatches         *string   `json:"textMatches,omitempty"` // RE2, anywhere in the text unless anchored
	Description         *string   `json:"description,omitempty"`
	DescriptionContains *string   `json:"descriptionContains,omitempty"`
	DescriptionMatches  *string   `json:"descriptionMatches,omitempty"`
	ResourceID          *string   `json:"resourceId,omitempty"` // whole, or what is behind :id/
	Class               *string   `json:"class,omitempty"`      // whole, or its last part
	Package             *string   `json:"package,omitempty"`
	Clickable           *bool     `json:"clickable,omitempty"`
	Checked             *bool     `json:"checked,omitempty"`
	Enabled             *bool     `json:"enabled,omitempty"`
	Index               *int      `json:"index,omitempty"`  // which of several, from 0
	Within              *Selector `json:"within,omitempty"` // somewhere below one of these
}

// fields is Selector without its reading of JSON.
type fields Selector

// UnmarshalJSON refuses fields that are not known.
func (s *Selector) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode((*fields)(s)); err != nil {
		return fmt.Errorf("selector: %w", err)
	}
	return nil
}

// Compile checks a selector. Invalid says what is wrong; name is where the request has it.
func (s *Selector) Compile(name string) (*Matcher, error) { return s.compile(name, 1) }

func (s *Selector) compile(name string, depth int) (*Matcher, error) {
	if depth > maxWithin {
		return nil, fault.Invalidf("%s: at most %d selectors in each other", name, maxWithin)
	}
	m := &Matcher{selector: *s}
	for _, w := range []struct {
		field    string
		value    *string
		pattern  **regexp.Regexp
		nonempty bool
	}{
		{"text", s.Text, nil, false}, {"textContains", s.TextContains, nil, true}, {"textMatches", s.TextMatches, &m.text, true},
		{"description", s.Description, nil, false}, {"descriptionContains", s.DescriptionContains, nil, true},
		{"descriptionMatches", s.DescriptionMatches, &m.description, true},
		{"resourceId", s.ResourceID, nil, true}, {"class", s.Class, nil, true}, {"package", s.Package, nil, true},
	} {
		if w.value == nil {
			continue
		}
		m.named = true
		switch {
		case *w.value == "" && w.nonempty:
			return nil, fault.Invalidf("%s.%s is empty", name, w.field)
		case len(*w.value) > maxWord || w.pattern != nil && len(*w.value) > maxPattern:
			return nil, fault.Invalidf("%s.%s is too long", name, w.field)
		case !utf8.ValidString(*w.value):
			return nil, fault.Invalidf("%s.%s is no UTF-8", name, w.field)
		}
		if w.pattern != nil {
			var err error
			if *w.pattern, err = regexp.Compile(*w.value); err != nil {
				return nil, fault.Invalidf("%s.%s: %v", name, w.field, err)
			}
		}
	}
	m.named = m.named || s.Clickable != nil || s.Checked != nil || s.Enabled != nil
	if s.Within != nil {
		var err error
		if m.within, err = s.Within.compile(name+".within", depth+1); err != nil {
			return nil, err
		}
	}
	switch {
	case !m.named && m.within == nil:
		return nil, fault.Invalidf("%s is empty: it names nothing to look for, such as text, resourceId or class", name)
	case s.Index != nil && (*s.Index < 0 || *s.Index > maxIndex):
		return nil, fault.Invalidf("%s.index is from 0 to %d", name, maxIndex)
	}
	return m, nil
}

// String is the selector as JSON, for messages.
func (s Selector) String() string {
	text, err := json.Marshal(s)
	if err != nil { // strings, numbers and booleans: cannot happen
		return "selector"
	}
	return strings.ToValidUTF8(string(text), "\ufffd")
}
