package ui

import (
	"errors"
	"fmt"
	"image"
	"net/http"
	"strconv"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/ui/tree"
)

// treeAnswer is the answer to GET android/ui.
type treeAnswer struct {
	*sight
	settled bool
	note    string
	all     bool
}

// AppendJSON implements transport.Appender.
func (a *treeAnswer) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendBool(append(dst, `{"settled":`...), a.settled)
	rotation := 0
	if a.tree != nil {
		rotation = a.tree.Rotation
	}
	dst = appendInt(dst, "rotation", rotation)
	dst = appendInt(dst, "width", a.width)
	dst = appendInt(dst, "height", a.height)
	dst = appendString(dst, "package", a.front)
	if a.activity != "" {
		dst = appendString(dst, "activity", a.activity)
	}
	if !a.settled && a.tree != nil {
		dst = appendInt(dst, "ageMs", int(time.Since(a.at).Milliseconds()))
	}
	if a.note != "" {
		dst = appendString(dst, "note", a.note)
	}
	dst = append(dst, `,"root":`...)
	if a.tree == nil {
		return append(dst, `null}`...)
	}
	return append(appendNode(dst, a.tree.Root, true, a.all), '}')
}

// appendNode is an element; with children, what is below it, without all only what is seen.
func appendNode(dst []byte, n *tree.Node, children, all bool) []byte {
	dst = transport.AppendString(append(dst, `{"id":`...), n.ID)
	dst = appendString(dst, "class", n.Class)
	dst = appendString(dst, "package", n.Package)
	dst = appendString(dst, "text", n.Text)
	dst = appendString(dst, "description", n.Description)
	dst = appendString(dst, "resourceId", n.ResourceID)
	dst = appendInt(append(dst, `,"bounds":{"x":`...), "", n.Bounds.Min.X)
	dst = appendInt(dst, "y", n.Bounds.Min.Y)
	dst = appendInt(dst, "width", n.Bounds.Dx())
	dst = append(appendInt(dst, "height", n.Bounds.Dy()), '}')
	if n.Tap != nil {
		dst = appendPoint(append(dst, `,"tap":`...), *n.Tap)
	}
	for _, f := range []struct {
		name string
		on   bool
	}{
		{"clickable", n.Clickable}, {"longClickable", n.LongClickable}, {"checkable", n.Checkable}, {"checked", n.Checked}, {"enabled", n.Enabled},
		{"focusable", n.Focusable}, {"focused", n.Focused}, {"scrollable", n.Scrollable}, {"selected", n.Selected}, {"password", n.Password},
	} {
		dst = strconv.AppendBool(append(append(append(dst, `,"`...), f.name...), `":`...), f.on)
	}
	if !children {
		return append(dst, '}')
	}
	dst = append(dst, `,"children":[`...)
	first := true
	for _, child := range n.Children {
		if !all && child.Visible().Empty() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendNode(dst, child, true, all)
	}
	return append(dst, "]}"...)
}

// appendInt appends a field; without a name, the value alone.
func appendInt(dst []byte, name string, value int) []byte {
	if name != "" {
		dst = append(append(append(dst, `,"`...), name...), `":`...)
	}
	return strconv.AppendInt(dst, int64(value), 10)
}

func appendString(dst []byte, name, value string) []byte {
	return transport.AppendString(append(append(append(dst, `,"`...), name...), `":`...), value)
}

func appendPoint(dst []byte, p image.Point) []byte {
	return append(appendInt(appendInt(append(dst, `{"x":`...), "", p.X), "y", p.Y), '}')
}

// done is the answer to an act.
type done struct {
	did     string
	at      *image.Point // nil: nowhere
	element *tree.Node   // nil: none
	matched int
	settled bool
	waited  int64
	scrolls *int // of a scroll
	end     bool // … which went as far as there is something
}

// AppendJSON implements transport.Appender.
func (a *done) AppendJSON(dst []byte) []byte {
	dst = transport.AppendString(append(dst, `{"did":`...), a.did)
	if a.at != nil {
		dst = appendPoint(append(dst, `,"at":`...), *a.at)
	}
	if a.element != nil {
		dst = appendNode(append(dst, `,"element":`...), a.element, false, false)
	}
	dst = appendInt(dst, "matched", a.matched)
	if a.scrolls != nil {
		dst = appendInt(dst, "scrolls", *a.scrolls)
		dst = strconv.AppendBool(append(dst, `,"end":`...), a.end)
	}
	dst = strconv.AppendBool(append(dst, `,"settled":`...), a.settled)
	return append(appendInt(dst, "waitedMs", int(a.waited)), '}')
}

