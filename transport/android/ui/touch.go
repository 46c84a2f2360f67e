package ui

import (
	"image"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/ui/selector"
	"github.com/daytonaio/runner-android/transport/android/ui/tree"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/gesture"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/text"
)

const (
	// farthest bounds coordinates: no screen is larger.
	farthest = 1 << 20
	// maxText is the longest text that one call types, in bytes.
	maxText = 64 << 10
	// perStep is what one call of input is given beside actTime.
	perStep = time.Second
	// maxErase is how many characters are deleted one by one where all cannot be selected.
	maxErase = 500
)

// tap answers POST android/ui/tap.
func (d *Door) tap(c *transport.Ctx) error {
	var r struct {
		Selector  *selector.Selector `json:"selector"`
		X, Y      *int
		Long      bool `json:"long"`
		Double    bool `json:"double"`
		TimeoutMs *int `json:"timeoutMs"`
	}
	if err := c.Decode(&r); err != nil {
		return err
	}
	limit, err := timeout(r.TimeoutMs, usualTime)
	if err != nil {
		return err
	}
	did, lines := "tap", func(p image.Point) []string { return []string{gesture.Tap(p)} }
	switch {
	case r.Long && r.Double:
		return fault.Invalidf("a tap is long or double, not both")
	case r.Long:
		did, lines = "longTap", func(p image.Point) []string { return []string{gesture.Long(p)} }
	case r.Double: // in one shell, because the second must follow within 300 ms
		did, lines = "doubleTap", func(p image.Point) []string { return []string{gesture.Tap(p), gesture.Tap(p)} }
	}
	if r.X != nil || r.Y != nil {
		if r.Selector != nil || r.X == nil || r.Y == nil {
			return fault.Invalidf("a tap is at a selector, or at x and y")
		}
		return d.tapAt(c, image.Pt(*r.X, *r.Y), did, lines)
	}
	m, err := compile(r.Selector, "selector")
	if err != nil {
		return err
	}
	v, err := d.enter(c, limit, 0)
	if err != nil {
		return err
	}
	defer v.use.End()
	var answer *done
	_, err = v.await(m, v.touchable(m), func(_ *sight, got verdict) error {
		answer = &done{did: did, at: got.element.Tap, element: got.element, matched: got.matched, settled: true, waited: v.waited()}
		return v.act(lines(*got.element.Tap)...)
	})
	if err != nil {
		return err
	}
	return c.Append(http.StatusOK, answer)
}

// tapAt taps at once: who names a point has seen it.
func (d *Door) tapAt(c *transport.Ctx, at image.Point, did string, lines func(image.Point) []string) error {
	if at.X < 0 || at.Y < 0 || at.X > farthest || at.Y > farthest {
		return fault.Invalidf("x and y are from 0 to %d", farthest)
	}
	v, err := d.enter(c, usualTime, 0)
	if err != nil {
		return err
	}
	defer v.use.End()
	if err := v.screen.turn.Take(v.use.Context); err != nil {
		return err
	}
	defer v.screen.turn.Give()
	waited := v.waited()
	if err := v.act(lines(at)...); err != nil {
		return err
	}
	return c.Append(http.StatusOK, &done{did: did, at: &at, waited: waited})
}

// typing is a checked request to type.
type typing struct {
	selector *selector.Matcher // nil: what has the focus
	steps    []text.Step
	clear    bool
	submit   bool
}

// typeText answers POST android/ui/type.
func (d *Door) typeText(c *transport.Ctx) error {
	var r struct {
		Selector  *selector.Selector `json:"selector"`
		Text      string             `json:"text"`
		Clear     bool               `json:"clear"`
		Submit    bool               `json:"submit"`
		TimeoutMs *int               `json:"timeoutMs"`
	}
	if err := c.Decode(&r); err != nil {
		return err
	}
	limit, err := timeout(r.TimeoutMs, usualTime)
	if err != nil {
		return err
	}
	if len(r.Text) > maxText {
		return fault.New(fault.TooLarge, "the text is over the limit of %d bytes", maxText)
	}
	t := typing{clear: r.Clear, submit: r.Submit}
	if t.steps, err = text.Steps(r.Text, false); err != nil {
		return fault.Invalidf("%v", err)
	}
	if r.Selector != nil {
		if t.selector, err = r.Selector.Compile("selector"); err != nil {
			return err
		}
	}
	v, err := d.enter(c, limit, perStep*time.Duration(len(t.steps)))
	if err != nil {
		return err
	}
	defer v.use.End()
	answer, err := v.typeInto(t)
	if err != nil {
		return err
	}
	return c.Append(http.StatusOK, answer)
}

