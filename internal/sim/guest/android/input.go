package android

import (
	"errors"
	"io"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/input"
	"github.com/daytonaio/runner-android/internal/sim/guest/toybox"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

const inputUsage = `Usage: input [<source>] [-d DISPLAY_ID] <command> [<arg>...]

The sources are: 
      touchnavigation
      touchscreen
      joystick
      stylus
      touchpad
      gamepad
      dpad
      mouse
      keyboard
      trackball
      rotaryencoder

-d: specify the display ID.
      (Default: -1 for key event, 0 for motion event if not specified.)
The commands and default sources are:
      text <string> (Default: keyboard)
      keyevent [--longpress|--duration <duration to hold key down in ms>] [--doubletap] [--async] [--delay <duration between keycodes in ms>] <key code number or name> ... (Default: keyboard)
      tap <x> <y> (Default: touchscreen)
      swipe <x1> <y1> <x2> <y2> [duration(ms)] (Default: touchscreen)
      draganddrop <x1> <y1> <x2> <y2> [duration(ms)] (Default: touchscreen)
      press (Default: trackball)
      roll <dx> <dy> (Default: trackball)
      motionevent <DOWN|UP|MOVE|CANCEL> <x> <y> (Default: touchscreen)
      scroll (Default: rotaryencoder). Has the following syntax:
            scroll <x> <y> [--axis <axis>,<value>] ... (for pointer-based sources)
            scroll [--axis <axis>,<value>] ... (for non-pointer-based sources)
      keycombination [-t duration(ms)] <key code 1> <key code 2> ... (Default: keyboard, the key order is important here.)
`

const oldInputUsage = `Usage: input [<source>] [-d DISPLAY_ID] <command> [<arg>...]

The sources are: 
      dpad
      keyboard
      mouse
      touchpad
      gamepad
      touchnavigation
      joystick
      touchscreen
      stylus
      trackball

-d: specify the display ID.
      (Default: -1 for key event, 0 for motion event if not specified.)
The commands and default sources are:
      text <string> (Default: touchscreen)
      keyevent [--longpress] <key code number or name> ... (Default: keyboard)
      tap <x> <y> (Default: touchscreen)
      swipe <x1> <y1> <x2> <y2> [duration(ms)] (Default: touchscreen)
      draganddrop <x1> <y1> <x2> <y2> [duration(ms)] (Default: touchscreen)
      press (Default: trackball)
      roll <dx> <dy> (Default: trackball)
      motionevent <DOWN|UP|MOVE> <x> <y> (Default: touchscreen)
`

func (d Device) input(c *toybox.Call) int {
	events, err := input.Parse(c.Args[1:], d.Release)
	var bad *input.Error
	switch {
	case errors.Is(err, input.ErrUsage):
		usage := inputUsage
		if d.Release < insideServer {
			usage = oldInputUsage
		}
		io.WriteString(c.Out, usage)
		return 0
	case errors.As(err, &bad):
		return d.badInput(c, bad)
	}
	for _, e := range events {
		if status := d.play(c, e); status != 0 || c.Ctx.Err() != nil {
			return max(status, 0)
		}
	}
	return 0
}

func (d Device) badInput(c *toybox.Call, bad *input.Error) int {
	if d.Release < insideServer {
		io.WriteString(c.Err, "Error: "+bad.Text+"\n")
		if bad.Class == "" {
			io.WriteString(c.Out, oldInputUsage)
		}
		return 1
	}
	if bad.Class == "" || bad.Command == "" {
		return refuse(c, "%s", bad.Text)
	}
	return exception(c, bad.Command, bad.Class, bad.Text, "com.android.server.input.InputShellCommand.onCommand(InputShellCommand.java:190)")
}

// play does one event and takes the time it takes.
func (d Device) play(c *toybox.Call, e input.Event) int {
	x, y := int(e.X), int(e.Y)
	switch e.Kind {
	case input.Text:
		// KeyCharacterMap.getEvents answers null for a text that the virtual keyboard has not got.
		if _, ok := ui.Typeable(e.Words); !ok {
			const text = "Attempt to get length of null array"
			if d.Release < insideServer {
				io.WriteString(c.Err, "Error: java.lang.NullPointerException: "+text+"\n")
				return 1
			}
			return exception(c, "text", "NullPointerException", text, "com.android.server.input.InputShellCommand.sendText(InputShellCommand.java:349)")
		}
		d.Phone.Type(e.Words)
	case input.Key:
		held := 0
		for _, code := range e.Codes {
			if m := input.Modifier(code); m != 0 {
				held |= m
				continue
			}
			d.Phone.Key(code, held)
		}
	case input.Touch:
		d.Phone.Touch(map[input.Action]ui.Action{input.Down: ui.Down, input.Move: ui.Move, input.Up: ui.Up, input.Cancel: ui.Cancel}[e.Action], x, y)
	case input.Scroll:
		d.Phone.Scroll(x, y, e.VScroll)
	case input.Wait:
		t := time.NewTimer(e.Pause)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.Ctx.Done():
			return 1
		}
	case input.Roll: // no app here listens to a trackball
	}
	return 0
}
