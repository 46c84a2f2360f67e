package computer

import (
	"context"
	"fmt"
	"image"
	"net/http"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/gesture"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/window"
)

const (
	// farthest bounds coordinates: no screen is larger.
	farthest = 1 << 20
	// dragTime is how long a drag takes, in milliseconds, unless the request says; maxDrag at most.
	dragTime, maxDrag = 500, 60_000
	// scrollTime is how long the finger of one scroll moves: slow enough not to fling.
	scrollTime = 400 * time.Millisecond
	// maxScroll bounds the amount.
	maxScroll = 1000
)

// point is a position in requests and answers.
type point struct {
	X int `json:"x"`
	Y int `json:"y"`
}

func (p point) check() error {
	if p.X < -farthest || p.X > farthest || p.Y < -farthest || p.Y > farthest {
		return transport.Plainf("Invalid coordinates")
	}
	return nil
}

func (d *Door) position(c *transport.Ctx) error {
	_, dev, err := d.take(c)
	if err != nil {
		return err
	}
	at := dev.at()
	return c.JSON(http.StatusOK, point{at.X, at.Y})
}

// move only remembers: a finger that does not touch is nowhere.
func (d *Door) move(c *transport.Ctx) error {
	var to point
	if err := decode(c, &to, "Invalid coordinates"); err != nil {
		return err
	}
	if err := to.check(); err != nil {
		return err
	}
	_, dev, err := d.take(c)
	if err != nil {
		return err
	}
	dev.moveTo(image.Pt(to.X, to.Y))
	return c.JSON(http.StatusOK, to)
}

// buttonOf is the button in lower case; left when none is named.
func buttonOf(name string) (string, error) {
	switch b := strings.ToLower(name); b {
	case "":
		return "left", nil
	case "left", "right":
		return b, nil
	case "middle":
		return "", fault.Unsupportedf("a touch screen has no middle button")
	default:
		return "", transport.Plainf("unsupported mouse button %q: expected one of left, right, middle", name)
	}
}

// clickLines are a click: a double one in one shell, because its taps must follow within 300 ms.
func clickLines(at point, button string, double bool) []string {
	line := gesture.Tap(image.Pt(at.X, at.Y))
	if button == "right" {
		line = gesture.Long(image.Pt(at.X, at.Y))
	}
	if double {
		return []string{line, line}
	}
	return []string{line}
}

func (d *Door) click(c *transport.Ctx) error {
	var r struct {
		point
		Button string `json:"button"`
		Double bool   `json:"double"`
	}
	if err := decode(c, &r, "Invalid click parameters"); err != nil {
		return err
	}
	button, err := buttonOf(r.Button)
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return err
	}
	held, dev, err := d.take(c)
	if err != nil {
		return err
	}
	err = d.act(held, dev, 0, func(context.Context, *ways) ([]string, error) {
		return clickLines(r.point, button, r.Double), nil
	})
	if err != nil {
		return err
	}
	dev.moveTo(image.Pt(r.X, r.Y))
	return c.JSON(http.StatusOK, r.point)
}

func (d *Door) drag(c *transport.Ctx) error {
	var r struct {
		StartX, StartY, EndX, EndY int
		Button                     string
		Mode                       string // beyond Daytona's: "draganddrop" presses long first
		DurationMs                 int    // beyond Daytona's
	}
	if err := decode(c, &r, "Invalid drag parameters"); err != nil {
		return err
	}
	from, to := point{r.StartX, r.StartY}, point{r.EndX, r.EndY}
	if _, err := buttonOf(r.Button); err != nil {
		return err
	}
	how, err := dragCommand(r.Mode)
	if err != nil {
		return err
	}
	if r.DurationMs == 0 {
		r.DurationMs = dragTime
	}
	if from.check() != nil || to.check() != nil || r.DurationMs < 0 || r.DurationMs > maxDrag {
		return transport.Plainf("Invalid drag parameters")
	}
	held, dev, err := d.take(c)
	if err != nil {
		return err
	}
	err = d.act(held, dev, time.Duration(r.DurationMs)*time.Millisecond, func(context.Context, *ways) ([]string, error) {
		return []string{fmt.Sprintf("input %s %d %d %d %d %d", how, from.X, from.Y, to.X, to.Y, r.DurationMs)}, nil
	})
	if err != nil {
		return err
	}
	dev.moveTo(image.Pt(to.X, to.Y))
	return c.JSON(http.StatusOK, to)
}

func dragCommand(mode string) (string, error) {
	switch mode {
	case "", "swipe":
		return "swipe", nil
	case "draganddrop":
		return "draganddrop", nil
	}
	return "", transport.Plainf("unsupported drag mode %q: expected swipe or draganddrop", mode)
}

func (d *Door) scroll(c *transport.Ctx) error {
	var r struct {
		point
		Direction string `json:"direction"`
		Amount    int    `json:"amount"`
	}
	if err := decode(c, &r, "Invalid scroll parameters"); err != nil {
		return err
	}
	direction := strings.ToLower(r.Direction)
	switch {
	case direction != "up" && direction != "down":
		return transport.Plainf("unsupported scroll direction %q: expected up or down", r.Direction)
	case r.Amount < 0:
		return transport.Plainf("scroll amount must be greater than or equal to 0")
	case r.Amount > maxScroll:
		return transport.Plainf("scroll amount must be at most %d", maxScroll)
	case r.check() != nil:
		return r.check()
	}
	n := max(1, r.Amount)
	if direction == "down" {
		n = -n
	}
	held, dev, err := d.take(c)
	if err != nil {
		return err
	}
	err = d.act(held, dev, maxSwipes*scrollTime, func(ctx context.Context, w *ways) ([]string, error) {
		if w.scroll {
			return []string{fmt.Sprintf("input mouse scroll %d %d --axis VSCROLL,%d", r.X, r.Y, n)}, nil
		}
		said, err := d.commands.Ask(ctx, held.Serial, sizeCommand, maxDump)
		if err != nil {
			return nil, err
		}
		width, height, ok := window.Size(said)
		if !ok {
			return []string{fmt.Sprintf("input roll 0 %d", -n)}, nil
		}
		return swipes(r.point, n, width, height), nil
	})
	if err != nil {
		return err
	}
	dev.moveTo(image.Pt(r.X, r.Y))
	return c.JSON(http.StatusOK, map[string]bool{"success": true})
}

// maxSwipes is how many swipes one scroll makes at most.
const maxSwipes = 30

// swipes scroll a screen of this size by a tenth of its height for each step of n, upwards when n is
// positive, with a finger around at. Long ways take several swipes.
func swipes(at point, n, width, height int) []string {
	x := min(max(at.X, 0), width-1)
	most := max(1, height*6/10)
	var lines []string
	for left := n * max(1, height/10); left != 0 && len(lines) < maxSwipes; {
		way := min(max(left, -most), most) // of the finger: it goes down to scroll up
		left -= way
		top := min(max(at.Y-way/2, 0), height-1)
		end := top + way
		if end < 0 || end > height-1 { // shift it onto the screen
			shift := end - min(max(end, 0), height-1)
			top, end = top-shift, end-shift
		}
		lines = append(lines, gesture.Swipe(image.Pt(x, top), image.Pt(x, end), scrollTime))
	}
	return lines
}
