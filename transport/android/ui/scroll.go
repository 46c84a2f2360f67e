package ui

import (
	"image"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/ui/selector"
	"github.com/daytonaio/runner-android/transport/android/ui/tree"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/gesture"
)

const (
	// swipeTime is how long the finger of one scroll moves. It goes over less than half of the container: with
	// what it flings, less than the whole, so that nothing passes unseen.
	swipeTime = 600 * time.Millisecond
	// maxSwipes is how many scrolls one call makes at most; usualSwipes unless it says.
	maxSwipes, usualSwipes = 100, 30
)

// scrolling is a checked request to scroll.
type scrolling struct {
	container *selector.Matcher // nil: the largest that scrolls
	until     *selector.Matcher // nil: max times
	direction string
	max       int
}

// String is what a scroll waits for at first.
func (r scrolling) String() string {
	if r.container != nil {
		return r.container.String()
	}
	return "something that scrolls"
}

// scroll answers POST android/ui/scroll.
func (d *Door) scroll(c *transport.Ctx) error {
	var r struct {
		Selector  *selector.Selector `json:"selector"`
		Until     *selector.Selector `json:"until"`
		Direction string             `json:"direction"`
		Max       *int               `json:"max"`
		TimeoutMs *int               `json:"timeoutMs"`
	}
	if err := c.Decode(&r); err != nil {
		return err
	}
	limit, err := timeout(r.TimeoutMs, scrollTime)
	if err != nil {
		return err
	}
	s := scrolling{direction: strings.ToLower(r.Direction), max: 1}
	if r.Selector != nil {
		if s.container, err = r.Selector.Compile("selector"); err != nil {
			return err
		}
	}
	if r.Until != nil {
		s.max = usualSwipes
		if s.until, err = r.Until.Compile("until"); err != nil {
			return err
		}
	}
	if r.Max != nil {
		s.max = *r.Max
	}
	switch {
	case s.direction == "":
		s.direction = "down"
	case !slices.Contains([]string{"up", "down", "left", "right"}, s.direction):
		return fault.Invalidf("direction is up, down, left or right, not %q", tree.Short(r.Direction, 20))
	}
	if s.max < 1 || s.max > maxSwipes {
		return fault.Invalidf("max is from 1 to %d", maxSwipes)
	}
	v, err := d.enter(c, limit, 0)
	if err != nil {
		return err
	}
	defer v.use.End()
	answer, err := v.scroll(s)
	if err != nil {
		return err
	}
	return c.Append(http.StatusOK, answer)
}

// progress is a scroll on its way.
type progress struct {
	scrolling
	v       *visit
	before  *sight // the last swipe; nil: there was none
	scrolls int
	over    bool
	end     bool       // it went as far as there is something
	got     *tree.Node // what it was for; nil: that did not come up
	matched int
}

// scroll swipes until what is looked for is there, the end is reached, or max times.
func (v *visit) scroll(r scrolling) (*done, error) {
	p := &progress{scrolling: r, v: v}
	answer := &done{did: "scroll", settled: true, scrolls: &p.scrolls}
	for !p.over {
		_, err := v.await(r, p.judge, func(s *sight, found verdict) error {
			answer.waited, answer.element = v.waited(), found.element
			return p.step(s, found.element, answer)
		})
		if err != nil {
			return nil, err
		}
	}
	answer.end = p.end
	switch {
	case p.got != nil:
		answer.element, answer.matched, answer.at = p.got, p.matched, p.got.Tap
	case r.until != nil:
		where := "there may be more"
		if p.end {
			where = "the end was reached"
		}
		return nil, fault.NotFoundf("%s did not come up in %d scrolls %s; %s; %s", short(r.until), p.scrolls, r.direction, where, v.own.instead(r.until))
	}
	return answer, nil
}

// judge lets a step be done when what is looked for has settled, or the container has before the first swipe.
// Later one look is enough to go on from, but two are needed to believe that this is the end.
func (p *progress) judge(s *sight) verdict {
	container, matched := p.in(s)
	found := verdict{element: container, matched: matched}
	p.got = nil
	if p.until != nil {
		if nodes, n := p.until.Find(s.tree); len(nodes) > 0 && nodes[0].Tap != nil {
			p.got, p.matched = nodes[0], n
		}
	}
	settled := true
	switch {
	case p.got != nil:
		settled = p.v.steady(p.until, p.got)
	case container == nil:
		return found
	case p.before == nil:
		settled = p.sameIn(s)
	case tree.Same(p.before.tree.Root, s.tree.Root):
		settled = p.v.before != nil
	}
	if found.ready = settled; !settled {
		found.why = "it has not settled"
	}
	return found
}

// step swipes once more, or finds that it is over.
func (p *progress) step(s *sight, container *tree.Node, answer *done) error {
	switch {
	case p.got != nil:
		p.over = true
	case p.before != nil && tree.Same(p.before.tree.Root, s.tree.Root):
		p.over, p.end = true, true
		p.scrolls-- // the last one moved nothing
	case p.scrolls == p.max:
		p.over = true
	default:
		p.before = s
		p.scrolls++
		from, to := swipe(container.Visible(), p.direction)
		answer.at = &from
		return p.v.act(gesture.Swipe(from, to, swipeTime))
	}
	return nil
}

// sameIn reports whether the container is as the look before.
func (p *progress) sameIn(s *sight) bool {
	if p.v.before == nil {
		return false
	}
	now, _ := p.in(s)
	was, _ := p.in(p.v.before)
	return tree.Same(was, now)
}

// in is the container on a screen.
func (r scrolling) in(s *sight) (container *tree.Node, matched int) {
	if r.container != nil {
		nodes, matched := r.container.Find(s.tree)
		if len(nodes) == 0 {
			return nil, matched
		}
		return nodes[0], matched
	}
	largest := 0
	for n := range s.tree.All() {
		if area := n.Visible().Dx() * n.Visible().Dy(); n.Scrollable && area > largest {
			container, largest, matched = n, area, matched+1
		}
	}
	return container, min(matched, 1)
}

// swipe is the way of a finger that shows what is in a direction: it goes the other way, in the middle of the
// container and clear of its edges, where gestures of the system begin.
func swipe(r image.Rectangle, direction string) (from, to image.Point) {
	middle := r.Min.Add(r.Max).Div(2)
	dx, dy := r.Dx()*22/100, r.Dy()*22/100
	switch direction {
	case "up":
		return image.Pt(middle.X, middle.Y-dy), image.Pt(middle.X, middle.Y+dy)
	case "left":
		return image.Pt(middle.X-dx, middle.Y), image.Pt(middle.X+dx, middle.Y)
	case "right":
		return image.Pt(middle.X+dx, middle.Y), image.Pt(middle.X-dx, middle.Y)
	}
	return image.Pt(middle.X, middle.Y+dy), image.Pt(middle.X, middle.Y-dy)
}
