package ui

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/toolbox/turn"
)

const (
	// usualTime is how long a request waits unless it says; scrollTime one that scrolls until something is
	// there; longestTime is the most that it can say.
	usualTime, scrollTime, longestTime = 10 * time.Second, 30 * time.Second, 60 * time.Second
	// actTime is what a device is given to act beside the waiting.
	actTime = 15 * time.Second
	// pause is between two looks.
	pause = 50 * time.Millisecond
)

// Options are the door's. Zero fields mean the default.
type Options struct {
	Turns *turn.Turns // shared with whatever else touches the screens; nil: its own
}

// Door has the handlers. It is safe for concurrent use.
type Door struct {
	kit   *android.Kit
	turns *turn.Turns

	mu      sync.Mutex
	screens map[context.Context]*screen // by the life of their device
}

// New makes the door.
func New(kit *android.Kit, o Options) *Door {
	if o.Turns == nil {
		o.Turns = turn.New()
	}
	return &Door{kit: kit, turns: o.Turns, screens: map[context.Context]*screen{}}
}

// Routes is the door's table; the paths begin behind the sandbox's id.
func (d *Door) Routes() []transport.Route {
	post := func(path string, h transport.Handler) transport.Route {
		return transport.Route{Method: http.MethodPost, Path: "/android/ui" + path, Handler: h, Slow: true}
	}
	return []transport.Route{
		{Method: http.MethodGet, Path: "/android/ui", Handler: d.tree, Slow: true},
		post("/find", d.find), post("/tap", d.tap), post("/type", d.typeText), post("/wait", d.wait), post("/scroll", d.scroll),
	}
}

// screen is what the door knows of one device's screen while the device stays started.
type screen struct {
	turn *turn.Turn
	last *sight // of whoever has the turn; nil: none that is worth keeping
}

func (d *Door) screen(life context.Context) *screen {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.screens[life]; s != nil {
		return s
	}
	s := &screen{turn: d.turns.Of(life)}
	d.screens[life] = s
	context.AfterFunc(life, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.screens, life)
	})
	return s
}

// timeout is a request's time: usual unless it says, which must be from 1 ms to a minute.
func timeout(ms *int, usual time.Duration) (time.Duration, error) {
	if ms == nil {
		return usual, nil
	}
	if *ms < 1 || *ms > int(longestTime/time.Millisecond) {
		return 0, fault.Invalidf("timeoutMs is from 1 to %d", longestTime/time.Millisecond)
	}
	return time.Duration(*ms) * time.Millisecond, nil
}

// visit is one request's use of a screen.
type visit struct {
	use      *android.Use
	screen   *screen
	begun    time.Time
	limit    time.Duration
	deadline time.Time
	took     time.Duration // the last look
	own      *sight        // what this request saw last
	moving   bool          // uiautomator said that the screen does not rest
	before   *sight        // what was seen before that, whoever looked; nil: nothing, or the screen was touched since
}

// enter leases the device for the time that a request waits, and lasts beside it for its acts. The caller ends
// the visit's use.
func (d *Door) enter(c *transport.Ctx, limit, lasts time.Duration) (*visit, error) {
	use, err := d.kit.Take(c, limit+actTime+lasts)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &visit{use: use, screen: d.screen(use.Life), begun: now, limit: limit, deadline: now.Add(limit)}, nil
}

// left is what remains of the request's time.
func (v *visit) left() time.Duration { return time.Until(v.deadline) }

// late reports whether there is no time for another look, going by the last one: one that would be broken off is
// not begun.
func (v *visit) late() bool { return v.left() <= pause+v.took/2 }

// waited is how long the request has waited so far, in milliseconds.
func (v *visit) waited() int64 { return time.Since(v.begun).Milliseconds() }

// act does lines of shell, of which each must succeed. The caller has the turn.
func (v *visit) act(lines ...string) error {
	v.screen.turn.Acted()
	_, err := v.use.Tell(lines...)
	return err
}
