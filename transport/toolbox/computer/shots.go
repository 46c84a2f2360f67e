package computer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/screen"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

const (
	// shotTime bounds the taking of a picture.
	shotTime = 30 * time.Second
	// wakeTime bounds the waiting for a screen that was off, wakeLook is how often it is looked at.
	wakeTime, wakeLook = 5 * time.Second, 200 * time.Millisecond
	// headerScreen says "off" when the picture is black because of that. It is no field of the answer: old
	// Go SDKs refuse those that they do not know.
	headerScreen = "X-Android-Screen"

	captureCommand = "screencap 2>/dev/null"
	whyCommand     = "screencap 2>&1 >/dev/null </dev/null"
	powerCommand   = "dumpsys power </dev/null"
	wakeLine       = "input keyevent 224"
)

// kind is one of the four screenshot routes.
type kind struct{ region, compressed bool }

// shotRequest is a checked request.
type shotRequest struct {
	kind
	x, y, width, height int
	format              string
	quality             int
	scale               float64
	cursor              bool
	wake                bool // beyond Daytona's: turn the screen on first
}

// shotAnswer is a picture.
type shotAnswer struct {
	picture    []byte
	compressed bool
	cursor     *point
}

// AppendJSON implements transport.Appender.
func (a *shotAnswer) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"screenshot":"`...)
	dst = append(base64.StdEncoding.AppendEncode(dst, a.picture), '"')
	if a.cursor != nil {
		dst = strconv.AppendInt(append(dst, `,"cursorPosition":{"x":`...), int64(a.cursor.X), 10)
		dst = append(strconv.AppendInt(append(dst, `,"y":`...), int64(a.cursor.Y), 10), '}')
	}
	if a.compressed {
		dst = strconv.AppendInt(append(dst, `,"sizeBytes":`...), int64(len(a.picture)), 10)
	}
	return append(dst, '}')
}

func (d *Door) shot(k kind) transport.Handler {
	return func(c *transport.Ctx) error {
		r, err := parseShot(c, k)
		if err != nil {
			return err
		}
		held, dev, err := d.take(c)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeoutCause(held.Context, shotTime, fault.Timeoutf("the device did not show its screen within %s", shotTime))
		defer cancel()
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		defer func() { <-d.slots }()
		img, off, err := d.look(ctx, held, r.wake)
		if err != nil {
			return err
		}
		answer, err := r.make(img, dev.at())
		if err != nil {
			return err
		}
		if off {
			c.SetHeader(headerScreen, "off")
		}
		return c.Append(http.StatusOK, answer)
	}
}

// look takes a picture, and says whether the screen is off. With wake it is turned on then, and looked at
// until there is something to see.
func (d *Door) look(ctx context.Context, held lease.Lease, wake bool) (img *image.RGBA, off bool, err error) {
	if img, err = d.capture(ctx, held.Serial); err != nil || !screen.Black(img) {
		return img, false, err
	}
	said, err := d.commands.Ask(ctx, held.Serial, powerCommand, maxDump)
	if off = strings.Contains(string(said), "mWakefulness=Asleep") || strings.Contains(string(said), "mWakefulness=Dozing"); err != nil || !off || !wake {
		return img, off, err
	}
	if err := d.run(ctx, held.Serial, []string{wakeLine}); err != nil {
		return nil, false, err
	}
	tick := time.NewTicker(wakeLook)
	defer tick.Stop()
	for end := time.Now().Add(wakeTime); screen.Black(img) && time.Now().Before(end); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
		if img, err = d.capture(ctx, held.Serial); err != nil {
			return nil, false, err
		}
	}
	return img, false, nil
}

// capture takes one picture.
func (d *Door) capture(ctx context.Context, serial string) (*image.RGBA, error) {
	out, err := d.guest.Output(ctx, serial, captureCommand)
	if err != nil {
		return nil, guestcommand.CauseOf(ctx, err)
	}
	img, err := screen.Read(out)
	_ = out.Close()
	switch {
	case err == nil:
		return img, nil
	case context.Cause(ctx) != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, screen.ErrEmpty): // ask it why
		said, askErr := d.commands.Ask(ctx, serial, whyCommand, maxSaid)
		if askErr != nil {
			return nil, askErr
		}
		return nil, transport.Plain(fault.Unavailablef("%v: %s", err, strings.TrimSpace(string(said))))
	default:
		return nil, transport.Plain(fault.Wrap(fault.Unavailable, "read the screen", err))
	}
}

