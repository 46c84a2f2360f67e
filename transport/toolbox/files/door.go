package files

import (
	"context"
	"errors"
	"math"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Options bound what callers can ask for. Zero fields mean the default.
type Options struct {
	Dir        string        // where relative paths begin; /sdcard
	Transfers  int           // at a time and device; 8
	Walks      int           // listings and searches at a time and device; 4
	Transfer   time.Duration // of one upload or download, all its files; 1 h
	Change     time.Duration // of all else, a removal of many files for instance; 10 min
	MaxEntries int           // names of a directory that is listed; 200,000
	MaxFound   int           // paths or lines that a search returns; 100,000
	Log        *zap.Logger   // nil: silent
}

func (o Options) orDefault() Options {
	orDefault(&o.Dir, "/sdcard")
	orDefault(&o.Transfers, 8)
	orDefault(&o.Walks, 4)
	orDefault(&o.Transfer, time.Hour)
	orDefault(&o.Change, 10*time.Minute)
	orDefault(&o.MaxEntries, 200_000)
	orDefault(&o.MaxFound, 100_000)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Devices finds devices by serial. It is safe for concurrent use.
type Devices interface {
	Get(serial string) (guestfiles.Device, error)
}

// Door has the handlers. It is safe for concurrent use.
type Door struct {
	leases    *lease.Leases
	devices   Devices
	shell     guestshell.Shell
	transfers *turns
	walks     *turns
	Options
}

// New makes the door.
func New(leases *lease.Leases, devices Devices, shell guestshell.Shell, o Options) *Door {
	o = o.orDefault()
	o.Log = o.Log.Named("transport.files")
	return &Door{leases, devices, shell, newTurns(o.Transfers), newTurns(o.Walks), o}
}

// Routes is the door's table, to be mounted wherever the toolbox is served.
func (d *Door) Routes() []transport.Route {
	change := func(h handler) transport.Handler { return d.with(d.Change, nil, h) }
	walk := func(h handler) transport.Handler { return d.with(d.Change, d.walks, h) }
	transfer := func(h handler) transport.Handler { return d.with(d.Transfer, d.transfers, h) }
	return []transport.Route{
		{Method: http.MethodGet, Path: "/files", Handler: walk(d.list), Slow: true},
		{Method: http.MethodDelete, Path: "/files", Handler: change(d.remove), Slow: true},
		{Method: http.MethodGet, Path: "/files/info", Handler: change(d.info), Slow: true},
		{Method: http.MethodGet, Path: "/files/download", Handler: transfer(d.download), Slow: true},
		{Method: http.MethodPost, Path: "/files/upload", Handler: transfer(d.upload), BodyLimit: math.MaxInt, Streams: true, Slow: true},
		{Method: http.MethodPost, Path: "/files/bulk-upload", Handler: transfer(d.bulkUpload), BodyLimit: math.MaxInt, Streams: true, Slow: true},
		{Method: http.MethodPost, Path: "/files/bulk-download", Handler: transfer(d.bulkDownload), Slow: true},
		{Method: http.MethodPost, Path: "/files/folder", Handler: change(d.folder), Slow: true},
		{Method: http.MethodPost, Path: "/files/move", Handler: change(d.move), Slow: true},
		{Method: http.MethodGet, Path: "/files/search", Handler: walk(d.search), Slow: true},
		{Method: http.MethodGet, Path: "/files/find", Handler: walk(d.find), Slow: true},
		{Method: http.MethodPost, Path: "/files/replace", Handler: transfer(d.replace), Slow: true},
		{Method: http.MethodPost, Path: "/files/permissions", Handler: change(d.permissions), Slow: true},
	}
}

// use is the use of one device by one request.
type use struct {
	*guestfiles.Files
	ctx  context.Context
	door *Door
	end  func() // of the use; nil when somebody else has taken it over
}

// takeOver returns the end of the use to whom it is for to call when the handler has returned.
func (u *use) takeOver() func() {
	end := u.end
	u.end = nil
	return end
}

// handler is one that uses a device.
type handler func(c *transport.Ctx, u *use) error

// with leases the device of the request for at most limit, waits for its turn, and tells why a handler was
// interrupted: the device left, time was up, the server stops.
func (d *Door) with(limit time.Duration, queue *turns, h handler) transport.Handler {
	return func(c *transport.Ctx) error {
		held, err := d.leases.Take(c)
		if err != nil {
			return err
		}
		device, err := d.devices.Get(held.Serial)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeoutCause(held.Context, limit, fault.Timeoutf("no end within %s", limit))
		leave, err := queue.take(ctx, held.Serial)
		if err != nil {
			cancel()
			return err
		}
		u := &use{guestfiles.New(device, d.shell, held.Serial), ctx, d, func() { leave(); cancel() }}
		defer func() {
			if u.end != nil {
				u.end()
			}
		}()
		err = u.reason(h(c, u))
		if errors.Is(err, guestfiles.ErrPartLeft) {
			d.Log.Warn("part not removed", zap.String(obs.Serial, held.Serial), zap.Error(err))
		}
		return err
	}
}

// reason prefers why the use was ended to what came of that.
func (u *use) reason(err error) error {
	if cause := context.Cause(u.ctx); cause != nil && err != nil && !errors.Is(err, guestfiles.ErrPartLeft) {
		return cause
	}
	return err
}

// path is the required parameter of that name as a path of the device.
func (u *use) path(c *transport.Ctx, name string) (string, error) {
	sent, err := c.Required(name)
	if err != nil {
		return "", err
	}
	return u.clean(sent)
}

func (u *use) clean(sent string) (string, error) { return guestfiles.Clean(u.door.Dir, sent) }

// turns are for a bounded number of uses of each device at a time.
type turns struct {
	most int
	mu   sync.Mutex
	of   map[string]chan struct{} // by serial, of which a host has few
}

func newTurns(most int) *turns { return &turns{most: most, of: map[string]chan struct{}{}} }

// take waits for a turn. Nil turns are without bound.
func (t *turns) take(ctx context.Context, serial string) (leave func(), err error) {
	if t == nil {
		return func() {}, nil
	}
	t.mu.Lock()
	turn := t.of[serial]
	if turn == nil {
		turn = make(chan struct{}, t.most)
		t.of[serial] = turn
	}
	t.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
