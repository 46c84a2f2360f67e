package ui

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/name"
	"github.com/daytonaio/runner-android/transport/android/ui/tree"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/gesture"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/text"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

// The codes by which clients of Daytona's accessibility routes tell errors apart.
const (
	codeUnavailable  = "A11Y_UNAVAILABLE"
	codeNoNode       = "A11Y_NODE_NOT_FOUND"
	codeNoRoot       = "A11Y_NO_ACCESSIBLE_ROOT"
	codeNotSupported = "A11Y_ACTION_NOT_SUPPORTED"
	codeScope        = "A11Y_INVALID_SCOPE"
	codeRequest      = "A11Y_INVALID_REQUEST"
)

// refusal is an error of these routes: {"error","code"}.
type refusal struct {
	status      int
	code, words string
}

func (r *refusal) Error() string { return r.words }

func refuse(status int, code, format string, args ...any) error {
	return &refusal{status, code, fmt.Sprintf(format, args...)}
}

// ToolboxRoutes are Daytona's routes for accessibility, told from the same tree; the paths begin behind the
// toolbox's.
func (d *Door) ToolboxRoutes() []transport.Route {
	route := func(method, path string, h transport.Handler) transport.Route {
		return transport.Route{Method: method, Path: "/computeruse/a11y" + path, Slow: true, Handler: func(c *transport.Ctx) error {
			err := h(c)
			if r := (*refusal)(nil); errors.As(err, &r) {
				return c.JSON(r.status, map[string]string{"error": r.words, "code": r.code})
			}
			return err
		}}
	}
	return []transport.Route{
		route(http.MethodGet, "/tree", d.a11yTree), route(http.MethodPost, "/find", d.a11yFind),
		route(http.MethodPost, "/node/focus", d.a11yFocus), route(http.MethodPost, "/node/invoke", d.a11yInvoke),
		route(http.MethodPost, "/node/value", d.a11yValue),
	}
}

// scope is which windows are meant. Android tells one: the window in front.
type scope struct {
	Scope string `json:"scope"`
	PID   int    `json:"pid"`
}

func (s scope) check() error {
	switch {
	case s.Scope == "pid" && s.PID <= 0:
		return refuse(http.StatusBadRequest, codeRequest, "scope pid needs a pid")
	case s.Scope != "" && s.Scope != "focused" && s.Scope != "all" && s.Scope != "pid":
		return refuse(http.StatusBadRequest, codeScope, "invalid scope %q: expected focused, pid or all", tree.Short(s.Scope, 20))
	}
	return nil
}

// see looks at the screen in the caller's turn, again while the reason for seeing nothing may pass.
func (v *visit) see() (*sight, error) {
	for {
		s, err := v.look()
		switch {
		case err == nil || !passes(err):
			return s, err
		case errors.Is(err, errNoRoot) && v.late():
			return nil, refuse(http.StatusNotFound, codeNoRoot, "%v", err)
		case v.late():
			return nil, refuse(http.StatusServiceUnavailable, codeUnavailable, "%v; %s", err, hint(err))
		}
		if err := v.rest(); err != nil {
			return nil, err
		}
	}
}

// within calls use with the screen that a scope means, in one turn.
func (d *Door) within(c *transport.Ctx, sc scope, lasts time.Duration, use func(*visit, *sight) error) error {
	if err := sc.check(); err != nil {
		return err
	}
	v, err := d.enter(c, usualTime, lasts)
	if err != nil {
		return err
	}
	defer v.use.End()
	if err := v.screen.turn.Take(v.use.Context); err != nil {
		return err
	}
	defer v.screen.turn.Give()
	s, err := v.see()
	if err != nil {
		return err
	}
	if sc.Scope == "pid" {
		if err := v.runs(s.front, sc.PID); err != nil {
			return err
		}
	}
	return use(v, s)
}

// runs checks that a process is of the package in front.
func (v *visit) runs(front string, pid int) error {
	pkg, err := name.Package(front)
	if err != nil { // a window without one
		return refuse(http.StatusNotFound, codeNoRoot, "process %d shows no window in front", pid)
	}
	said, err := v.use.Ask(guestcommand.Line("pidof", pkg)+" </dev/null", maxWords)
	if err != nil {
		return err
	}
	if !containsWord(string(said), strconv.Itoa(pid)) {
		return refuse(http.StatusNotFound, codeNoRoot, "process %d shows no window in front; %s does", pid, pkg)
	}
	return nil
}