// typeInto gives the element the focus, unless it has it, waits until it has, and types.
func (v *visit) typeInto(t typing) (*done, error) {
	answer := &done{did: "type", settled: true}
	write := func(_ *sight, got verdict) error {
		answer.element, answer.at = got.element, got.element.Tap
		if t.selector == nil {
			answer.matched = got.matched
		}
		answer.waited = v.waited()
		return v.act(t.lines(got.element)...)
	}
	if t.selector == nil {
		_, err := v.await(focusWanted{}, focused(nil, nil), write)
		return answer, err
	}
	var target *tree.Node
	typed := false
	_, err := v.await(t.selector, v.touchable(t.selector), func(s *sight, got verdict) error {
		target, answer.matched = got.element, got.matched
		if holdsFocus(target) {
			typed = true
			return write(s, got)
		}
		return v.act(gesture.Tap(*target.Tap))
	})
	if err != nil || typed {
		return answer, err
	}
	_, err = v.await(t.selector, focused(t.selector, target), write)
	return answer, err
}

// focusWanted is what is waited for when no element is named.
type focusWanted struct{}

// String says it in words.
func (focusWanted) String() string { return "an element that has the focus" }

// holdsFocus reports whether what is typed goes to n, or to something in it.
func holdsFocus(n *tree.Node) bool {
	for below := range n.All() {
		if below.Focused && takesText(below) {
			return true
		}
	}
	return false
}

// takesText tells fields from what can have the focus of the arrow keys. Frameworks that draw for themselves
// name their classes as they like, so that only what surely is something else is ruled out.
func takesText(n *tree.Node) bool {
	return !n.Scrollable || strings.HasSuffix(n.Class, "EditText")
}

// focused judges whether what was tapped has the focus, or anything when nothing was: what matches the selector,
// what has its resource id, or what is where it was. What a tap does to a field is seen at once, so that one look
// is enough.
func focused(m *selector.Matcher, tapped *tree.Node) func(*sight) verdict {
	return func(s *sight) verdict {
		if m != nil {
			if nodes, _ := m.Find(s.tree); len(nodes) > 0 && holdsFocus(nodes[0]) {
				return verdict{ready: true, element: nodes[0], matched: 1}
			}
		}
		for n := range s.tree.All() {
			if n.Focused && takesText(n) && !n.Visible().Empty() && (tapped == nil || sameField(tapped, n)) {
				return verdict{ready: true, element: n, matched: 1}
			}
		}
		if tapped == nil {
			return verdict{}
		}
		return verdict{matched: 1, why: "a tap gave it no focus"}
	}
}

func sameField(was, is *tree.Node) bool {
	return is.ResourceID != "" && is.ResourceID == was.ResourceID || is.Visible().Overlaps(was.Visible())
}

// lines are what types.
func (t typing) lines(into *tree.Node) []string {
	var lines []string
	if t.clear {
		lines = eraseLines(utf8.RuneCountInString(into.Text))
	}
	lines = append(lines, text.Lines(t.steps, 0)...)
	if t.submit {
		lines = append(lines, "input keyevent 66")
	}
	return lines
}

// eraseLines empty a field with so many characters: all of it is selected and deleted. Before Android 12 input
// knows no combinations of keys; then they are deleted one by one, on both sides of the caret.
func eraseLines(characters int) []string {
	n := min(characters, maxErase)
	if n == 0 {
		return nil
	}
	return []string{"{ input keycombination 113 29 >/dev/null 2>&1 && input keyevent 67 || " +
		"input keyevent" + strings.Repeat(" 67", n) + strings.Repeat(" 112", n) + "; }"}
}
