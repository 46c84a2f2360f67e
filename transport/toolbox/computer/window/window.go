package window

import (
	"bytes"
	"regexp"
	"strconv"
)

// Window is one window on the screen.
type Window struct {
	ID                  int // of the window's token, which lives as long as the window
	Title               string
	X, Y, Width, Height int
	Active              bool // it has the focus
}

// maxSide is the longest side that is believed.
const maxSide = 1 << 15

var (
	current  = regexp.MustCompile(`\bcur=(\d{1,5})x(\d{1,5})\b`)
	override = regexp.MustCompile(`(?m)^Override size: (\d{1,5})x(\d{1,5})\s*$`)
	physical = regexp.MustCompile(`(?m)^Physical size: (\d{1,5})x(\d{1,5})\s*$`)
	rotation = regexp.MustCompile(`\bm?(?:Current)?Rotation=(?:ROTATION_)?(\d{1,3})\b`)

	header  = regexp.MustCompile(`Window #\d+ Window\{([0-9a-f]{1,15}) u\d+ ([^}]*)\}`)
	focus   = regexp.MustCompile(`mCurrentFocus=Window\{([0-9a-f]{1,15}) `)
	frame   = regexp.MustCompile(`\b(?:mFrame|frame)=\[(-?\d{1,6}),(-?\d{1,6})\]\[(-?\d{1,6}),(-?\d{1,6})\]`)
	inFront = regexp.MustCompile(`mCurrentFocus=Window\{[0-9a-f]{1,15} u\d+ ([A-Za-z0-9_.]{1,255})(?:/([A-Za-z0-9_.$]{1,255}))?\}`)
	hidden  = regexp.MustCompile(`\b(?:isOnScreen=false|isVisible=false|mHasSurface=false)\b`)
)

// Size is that of the first display as it is turned now, in pixels: the coordinates that input takes.
func Size(output []byte) (width, height int, ok bool) {
	if w, h, ok := pair(current.FindSubmatch(output)); ok {
		return w, h, true
	}
	w, h, ok := pair(override.FindSubmatch(output))
	if !ok {
		w, h, ok = pair(physical.FindSubmatch(output))
	}
	if m := rotation.FindSubmatch(output); ok && m != nil {
		switch string(m[1]) {
		case "1", "3", "90", "270":
			w, h = h, w
		}
	}
	return w, h, ok
}

func pair(m [][]byte) (a, b int, ok bool) {
	if m == nil {
		return 0, 0, false
	}
	a, b = number(m[1]), number(m[2])
	return a, b, a > 0 && b > 0 && a <= maxSide && b <= maxSide
}

// number reads digits that a pattern has bounded.
func number(digits []byte) int {
	n, _ := strconv.Atoi(string(digits))
	return n
}

// List is the windows on the screen, the topmost first. Never nil.
func List(output []byte) []Window {
	windows := []Window{}
	focused := -1
	if m := focus.FindSubmatch(output); m != nil {
		focused = token(m[1])
	}
	heads := header.FindAllSubmatchIndex(output, -1)
	for i, at := range heads {
		end := len(output)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		about := output[at[1]:end]
		if hidden.Match(about) {
			continue
		}
		w := Window{ID: token(output[at[2]:at[3]]), Title: string(bytes.ToValidUTF8(output[at[4]:at[5]], []byte("\ufffd")))}
		if m := frame.FindSubmatch(about); m != nil {
			w.X, w.Y = number(m[1]), number(m[2])
			w.Width, w.Height = max(0, number(m[3])-w.X), max(0, number(m[4])-w.Y)
		}
		w.Active = w.ID == focused
		windows = append(windows, w)
	}
	return windows
}

// InFront is the package and the activity of the window that has the focus, the class written out; the activity
// is empty for a window that is of none, such as a menu.
func InFront(output []byte) (pkg, activity string, ok bool) {
	m := inFront.FindSubmatch(output)
	if m == nil {
		return "", "", false
	}
	return string(m[1]), string(m[2]), true
}

// token is a window's number; JavaScript keeps those below 2^53 exact.
func token(hex []byte) int {
	n, _ := strconv.ParseInt(string(hex), 16, 64)
	return int(n & (1<<53 - 1))
}