// make makes the picture that was asked for of the whole screen. The cursor's position is told as the
// daemon does, whose rules differ from route to route.
func (r *shotRequest) make(img *image.RGBA, at image.Point) (*shotAnswer, error) {
	origin := image.Point{}
	if r.region {
		w, h := img.Rect.Dx(), img.Rect.Dy()
		if r.x < 0 || r.y < 0 || r.x >= w || r.y >= h || r.width > w-r.x || r.height > h-r.y {
			return nil, transport.Plainf("failed to capture screenshot region x=%d y=%d width=%d height=%d: the screen has %dx%d",
				r.x, r.y, r.width, r.height, w, h)
		}
		origin = image.Pt(r.x, r.y)
		img = screen.Crop(img, image.Rect(r.x, r.y, r.x+r.width, r.y+r.height))
	}
	rel := at.Sub(origin)
	if r.cursor && (!r.region || rel.In(img.Rect)) {
		screen.DrawCursor(img, rel.X, rel.Y)
	}
	if r.compressed && (r.format == "png" || r.format == "jpeg") {
		img = screen.Scale(img, r.scale)
	}
	picture, err := screen.Encode(img, r.format, r.quality)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "encode the picture", err)
	}
	a := &shotAnswer{picture: picture, compressed: r.compressed}
	switch {
	case r.compressed && r.cursor:
		a.cursor = &point{origin.X + int(float64(rel.X)*r.scale), origin.Y + int(float64(rel.Y)*r.scale)}
	case r.compressed:
	case r.cursor:
		a.cursor = &point{at.X, at.Y}
	default:
		a.cursor = &point{origin.X, origin.Y}
	}
	return a, nil
}

// fields are the parameters of a screenshot, from query or body.
type fields func(name string) string

func fieldsOf(c *transport.Ctx) (fields, error) {
	query := func(name string) string { return string(c.Fasthttp().QueryArgs().Peek(name)) }
	if len(c.Body()) == 0 || !c.Fasthttp().IsPost() {
		return query, nil
	}
	var body map[string]json.RawMessage
	if err := decode(c, &body, "Invalid screenshot parameters"); err != nil {
		return nil, err
	}
	return func(name string) string {
		raw, ok := body[name]
		if text := ""; ok && json.Unmarshal(raw, &text) == nil {
			return text
		}
		if ok && string(raw) != "null" {
			return string(raw)
		}
		return query(name)
	}, nil
}

// parseShot reads and checks a request, in the daemon's words.
func parseShot(c *transport.Ctx, k kind) (*shotRequest, error) {
	f, err := fieldsOf(c)
	if err != nil {
		return nil, err
	}
	r := &shotRequest{kind: k, format: "png", quality: 85, scale: 1}
	if r.cursor, err = f.flag("show_cursor", "showCursor"); err != nil {
		return nil, err
	}
	if r.wake, err = f.flag("wake"); err != nil {
		return nil, err
	}
	if k.region {
		if err := f.region(r); err != nil {
			return nil, err
		}
	}
	if k.compressed {
		if err := f.compression(r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// flag is the first of names that is there.
func (f fields) flag(names ...string) (bool, error) {
	for _, name := range names {
		if text := f(name); text != "" {
			on, err := strconv.ParseBool(text)
			if err != nil {
				return false, transport.Plainf("invalid query parameter %s: must be a boolean", name)
			}
			return on, nil
		}
	}
	return false, nil
}

func (f fields) region(r *shotRequest) error {
	for _, p := range []struct {
		name string
		into *int
		size bool
	}{{"x", &r.x, false}, {"y", &r.y, false}, {"width", &r.width, true}, {"height", &r.height, true}} {
		text := f(p.name)
		if text == "" {
			return transport.Plainf("missing required query parameter: %s", p.name)
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return transport.Plainf("invalid query parameter %s: must be an integer", p.name)
		}
		if p.size && n <= 0 {
			return transport.Plainf("invalid query parameter %s: must be greater than zero", p.name)
		}
		*p.into = n
	}
	return nil
}

func (f fields) compression(r *shotRequest) error {
	if text := f("format"); text != "" {
		r.format = text
	}
	if text := f("quality"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return transport.Plainf("invalid query parameter quality: must be between 1 and 100")
		}
		r.quality = n
	}
	if text := f("scale"); text != "" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= 0.1 && n <= 1) {
			return transport.Plainf("invalid query parameter scale: must be between 0.1 and 1.0")
		}
		r.scale = n
	}
	return nil
}
