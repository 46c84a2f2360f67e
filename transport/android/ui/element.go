package ui

import (
	"net/http"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/ui/selector"
	"github.com/daytonaio/runner-android/transport/android/ui/tree"
)

// maxMatches is how many elements an answer lists.
const maxMatches = 100

// compile checks the selector of a request, which must be there.
func compile(s *selector.Selector, name string) (*selector.Matcher, error) {
	if s == nil {
		return nil, fault.Invalidf("%s is missing: it says which element, such as {\"text\":\"OK\"}", name)
	}
	return s.Compile(name)
}

// steady reports whether the element was in the same place the look before.
func (v *visit) steady(m *selector.Matcher, n *tree.Node) bool {
	if v.before == nil {
		return false
	}
	was, _ := m.Find(v.before.tree)
	return len(was) > 0 && was[0].Bounds == n.Bounds && was[0].Class == n.Class
}

// there judges whether an element is on the screen and has settled.
func (v *visit) there(m *selector.Matcher) func(*sight) verdict {
	return func(s *sight) verdict {
		nodes, matched := m.Find(s.tree)
		found := verdict{matched: matched}
		if len(nodes) == 0 {
			return found
		}
		found.element = nodes[0]
		if !v.steady(m, nodes[0]) {
			found.why = "it has not settled"
		}
		found.ready = found.why == ""
		return found
	}
}

// touchable judges whether it can be acted on besides.
func (v *visit) touchable(m *selector.Matcher) func(*sight) verdict {
	there := v.there(m)
	return func(s *sight) verdict {
		found := there(s)
		switch n := found.element; {
		case n == nil:
		case n.Tap == nil:
			found.why = "something is in front of it"
		case !n.Enabled && !m.Disabled():
			found.why = "it is disabled"
		}
		found.ready = found.element != nil && found.why == ""
		return found
	}
}

// find answers POST android/ui/find.
func (d *Door) find(c *transport.Ctx) error {
	var r struct {
		Selector  *selector.Selector `json:"selector"`
		TimeoutMs *int               `json:"timeoutMs"`
	}
	if err := c.Decode(&r); err != nil {
		return err
	}
	m, err := compile(r.Selector, "selector")
	if err != nil {
		return err
	}
	limit, err := timeout(r.TimeoutMs, usualTime)
	if err != nil {
		return err
	}
	v, err := d.enter(c, limit, 0)
	if err != nil {
		return err
	}
	defer v.use.End()
	var answer *found
	_, err = v.await(m, v.there(m), func(s *sight, got verdict) error {
		nodes, _ := m.Find(s.tree)
		answer = &found{sight: s, nodes: nodes[:min(maxMatches, len(nodes))], matched: got.matched, waited: v.waited()}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Append(http.StatusOK, answer)
}

// wait answers POST android/ui/wait.
func (d *Door) wait(c *transport.Ctx) error {
	var r struct {
		Selector  *selector.Selector `json:"selector"`
		State     string             `json:"state"`
		TimeoutMs *int               `json:"timeoutMs"`
	}
	if err := c.Decode(&r); err != nil {
		return err
	}
	m, err := compile(r.Selector, "selector")
	if err != nil {
		return err
	}
	if r.State == "" {
		r.State = "visible"
	}
	limit, err := timeout(r.TimeoutMs, usualTime)
	if err == nil && stateOf(r.State) == nil && r.State != "gone" {
		err = fault.Invalidf("state is visible, gone, enabled or checked, not %q", tree.Short(r.State, 20))
	}
	if err != nil {
		return err
	}
	v, err := d.enter(c, limit, 0)
	if err != nil {
		return err
	}
	defer v.use.End()
	judge := v.in(m, r.State)
	got, err := v.await(m, judge, func(*sight, verdict) error { return nil })
	if err != nil {
		return err
	}
	return c.Append(http.StatusOK, &done{did: "wait", element: got.element, matched: got.matched, settled: true, waited: v.waited()})
}

// stateOf is what an element must be for a state; nil if there is no such state.
func stateOf(state string) func(*tree.Node) bool {
	switch state {
	case "visible":
		return func(*tree.Node) bool { return true }
	case "enabled":
		return func(n *tree.Node) bool { return n.Enabled }
	case "checked":
		return func(n *tree.Node) bool { return n.Checked }
	}
	return nil
}

// in judges whether an element is in a state.
func (v *visit) in(m *selector.Matcher, state string) func(*sight) verdict {
	if state == "gone" {
		return v.gone(m)
	}
	there, is := v.there(m), stateOf(state)
	return func(s *sight) verdict {
		found := there(s)
		if found.element != nil && !is(found.element) {
			found.ready, found.why = false, "it is not "+state
		}
		return found
	}
}

// gone judges whether nothing matches, nor did the look before.
func (v *visit) gone(m *selector.Matcher) func(*sight) verdict {
	return func(s *sight) verdict {
		nodes, matched := m.Find(s.tree)
		if len(nodes) > 0 {
			return verdict{matched: matched, why: "it has not gone"}
		}
		if v.before == nil {
			return verdict{matched: 1, why: "the screen has not settled"}
		}
		was, _ := m.Find(v.before.tree)
		return verdict{ready: len(was) == 0, matched: matched, why: "it has gone just now"}
	}
}
