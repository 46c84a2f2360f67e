package proxy

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/operator"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
)

// lookAgain is how long a look at a display counts: many viewers may wait for one.
const lookAgain = time.Second

// look is what was seen last.
type look struct {
	condition condition
	at, since time.Time
}

// condition is how a display is, in one word for programs and a sentence for people.
type condition struct{ Word, Sentence string }

// The conditions of a started sandbox's display.
var (
	ready        = condition{"ready", "The screen is there."}
	registering  = condition{"registering", "The device has not registered its screen yet."}
	frozen       = condition{"frozen", "The device is registered, but does not answer."}
	pageGone     = condition{"gone", "The device is registered, but the process that serves its screen is gone."}
	operatorDown = condition{"operator-down", "The display operator of the host cannot be reached."}
)

// conditionOf is what an error of a display means.
func conditionOf(err error) condition {
	switch {
	case err == nil:
		return ready
	case fault.Is(err, fault.NotFound):
		return registering
	case fault.Is(err, fault.Timeout):
		return frozen
	case errors.Is(err, operator.ErrPageGone):
		return pageGone
	}
	return condition{operatorDown.Word, operatorDown.Sentence + " " + err.Error()}
}

// discreet is a condition without what only those may know who run the host.
func (c condition) discreet() condition {
	if c.Word == operatorDown.Word {
		return operatorDown
	}
	return c
}

// stateOf is the condition of a sandbox that is not started.
func stateOf(info sandbox.Info) condition {
	switch info.State {
	case sandbox.Creating, sandbox.Restoring, sandbox.PullingSnapshot, sandbox.Starting:
		return condition{"booting", "The device is booting."}
	case sandbox.Stopping:
		return condition{"stopping", "The device is being stopped."}
	case sandbox.Stopped:
		return condition{"stopped", "The device is stopped. Start it to see its screen."}
	case sandbox.Destroyed:
		return condition{"unknown", "There is no such device."}
	case sandbox.Started:
		return condition{"started", "The device is started."}
	default:
		return condition{string(info.State), "The device is in state " + string(info.State) + "."}
	}
}

// report is how a display is.
type report struct {
	Sandbox sandbox.ID `json:"sandbox"`
	State   string     `json:"state"`   // of the sandbox
	Display string     `json:"display"` // ready, or a word for why not
	Message string     `json:"message"`
	Reason  string     `json:"reason,omitempty"`
	Since   time.Time  `json:"since"`
}

// inspect says how the display of a sandbox is now. A guest, who came by a link, is told no details of the host.
func (d *Door) inspect(ctx context.Context, c *transport.Ctx, id sandbox.ID, guest bool) (report, error) {
	info, err := transport.Ask[sandbox.Info](c.Query(), d.actors, messages.GetSandbox{ID: id})
	if err != nil {
		return report{}, err
	}
	r := report{Sandbox: id, State: string(info.State), Reason: info.Reason, Since: info.Since}
	condition := stateOf(info)
	if info.State == sandbox.Started {
		held, err := d.leases.For(c, id)
		if err == nil {
			seen := d.seen(ctx, d.displays.Of(held))
			condition, r.Since = seen.condition, seen.since
		}
	}
	if guest {
		condition, r.Reason = condition.discreet(), ""
	}
	r.Display, r.Message = condition.Word, condition.Sentence
	return r, nil
}

// seen looks at a display, unless somebody has just done so.
func (d *Door) seen(ctx context.Context, shown *display) look {
	shown.mu.Lock()
	last := shown.look
	shown.mu.Unlock()
	if time.Since(last.at) < lookAgain {
		return last
	}
	now, _, _ := shown.looks.Do("", func() (any, error) { // many wait for one
		return shown.saw(conditionOf(d.lookAt(context.WithoutCancel(ctx), shown))), nil
	})
	return now.(look)
}

// saw takes a note of how a display is.
func (s *display) saw(now condition) look {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.look.condition.Word != now.Word || s.look.since.IsZero() {
		s.look.since = time.Now()
	}
	s.look.condition, s.look.at = now, time.Now()
	return s.look
}

// Ready reports whether the screen of a leased sandbox can be watched now, or could within the last second.
func (d *Door) Ready(held lease.Lease) bool {
	return d.seen(held.Context, d.displays.Of(held)).condition == ready
}

func (d *Door) tellStatus(c *transport.Ctx, id sandbox.ID, guest bool) error {
	r, err := d.inspect(c.Context(), c, id, guest)
	if err != nil {
		return err
	}
	c.SetHeader("Cache-Control", "no-store")
	return c.JSON(http.StatusOK, r)
}

//go:embed assets/waiting.html
var waitingText string

var waitingPage = template.Must(template.New("waiting").Parse(waitingText))

// waiting is the page that is shown while there is no screen. It says why and since when, and comes back by
// itself. Its status is that of the reason.
func (d *Door) waiting(c *transport.Ctx, id sandbox.ID, guest bool, reason error) error {
	r, err := d.inspect(c.Context(), c, id, guest)
	if err != nil {
		return err
	}
	code := http.StatusServiceUnavailable
	switch {
	case r.State == string(sandbox.Destroyed):
		code = http.StatusNotFound
	case r.Display == frozen.Word || fault.Is(reason, fault.Timeout):
		code = http.StatusGatewayTimeout
	case r.Display == pageGone.Word || errors.Is(reason, operator.ErrPageGone):
		code = http.StatusBadGateway
	}
	if r.Display == ready.Word || r.Display == "started" { // it came back just now, or this very file is what does not
		seen := conditionOf(reason)
		if guest {
			seen = seen.discreet()
		}
		r.Display, r.Message = seen.Word, seen.Sentence
	}
	var text bytes.Buffer
	if err := waitingPage.Execute(&text, r); err != nil {
		return fault.Wrap(fault.Internal, "draw the page", err)
	}
	c.SetHeader("Cache-Control", "no-store")
	c.SetHeader("Retry-After", "2")
	c.SetHeader("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'")
	return c.Bytes(code, "text/html; charset=utf-8", text.Bytes())
}
