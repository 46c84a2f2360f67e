package session

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Options bound what callers can ask for. Zero fields mean the default.
type Options struct {
	Dir         string        // for files of sessions, in the guest; /data/local/tmp/.daytona
	MaxSessions int           // of a sandbox; 64
	MaxCommands int           // that a session remembers; half of them may wait; 256
	MaxLog      int           // bytes of a command's log; 10 MiB
	MaxLogs     int           // bytes of all logs and commands of a sandbox; 64 MiB
	MaxTime     time.Duration // that a request waits for its command; 1 h
	StartTime   time.Duration // for a shell to begin; 15 s
	EndTime     time.Duration // between asking a session to end and ending it; 5 s
	Linger      time.Duration // for a late word after a command's end; 1 s
	Log         *zap.Logger   // nil: silent
}

// maxCommand is the largest body of exec; one of input is smaller.
const maxCommand = 16 << 20

// Door has the handlers and the sessions. It is safe for concurrent use.
type Door struct {
	leases *lease.Leases
	shell  guestshell.Shell
	shells guestshell.Starter
	boxes  *lease.Kept[*box]
	Options
}

// New makes the door.
func New(leases *lease.Leases, shell guestshell.Shell, shells guestshell.Starter, o Options) *Door {
	orDefault(&o.Dir, "/data/local/tmp/.daytona")
	orDefault(&o.MaxSessions, 64)
	orDefault(&o.MaxCommands, 256)
	orDefault(&o.MaxLog, 10<<20)
	orDefault(&o.MaxLogs, 64<<20)
	orDefault(&o.MaxTime, time.Hour)
	orDefault(&o.StartTime, 15*time.Second)
	orDefault(&o.EndTime, 5*time.Second)
	orDefault(&o.Linger, time.Second)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("transport.session")
	return &Door{leases: leases, shell: shell, shells: shells, boxes: lease.Keep(newBox(o.MaxLogs), (*box).end), Options: o}
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Routes is the door's table, to be mounted wherever the toolbox is served.
func (d *Door) Routes() []transport.Route {
	const one, cmd = "/process/session/{session}", "/process/session/{session}/command/{command}"
	return []transport.Route{
		{Method: http.MethodPost, Path: "/process/session", Handler: d.create, Slow: true},
		{Method: http.MethodGet, Path: "/process/session", Handler: d.list},
		{Method: http.MethodGet, Path: "/process/session/entrypoint", Handler: d.entrypoint},
		{Method: http.MethodGet, Path: "/process/session/entrypoint/logs", Handler: d.entrypoint},
		{Method: http.MethodGet, Path: one, Handler: d.get},
		{Method: http.MethodDelete, Path: one, Handler: d.remove, Slow: true},
		{Method: http.MethodPost, Path: one + "/exec", Handler: d.exec, BodyLimit: maxCommand, Slow: true},
		{Method: http.MethodGet, Path: cmd, Handler: d.command},
		{Method: http.MethodGet, Path: cmd + "/logs", Handler: d.logs},
		{Method: http.MethodPost, Path: cmd + "/input", Handler: d.input},
	}
}

// box is the sessions of one leased device.
type box struct {
	serial string
	budget *budget

	mu       sync.Mutex
	ended    error
	sessions map[string]*session // nil while one is being made
}

func newBox(limit int) func(lease.Lease) *box {
	return func(l lease.Lease) *box {
		return &box{serial: l.Serial, budget: &budget{limit: limit}, sessions: map[string]*session{}}
	}
}

// end ends all sessions because the device may no longer be used.
func (b *box) end(cause error) {
	b.mu.Lock()
	b.ended = cause
	sessions := b.listLocked()
	b.mu.Unlock()
	for _, s := range sessions {
		s.end(cause)
		_ = s.proc.Close()
	}
}

func (b *box) listLocked() []*session {
	var all []*session
	for _, s := range b.sessions {
		if s != nil {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *session) int { return strings.Compare(a.id, b.id) })
	return all
}

func (b *box) list() []*session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.listLocked()
}

// reserve takes the name of a session that is to be made.
func (b *box) reserve(id string, limit int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, taken := b.sessions[id]; taken {
		return fault.Conflictf("session already exists")
	}
	if len(b.sessions) >= limit {
		return fault.Exhaustedf("the sandbox has %d sessions, which is the most: delete one", limit)
	}
	b.sessions[id] = nil
	return nil
}

// put fills a reserved name, or gives it up. It fails when the lease has ended meanwhile.
func (b *box) put(id string, s *session) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s == nil || b.ended != nil {
		delete(b.sessions, id)
		return b.ended
	}
	b.sessions[id] = s
	return nil
}

func (b *box) get(id string) (*session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sessions[id]; s != nil {
		return s, nil
	}
	return nil, fault.NotFoundf("session not found")
}

// take removes a session, for the one caller that ends it.
func (b *box) take(id string) (*session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[id]
	if s == nil {
		return nil, fault.NotFoundf("session not found")
	}
	delete(b.sessions, id)
	return s, nil
}

// open starts a session's shell, and returns when it is ready for commands.
func (d *Door) open(ctx context.Context, b *box, id string) (*session, error) {
	f := newFrames(d.Dir)
	proc, err := d.shells.Start(ctx, b.serial, adb.ShellStart{})
	if err != nil {
		return nil, err
	}
	s := newSession(d, id, b.serial, b.budget, proc, f)
	go s.run()
	select {
	case <-s.ready:
		return s, nil
	case <-s.over:
		err = fault.Unavailablef("the session's shell did not begin: %v", s.ended)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	s.end(err)
	_ = proc.Close()
	return nil, err
}

// close ends a session's shell and all it started: politely first.
func (d *Door) close(ctx context.Context, s *session) {
	run := func(script []byte) {
		ctx, cancel := context.WithTimeout(ctx, d.StartTime)
		defer cancel()
		_, err := d.shell.Run(ctx, s.serial, guestshell.Script{Text: script, MaxOutput: 4 << 10})
		if err != nil && !errors.Is(context.Cause(ctx), context.Canceled) {
			d.Log.Warn("session's remains not removed", zap.String(obs.Serial, s.serial), zap.Int(obs.PID, s.pid), zap.Error(err))
		}
	}
	s.end(errDeleted)
	run(guestshell.Terminate(s.pid))
	patience := time.NewTimer(d.EndTime)
	defer patience.Stop()
	select {
	case <-s.quiet:
	case <-patience.C:
	case <-ctx.Done():
	}
	run(append(s.frames.clean(), guestshell.Kill(s.pid)...))
	_ = s.proc.Close()
}

// errDeleted is what becomes of the commands of a session that is deleted.
var errDeleted = transport.Gonef("the session was deleted")

// trim forgets old commands of a session that has too many, or whose sandbox has.
func (d *Door) trim(s *session) {
	for len(s.list()) > d.MaxCommands && s.forgetOldest() {
	}
	for s.budget.add(0) > 0 && s.forgetOldest() {
	}
}
