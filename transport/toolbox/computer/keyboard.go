package computer

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/key"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/text"
)

const (
	// maxText is the longest text that one call types.
	maxText = 64 << 10
	// maxTyping is the longest that the pauses of one call may take together.
	maxTyping = 10 * time.Minute
	// perStep is what one call of input is given beside actTime; it takes a fraction of it.
	perStep = time.Second
)

func (d *Door) typeText(c *transport.Ctx) error {
	var r struct {
		Text  string `json:"text"`
		Delay int    `json:"delay"` // milliseconds after each character
	}
	if err := decode(c, &r, "Invalid input"); err != nil {
		return err
	}
	if len(r.Text) > maxText {
		return transport.Plain(fault.New(fault.TooLarge, "the text is over the limit of %d bytes", maxText))
	}
	delay := time.Duration(max(0, min(r.Delay, int(maxTyping/time.Millisecond)))) * time.Millisecond
	steps, err := text.Steps(r.Text, delay > 0)
	if err != nil {
		return transport.Plainf("%v", err)
	}
	pauses := delay * time.Duration(len(steps))
	if pauses > maxTyping {
		return transport.Plainf("this would take longer than %s: shorten the delay or the text", maxTyping)
	}
	held, dev, err := d.take(c)
	if err != nil {
		return err
	}
	err = d.act(held, dev, pauses+perStep*time.Duration(len(steps)), func(context.Context, *ways) ([]string, error) {
		return text.Lines(steps, delay), nil
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, struct{}{})
}

func (d *Door) press(c *transport.Ctx) error {
	var r struct {
		Key       string   `json:"key"`
		Modifiers []string `json:"modifiers"`
	}
	if err := decode(c, &r, "Invalid key"); err != nil {
		return err
	}
	chord, err := key.Press(r.Key, r.Modifiers)
	return d.chord(c, chord, err)
}

func (d *Door) hotkey(c *transport.Ctx) error {
	var r struct {
		Keys string `json:"keys"`
	}
	if err := decode(c, &r, "Invalid hotkey"); err != nil {
		return err
	}
	chord, err := key.Hotkey(r.Keys)
	return d.chord(c, chord, err)
}

// chord presses what was recognised.
func (d *Door) chord(c *transport.Ctx, chord key.Chord, err error) error {
	if err != nil {
		return transport.Plainf("%v", err)
	}
	held, dev, err := d.take(c)
	if err != nil {
		return err
	}
	err = d.act(held, dev, 0, func(_ context.Context, w *ways) ([]string, error) {
		line, err := chord.Command(w.combos)
		if errors.Is(err, key.ErrNoCombos) {
			return nil, fault.Wrap(fault.Unsupported, "press keys", err)
		}
		return []string{line}, err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, struct{}{})
}
