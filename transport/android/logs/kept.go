package logs

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

// removeLimit is how long a device has to delete a report.
const removeLimit = 10 * time.Second

// reports are those that are being made, and those that wait in their devices to be fetched, at most one of each for
// a sandbox. The zero value is ready.
type reports struct {
	mu     sync.Mutex
	making map[sandbox.ID]bool
	kept   map[sandbox.ID]*kept
}

// kept is a report that lies in its device.
type kept struct {
	secret, serial, path, name string
	size                       int
	late                       *time.Timer
}

// begin reports whether a report may be made now; end comes after it.
func (r *reports) begin(id sandbox.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.making[id] {
		return false
	}
	if r.making == nil {
		r.making, r.kept = map[sandbox.ID]bool{}, map[sandbox.ID]*kept{}
	}
	r.making[id] = true
	return true
}

func (r *reports) end(id sandbox.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.making, id)
}

// keep keeps a report until it is taken or limit has passed, which calls expired. That which was kept before is
// returned, to be removed.
func (r *reports) keep(id sandbox.ID, k *kept, limit time.Duration, expired func()) (before *kept) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before = r.kept[id]
	if before != nil {
		before.late.Stop()
	}
	k.late = time.AfterFunc(limit, func() {
		if r.take(id, k.secret) != nil {
			expired()
		}
	})
	r.kept[id] = k
	return before
}

// take returns the report with the secret, once.
func (r *reports) take(id sandbox.ID, secret string) *kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.kept[id]
	if k == nil || k.secret != secret {
		return nil
	}
	delete(r.kept, id)
	k.late.Stop()
	return k
}

// streamProgress makes a report and tells how far it has come, as events; the last one is result or error.
func (d *Door) streamProgress(c *transport.Ctx, use *android.Use, end func()) {
	c.SetHeader("Cache-Control", "no-cache")
	c.SetHeader("X-Accel-Buffering", "no")
	c.StreamLive("text/event-stream", func(ctx context.Context, w *bufio.Writer) error {
		defer end()
		defer context.AfterFunc(ctx, use.End)() // a client that is gone wants no report
		say := func(event string, data any) error {
			if _, err := w.Write(appendEvent(nil, event, data)); err != nil {
				return err
			}
			return w.Flush()
		}
		if err := say("begin", map[string]string{"sandbox": string(use.ID)}); err != nil {
			return err
		}
		result, err := d.makeAndKeep(use, func(done, total int) error {
			return say("progress", map[string]int{"done": done, "total": total})
		})
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return say("error", map[string]string{"message": err.Error()})
		}
		return say("result", result)
	})
}

// result is where a report is to be fetched.
type result struct {
	// Download is relative to the request's own URL, so it holds through a proxy as well.
	Download string    `json:"download"`
	Name     string    `json:"name"`
	Size     int       `json:"size"`
	Until    time.Time `json:"until"`
}

func (d *Door) makeAndKeep(use *android.Use, step func(done, total int) error) (result, error) {
	path, err := d.produce(use, step)
	if err != nil {
		return result{}, err
	}
	said, err := use.Ask(guestcommand.Line("stat", "-c", "%s", path), maxSaid)
	if err != nil {
		return result{}, err
	}
	size, err := strconv.Atoi(strings.TrimSpace(string(said)))
	if err != nil || size <= 0 {
		return result{}, fault.Unavailablef("the device does not find its bug report: %s", clip(strings.TrimSpace(string(said))))
	}
	k := &kept{secret: strings.ToLower(rand.Text()), serial: use.Serial, path: path, name: reportName(use), size: size}
	id, serial := use.ID, use.Serial
	if before := d.reports.keep(id, k, d.Kept, func() { d.delete(context.Background(), serial, path) }); before != nil && before.path != path {
		d.remove(use, before.path)
	}
	return result{"bugreport/" + k.secret, k.name, size, time.Now().Add(d.Kept).UTC().Truncate(time.Second)}, nil
}

// fetch sends a report that was made with progress. It works once: the device's file is deleted.
func (d *Door) fetch(c *transport.Ctx) error {
	secret, err := c.Param("report")
	if err != nil {
		return err
	}
	use, err := d.kit.Take(c, d.Report)
	if err != nil {
		return err
	}
	if c.Fasthttp().IsHead() {
		use.End()
		c.Text(zipType, nil)
		return nil
	}
	k := d.reports.take(use.ID, secret)
	if k == nil {
		use.End()
		return fault.NotFoundf("there is no such bug report of sandbox %s: it can be fetched once, within %s", use.ID, d.Kept)
	}
	body, err := d.openFile(use, k.path)
	if err != nil {
		use.End()
		return err
	}
	d.send(c, use, k.name, k.size, body, use.End)
	return nil
}

// onceFile is a file of the device that is deleted when it is closed.
type onceFile struct {
	io.ReadCloser
	once   sync.Once
	remove func()
}

// Close may be called again, and from several goroutines.
func (f *onceFile) Close() error {
	err := f.ReadCloser.Close()
	f.once.Do(f.remove)
	return err
}

// remove deletes a report, also when the use has ended meanwhile.
func (d *Door) remove(use *android.Use, path string) {
	d.delete(context.WithoutCancel(use.Context), use.Serial, path)
}

func (d *Door) delete(ctx context.Context, serial, path string) {
	ctx, cancel := context.WithTimeout(ctx, removeLimit)
	defer cancel()
	if _, err := d.commands.Ask(ctx, serial, guestcommand.Line("rm", "-f", "--", path), maxSaid); err != nil {
		d.Log.Debug("a bug report is left in the device", zap.String(obs.Serial, serial), zap.Error(err))
	}
}