// found is the answer to POST android/ui/find.
type found struct {
	*sight
	nodes   []*tree.Node
	matched int
	waited  int64
}

// AppendJSON implements transport.Appender.
func (a *found) AppendJSON(dst []byte) []byte {
	dst = appendInt(append(dst, `{"matched":`...), "", a.matched)
	dst = append(dst, `,"matches":[`...)
	for i, n := range a.nodes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNode(dst, n, false, false)
	}
	dst = appendString(append(dst, ']'), "package", a.front)
	if a.activity != "" {
		dst = appendString(dst, "activity", a.activity)
	}
	return append(appendInt(append(dst, `,"settled":true`...), "waitedMs", int(a.waited)), '}')
}

// tree answers GET android/ui: what the screen shows once it rests, or the last that is known of it.
func (d *Door) tree(c *transport.Ctx) error {
	limit, err := queryTimeout(c.Optional("timeoutMs"))
	if err != nil {
		return err
	}
	format := c.Optional("format")
	if format != "" && format != "json" && format != "text" {
		return fault.Invalidf("format is json or text, not %q", tree.Short(format, 20))
	}
	all := c.Optional("all") == "true" || c.Optional("all") == "1"
	v, err := d.enter(c, limit, 0)
	if err != nil {
		return err
	}
	defer v.use.End()
	answer, err := v.describe()
	if err != nil {
		return err
	}
	answer.all = all
	if format == "text" {
		c.Text("text/plain; charset=utf-8", []byte(answer.text()))
		return nil
	}
	return c.Append(http.StatusOK, answer)
}

func queryTimeout(text string) (time.Duration, error) {
	if text == "" {
		return usualTime, nil
	}
	ms, err := strconv.Atoi(text)
	if err != nil {
		return 0, fault.Invalidf("timeoutMs is a number, not %q", tree.Short(text, 20))
	}
	return timeout(&ms, usualTime)
}

// describe looks until it sees something, or the time is up: then the last sight counts, if the same is still
// in front.
func (v *visit) describe() (*treeAnswer, error) {
	for {
		s, last, err := v.glance()
		switch {
		case err == nil:
			return &treeAnswer{sight: s, settled: true}, nil
		case !passes(err):
			return nil, err
		case !v.late():
			if err := v.rest(); err != nil {
				return nil, err
			}
			continue
		}
		answer := &treeAnswer{sight: s, note: err.Error() + "; " + hint(err)}
		if last != nil && last.front == s.front {
			answer.sight = last
			answer.note += "; this is how it was before"
		}
		return answer, nil
	}
}

// glance looks once, in a turn of its own, and tells what was seen last before.
func (v *visit) glance() (s, last *sight, err error) {
	if err := v.screen.turn.Take(v.use.Context); err != nil {
		return nil, nil, err
	}
	defer v.screen.turn.Give()
	last = v.screen.last
	s, err = v.look()
	return s, last, err
}

// hint says what helps against a reason that may pass.
func hint(err error) string {
	switch {
	case errors.Is(err, errMoving), errors.Is(err, errSlow):
		return "uiautomator describes only a screen on which nothing changes for a second, and looks for ten: " +
			"screenshots show one that moves, taps at x,y work, and some rest once animations are switched off"
	case errors.Is(err, errNoRoot):
		return "wake it with the key wakeup"
	default:
		return "stop that program"
	}
}

// text is the answer in few words.
func (a *treeAnswer) text() string {
	head := a.front
	if a.activity != "" {
		head += "/" + a.activity
	}
	head += fmt.Sprintf(" %dx%d", a.width, a.height)
	if a.settled {
		return head + " settled\n" + a.sight.tree.Text(a.all)
	}
	head += " not settled: " + a.note + "\n"
	if a.tree == nil {
		return head
	}
	return head + a.tree.Text(a.all)
}
