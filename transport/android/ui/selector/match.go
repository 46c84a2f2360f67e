package selector

import (
	"regexp"
	"strings"

	"github.com/daytonaio/runner-android/transport/android/ui/tree"
)

// Matcher is a checked selector. It is safe for concurrent use.
type Matcher struct {
	selector          Selector
	text, description *regexp.Regexp
	within            *Matcher
	named             bool // it says something of the element itself
}

// String is the selector as JSON.
func (m *Matcher) String() string { return m.selector.String() }

// Words are the texts that the selector names, for saying what was there instead.
func (m *Matcher) Words() (words []string) {
	s := m.selector
	for _, w := range []*string{s.Text, s.TextContains, s.Description, s.DescriptionContains, s.ResourceID} {
		if w != nil {
			words = append(words, *w)
		}
	}
	return words
}

// Find returns the elements that match, in reading order; with an index, that one alone. matched is how many
// there are without the index.
func (m *Matcher) Find(t *tree.Tree) (found []*tree.Node, matched int) {
	var outer []*tree.Node
	if m.within != nil {
		if outer, _ = m.within.Find(t); len(outer) == 0 {
			return nil, 0
		}
	}
	inside := tree.Inside(outer)
	for n := range t.All() {
		if in := m.within == nil || inside(n); in && !n.Visible().Empty() && m.matches(n) {
			found = append(found, n)
		}
	}
	matched = len(found)
	if i := m.selector.Index; i != nil {
		if *i >= matched {
			return nil, matched
		}
		found = found[*i : *i+1]
	}
	return found, matched
}

func (m *Matcher) matches(n *tree.Node) bool {
	s := &m.selector
	return is(s.Text, n.Text) && contains(s.TextContains, n.Text) && (m.text == nil || m.text.MatchString(n.Text)) &&
		is(s.Description, n.Description) && contains(s.DescriptionContains, n.Description) &&
		(m.description == nil || m.description.MatchString(n.Description)) &&
		(is(s.ResourceID, n.ResourceID) || is(s.ResourceID, n.Name())) &&
		(is(s.Class, n.Class) || is(s.Class, n.Role())) && is(s.Package, n.Package) &&
		holds(s.Clickable, n.Clickable) && holds(s.Checked, n.Checked) && holds(s.Enabled, n.Enabled)
}

func is(want *string, got string) bool { return want == nil || *want == got }

func contains(want *string, got string) bool {
	return want == nil || strings.Contains(got, *want)
}

func holds(want *bool, got bool) bool { return want == nil || *want == got }

// Disabled reports whether the selector asks for what is disabled.
func (m *Matcher) Disabled() bool { return m.selector.Enabled != nil && !*m.selector.Enabled }