func (d *Door) a11yTree(c *transport.Ctx) error {
	sc, depth := scope{Scope: c.Optional("scope")}, -1
	for name, into := range map[string]*int{"pid": &sc.PID, "maxDepth": &depth} {
		if word := c.Optional(name); word != "" {
			n, err := strconv.Atoi(word)
			if err != nil {
				return refuse(http.StatusBadRequest, codeRequest, "invalid query parameter %s: must be an integer", name)
			}
			*into = n
		}
	}
	return d.within(c, sc, 0, func(_ *visit, s *sight) error {
		cut := false
		root := accessible(s.tree.Root, depth, &cut)
		return c.JSON(http.StatusOK, map[string]any{"root": root, "truncated": cut})
	})
}

func (d *Door) a11yFind(c *transport.Ctx) error {
	var r struct {
		scope
		search
	}
	if err := decodeA11y(c, &r); err != nil {
		return err
	}
	matches, err := r.search.compile()
	if err != nil {
		return err
	}
	return d.within(c, r.scope, 0, func(_ *visit, s *sight) error {
		found, cut := []*accessibleNode{}, false
		for n := range s.tree.All() {
			if !matches(n) {
				continue
			}
			if cut = len(found) == r.Limit; cut {
				break
			}
			found = append(found, accessible(n, 0, new(bool)))
		}
		return c.JSON(http.StatusOK, map[string]any{"matches": found, "truncated": cut})
	})
}

func decodeA11y(c *transport.Ctx, into any) error {
	if err := transport.DecodeJSON(c.Body(), into); err != nil {
		return refuse(http.StatusBadRequest, codeRequest, "%v", err)
	}
	return nil
}

// onNode calls act with the element of an id, as the screen is now.
func (d *Door) onNode(c *transport.Ctx, id string, lasts time.Duration, act func(*visit, *tree.Node) error) error {
	if id == "" {
		return refuse(http.StatusBadRequest, codeRequest, "id is required")
	}
	return d.within(c, scope{}, lasts, func(v *visit, s *sight) error {
		for n := range s.tree.All() {
			if accessibleID(n) != id {
				continue
			}
			if n.Tap == nil {
				return refuse(http.StatusBadRequest, codeNotSupported, "nothing of the element can be touched")
			}
			if err := act(v, n); err != nil {
				return err
			}
			return c.JSON(http.StatusOK, struct{}{})
		}
		return refuse(http.StatusNotFound, codeNoNode, "no such element on the screen any more: %s", tree.Short(id, 100))
	})
}

// a11yFocus gives a field the focus. Everything else would be clicked by that.
func (d *Door) a11yFocus(c *transport.Ctx) error {
	var r struct{ ID string }
	if err := decodeA11y(c, &r); err != nil {
		return err
	}
	return d.onNode(c, r.ID, 0, func(v *visit, n *tree.Node) error {
		switch {
		case n.Focused:
			return nil
		case !isField(n):
			return refuse(http.StatusBadRequest, codeNotSupported, "only text fields can be given the focus: a touch clicks everything else")
		}
		return v.act(gesture.Tap(*n.Tap))
	})
}

func (d *Door) a11yInvoke(c *transport.Ctx) error {
	var r struct{ ID, Action string }
	if err := decodeA11y(c, &r); err != nil {
		return err
	}
	return d.onNode(c, r.ID, 0, func(v *visit, n *tree.Node) error {
		actions := actionsOf(n)
		if r.Action == "" && len(actions) > 0 {
			r.Action = actions[0]
		}
		if !containsWord(fmt.Sprint(actions), r.Action) {
			return refuse(http.StatusBadRequest, codeNotSupported, "unsupported action %q: the element has %v", tree.Short(r.Action, 20), actions)
		}
		switch r.Action {
		case actionLong:
			return v.act(gesture.Long(*n.Tap))
		case actionScroll:
			from, to := swipe(n.Visible(), "down")
			return v.act(gesture.Swipe(from, to, swipeTime))
		}
		return v.act(gesture.Tap(*n.Tap))
	})
}

// a11yValue types a value in the place of what a field holds.
func (d *Door) a11yValue(c *transport.Ctx) error {
	var r struct{ ID, Value string }
	if err := decodeA11y(c, &r); err != nil {
		return err
	}
	if len(r.Value) > maxText {
		return refuse(http.StatusBadRequest, codeRequest, "the value is over the limit of %d bytes", maxText)
	}
	steps, err := text.Steps(r.Value, false)
	if err != nil {
		return refuse(http.StatusBadRequest, codeRequest, "%v", err)
	}
	return d.onNode(c, r.ID, perStep*time.Duration(len(steps)), func(v *visit, n *tree.Node) error {
		if !isField(n) {
			return refuse(http.StatusBadRequest, codeNotSupported, "only text fields take a value")
		}
		lines := append(eraseLines(utf8.RuneCountInString(n.Text)), text.Lines(steps, 0)...)
		if !holdsFocus(n) {
			lines = append([]string{gesture.Tap(*n.Tap)}, lines...)
		}
		return v.act(lines...)
	})
}
