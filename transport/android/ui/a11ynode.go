package ui

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/transport/android/ui/tree"
)

const (
	actionClick, actionLong, actionScroll = "click", "longClick", "scroll"
	// usualLimit and maxLimit are how many elements a search returns.
	usualLimit, maxLimit = 500, 5000
	// maxPattern is the longest pattern of a name.
	maxPattern = 1000
)

// accessibleNode is an element in Daytona's words.
type accessibleNode struct {
	ID          string            `json:"id"`
	Role        string            `json:"role"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Bounds      accessibleBounds  `json:"bounds"`
	States      []string          `json:"states"`
	Actions     []string          `json:"actions,omitempty"`
	Children    []*accessibleNode `json:"children,omitempty"`
}

type accessibleBounds struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
}

// accessible is an element with what is below it, depth levels of it; -1 is all. cut becomes true where there
// is more.
func accessible(n *tree.Node, depth int, cut *bool) *accessibleNode {
	a := &accessibleNode{
		ID: accessibleID(n), Role: n.Role(), Name: n.Label(), Description: n.ResourceID,
		Bounds: accessibleBounds{n.Bounds.Min.X, n.Bounds.Min.Y, n.Bounds.Dx(), n.Bounds.Dy()},
		States: statesOf(n), Actions: actionsOf(n),
	}
	if a.Description == "" && n.Description != a.Name {
		a.Description = n.Description
	}
	if depth == 0 {
		*cut = *cut || len(n.Children) > 0
		return a
	}
	for _, child := range n.Children {
		a.Children = append(a.Children, accessible(child, depth-1, cut))
	}
	return a
}

// accessibleID names an element beyond one dump: where it is in the tree, and a hash of what it is, so that
// another one in its place is not taken for it.
func accessibleID(n *tree.Node) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s\x00%s\x00%v", n.Class, n.ResourceID, n.Bounds)
	return fmt.Sprintf("%s-%08x", n.ID, h.Sum32())
}

func statesOf(n *tree.Node) []string {
	states := []string{}
	for _, s := range []struct {
		name string
		on   bool
	}{
		{"checkable", n.Checkable}, {"checked", n.Checked}, {"clickable", n.Clickable}, {"enabled", n.Enabled}, {"focusable", n.Focusable},
		{"focused", n.Focused}, {"scrollable", n.Scrollable}, {"long-clickable", n.LongClickable}, {"password", n.Password}, {"selected", n.Selected},
	} {
		if s.on {
			states = append(states, s.name)
		}
	}
	return states
}

func actionsOf(n *tree.Node) (actions []string) {
	for _, a := range []struct {
		name string
		can  bool
	}{{actionClick, n.Clickable || n.Checkable}, {actionLong, n.LongClickable}, {actionScroll, n.Scrollable}} {
		if a.can {
			actions = append(actions, a.name)
		}
	}
	return actions
}

// isField reports whether text can be typed there.
func isField(n *tree.Node) bool { return strings.HasSuffix(n.Class, "EditText") }

// search says which elements are wanted.
type search struct {
	Role      string   `json:"role"`
	Name      string   `json:"name"`
	NameMatch string   `json:"nameMatch"`
	States    []string `json:"states"`
	Limit     int      `json:"limit"`
}

// compile checks a search, sets its limit, and returns what it looks for.
func (s *search) compile() (func(*tree.Node) bool, error) {
	switch {
	case s.Limit == 0:
		s.Limit = usualLimit
	case s.Limit < 0 || s.Limit > maxLimit:
		return nil, refuse(http.StatusBadRequest, codeRequest, "limit is from 1 to %d", maxLimit)
	}
	var named func(string) bool
	switch s.NameMatch {
	case "", "substring":
		named = func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(s.Name)) }
	case "exact":
		named = func(text string) bool { return s.Name == "" || text == s.Name }
	case "regex":
		if len(s.Name) > maxPattern {
			return nil, refuse(http.StatusBadRequest, codeRequest, "the pattern is longer than %d bytes", maxPattern)
		}
		pattern, err := regexp.Compile(s.Name)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, codeRequest, "name: %v", err)
		}
		named = pattern.MatchString
	default:
		return nil, refuse(http.StatusBadRequest, codeRequest, "invalid nameMatch %q: expected exact, substring or regex", tree.Short(s.NameMatch, 20))
	}
	return func(n *tree.Node) bool {
		states := statesOf(n)
		return (s.Role == "" || strings.EqualFold(s.Role, n.Role())) && named(n.Label()) &&
			!slices.ContainsFunc(s.States, func(want string) bool { return !slices.Contains(states, strings.ToLower(want)) })
	}, nil
}

// containsWord reports whether text has a word, between blanks and brackets.
func containsWord(text, word string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n[]", r) }), word)
}
