package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// logcat streams the log.
func (d *Door) logcat(c *transport.Ctx) error {
	q, err := parse(c)
	if err != nil {
		return err
	}
	if c.Fasthttp().IsHead() {
		c.Text(q.contentType(), nil)
		return nil
	}
	use, err := d.kit.Take(c, 0)
	if err != nil {
		return err
	}
	if !d.streams.Take(use.ID, d.Streams) {
		use.End()
		return fault.Exhaustedf("sandbox %s has %d streams of its log open", use.ID, d.Streams)
	}
	end := func() {
		use.End()
		d.streams.Leave(use.ID)
	}
	s, err := d.open(use, q)
	if err != nil {
		end()
		return err
	}
	c.SetHeader("Cache-Control", "no-cache")
	c.SetHeader("X-Accel-Buffering", "no") // what lies between shall not wait for more
	c.StreamLive(q.contentType(), func(ctx context.Context, w *bufio.Writer) error {
		defer end()
		return s.serve(ctx, w)
	})
	return nil
}

func (q *query) contentType() string {
	if q.text {
		return "text/plain; charset=utf-8"
	}
	return "text/event-stream"
}

// stream is the log on its way to one client.
type stream struct {
	*query
	use     *android.Use
	process guestshell.Process
	read    reader
	app     *app // nil: all apps
	begun   time.Time
	queue   *queue
	backlog *backlog
	alive   time.Duration
	line    []byte // room for one
	said    []byte // the first of what logcat complained about
}

// maxSaid bounds what is kept of a complaint.
const maxSaid = 1 << 10

// open asks the device what the filters need, and starts logcat.
func (d *Door) open(use *android.Use, q *query) (*stream, error) {
	ctx, cancel := context.WithTimeoutCause(use.Context, d.Ask, fault.Timeoutf("the device did not answer within %s", d.Ask))
	defer cancel()
	s := &stream{query: q, use: use, queue: newQueue(), alive: d.Alive}
	now, err := d.commands.Ask(ctx, use.Serial, "date +%s.%N", 64)
	if err != nil {
		return nil, err
	}
	if s.begun, err = parseClock(string(now)); err != nil {
		return nil, err
	}
	if q.ago >= 0 {
		q.since = s.begun.Add(-q.ago)
	}
	if q.app != "" {
		if s.app, err = d.findApp(ctx, use.Serial, q.app); err != nil {
			return nil, err
		}
	}
	if slices.Contains(q.buffers, eventsBuffer) {
		tags, err := d.commands.Ask(ctx, use.Serial, eventTags, maxAnswer)
		if err != nil {
			return nil, err
		}
		s.read.events = parseEventTags(string(tags))
	}
	s.backlog = newBacklog(q.lines, s.queue)
	if s.process, err = d.guest.Start(ctx, use.Serial, adb.ShellStart{Command: q.command()}); err != nil {
		return nil, guestcommand.CauseOf(ctx, err)
	}
	return s, nil
}

// parseClock reads seconds since 1970 with a fraction. An old date has no %N and leaves it as it is.
func parseClock(text string) (time.Time, error) {
	at, err := time.ParseDuration(strings.TrimSuffix(strings.TrimSpace(text), ".%N") + "s")
	if err != nil {
		return time.Time{}, fault.Unavailablef("the device does not tell its time: %q", clip(strings.TrimSpace(text)))
	}
	return time.Unix(0, int64(at)), nil
}

// command is logcat's. Of the filters it gets what saves most: the rest is done here.
func (q *query) command() string {
	words := []string{"logcat", "-B", "-b", strings.Join(q.buffers, ",")}
	if !q.follow {
		words = append(words, "-d")
	}
	if !q.since.IsZero() {
		words = append(words, "-T", formatClock(q.since))
	}
	return "exec " + guestcommand.Line(words...)
}

// formatClock is a time for -T, in seconds since 1970, which no time zone changes. It has milliseconds on every
// release; what they let through is left out here.
func formatClock(t time.Time) string { return fmt.Sprintf("%d.%03d", t.Unix(), t.Nanosecond()/1e6) }

// serve streams until the end, and says why it came.
func (s *stream) serve(ctx context.Context, w *bufio.Writer) error {
	ended := make(chan error, 1)
	go func() {
		err := s.pull(ctx)
		s.backlog.end()
		ended <- err
		s.queue.close()
	}()
	closeIt := func() { _ = s.process.Close() } // the guest's logcat is hung up on
	defer context.AfterFunc(s.use.Context, closeIt)()
	defer context.AfterFunc(ctx, closeIt)()
	err := s.push(ctx, w)
	closeIt()
	why := <-ended
	if err != nil {
		return err
	}
	return s.writeEnd(w, s.reason(ctx, why))
}

// pull takes what the device sends, as fast as it comes, until it ends.
func (s *stream) pull(ctx context.Context) error {
	for {
		kind, data, err := s.process.Next()
		switch {
		case errors.Is(err, io.EOF):
			code, _ := s.process.Wait() // it has ended
			return fmt.Errorf("its exit code is %d", code)
		case err != nil:
			return err
		case kind == adb.Stderr:
			s.said = append(s.said, data[:min(len(data), maxSaid-len(s.said))]...)
			continue
		}
		s.backlog.stir()
		if err := s.read.feed(data, func(r *record) { s.take(ctx, r) }); err != nil {
			return err
		}
	}
}

// take queues a record that is wanted.
func (s *stream) take(ctx context.Context, r *record) {
	if !s.wants(ctx, r) {
		return
	}
	if s.text {
		s.line = appendText(s.line[:0], r)
	} else {
		s.line = appendLog(s.line[:0], r)
	}
	s.backlog.add(s.line, r.Time.After(s.begun))
}

func (s *stream) wants(ctx context.Context, r *record) bool {
	least := s.level
	if s.tags != nil {
		var named bool
		if least, named = s.tags[r.Tag]; !named {
			return false
		}
	}
	return strings.IndexByte(levels, r.Level) >= strings.IndexByte(levels, least) &&
		(s.pid == 0 || r.PID == s.pid) && !r.Time.Before(s.since) &&
		(s.pattern == nil || s.pattern.MatchString(r.Message)) &&
		(s.app == nil || s.app.wrote(ctx, r))
}

// reason says why a stream ended.
func (s *stream) reason(ctx context.Context, why error) string {
	if fault.Is(why, fault.Unavailable) { // the connection is lost before the sandbox's actor knows why
		late := time.NewTimer(2 * time.Second)
		defer late.Stop()
		select {
		case <-s.use.Context.Done():
		case <-ctx.Done():
		case <-late.C:
		}
	}
	said := strings.TrimSpace(string(s.said))
	switch {
	case s.use.Context.Err() != nil:
		return context.Cause(s.use.Context).Error()
	case ctx.Err() != nil:
		return context.Cause(ctx).Error()
	case said != "":
		return "logcat ended: " + said
	case !s.follow:
		return "that is all there is"
	default:
		return "logcat ended: " + why.Error()
	}
}
