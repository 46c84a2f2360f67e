package frames

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/transport/toolbox/computer/gesture"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/key"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/text"
)

const (
	// maxQueue is how many inputs wait for the device; further ones are lost, and logged.
	maxQueue = 64
	// maxLines is how many commands the device is given at a time, and maxText the longest text of one input.
	maxLines, maxText = 256, 1 << 10
	// inputLimit is how long the device may take for those that it is given at a time.
	inputLimit = 20 * time.Second
	// slop is how far a finger may move and still tap, in pixels of the display.
	slop = 12
	// pressTime makes a long press of a tap.
	pressTime = 400 * time.Millisecond
	// longestGesture bounds the time that a swipe is given.
	longestGesture = 5 * time.Second
	// maxSide bounds coordinates.
	maxSide = 1 << 15
)

// input is a message of the viewer.
type input struct {
	Type  string `json:"type"`
	Phase string `json:"phase"`
	X     int    `json:"x"`
	Y     int    `json:"y"`
	Text  string `json:"text"`
	Keys  string `json:"keys"`
	Name  string `json:"name"`
	at    time.Time
}

// known reports whether the input is one of those that there are.
func (in input) known() bool {
	switch in.Type {
	case "touch", "key", "button":
		return true
	case "text":
		return len(in.Text) <= maxText
	}
	return false
}

// keycodes of the buttons (AOSP KeyEvent).
var keycodes = map[string]int{"back": 4, "home": 3, "recents": 187, "power": 26, "volumeup": 24, "volumedown": 25}

// read takes inputs until the viewer leaves.
func (v *viewer) read(inputs chan<- input) {
	defer close(inputs)
	lost := 0
	defer func() {
		if lost > 0 {
			v.log.Warn("inputs were lost: the device did not keep up", zap.Int("inputs", lost))
		}
	}()
	for {
		_, message, err := v.socket.Read()
		if err != nil {
			return
		}
		var in input
		if json.Unmarshal(message, &in) != nil || !in.known() {
			continue
		}
		in.at = time.Now()
		select {
		case inputs <- in:
		default:
			lost++
		}
	}
}

// act gives the device what has come, all of it that waits at a time.
func (v *viewer) act(ctx context.Context, inputs <-chan input) {
	var down finger
	for in := range inputs {
		lines := down.lines(in)
		for more := true; more && len(lines) < maxLines; {
			select {
			case in, more = <-inputs:
				if more {
					lines = append(lines, down.lines(in)...)
				}
			default:
				more = false
			}
		}
		if len(lines) == 0 || ctx.Err() != nil {
			continue
		}
		lines = lines[:min(len(lines), maxLines)]
		within, cancel := context.WithTimeout(ctx, inputLimit)
		if err := v.commands.Run(within, v.held.Serial, lines...); err != nil && ctx.Err() == nil {
			v.log.Debug("input failed", zap.Error(err))
		}
		cancel()
	}
}

// finger is the one that touches, if it does.
type finger struct {
	down  bool
	from  image.Point
	since time.Time
}

// lines are the commands that do what an input says; none for what is not finished, or not understood.
func (g *finger) lines(in input) []string {
	switch in.Type {
	case "touch":
		return g.touch(in)
	case "text":
		return typed(in.Text)
	case "key":
		return pressed(in.Keys)
	case "button":
		if code, ok := keycodes[in.Name]; ok {
			return []string{fmt.Sprintf("input keyevent %d", code)}
		}
	}
	return nil
}

func (g *finger) touch(in input) []string {
	at := image.Pt(min(max(in.X, 0), maxSide), min(max(in.Y, 0), maxSide))
	switch in.Phase {
	case "down":
		*g = finger{true, at, in.at}
	case "up":
		if !g.down {
			return nil
		}
		g.down = false
		took := min(max(in.at.Sub(g.since), 0), longestGesture)
		moved := at.Sub(g.from)
		switch still := moved.X*moved.X+moved.Y*moved.Y <= slop*slop; {
		case still && took < pressTime:
			return []string{gesture.Tap(g.from)}
		case still:
			at = g.from
		}
		return []string{gesture.Swipe(g.from, at, max(took, 50*time.Millisecond))}
	}
	return nil
}

// typed types a text; one that Android's input command cannot type is left out whole.
func typed(what string) []string {
	steps, err := text.Steps(what, false)
	if err != nil {
		return nil
	}
	return text.Lines(steps, 0)
}

// pressed presses keys. Those that are held need Android 12; before, they are left out.
func pressed(keys string) []string {
	chord, err := key.Hotkey(strings.ToLower(keys))
	if err != nil {
		return nil
	}
	line, err := chord.Command(true)
	if err != nil {
		return nil
	}
	return []string{line}
}
