package apps

import (
	"context"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/apps/fetch"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Guest opens services of devices, for what a shell does not do. It is safe for concurrent use; *adb.Device says what the
// methods promise. ABBExec is Unsupported before Android 11.
type Guest interface {
	ABBExec(ctx context.Context, serial string, args []string) (net.Conn, error)
	Exec(ctx context.Context, serial, command string) (net.Conn, error)
}

// Options bound what callers can ask for. Zero fields mean the default.
type Options struct {
	SpoolDir   string         // where uploads wait, on a disk with room; os.TempDir
	MaxAPK     int64          // bytes of an installation, all its APKs; 4 GiB
	MaxJSON    int64          // bytes of a body in JSON; 64 MiB
	Installs   int            // at a time, on all devices; of one device they follow each other; 4
	Install    time.Duration  // of one installation, from its request to its answer; 30 min
	Launch     time.Duration  // for a device to start an app; 60 s
	Watch      time.Duration  // how long a started app is watched for a crash, when the caller does not say; 700 ms
	Query      time.Duration  // for all else that is asked of a device; 30 s
	Abandon    time.Duration  // for a device to drop a session when nobody waits any more; 10 s
	AllowFetch []netip.Prefix // networks from which URLs may be fetched although they are not public
	Fetch      fetch.Options  // Allow is set from AllowFetch
}

func (o Options) orDefault() Options {
	orDefault(&o.SpoolDir, os.TempDir())
	orDefault(&o.MaxAPK, 4<<30)
	orDefault(&o.MaxJSON, 64<<20)
	orDefault(&o.Installs, 4)
	orDefault(&o.Install, 30*time.Minute)
	orDefault(&o.Launch, time.Minute)
	orDefault(&o.Watch, 700*time.Millisecond)
	orDefault(&o.Query, 30*time.Second)
	orDefault(&o.Abandon, 10*time.Second)
	o.Fetch.Allow = o.AllowFetch
	return o
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Door has the handlers. It is safe for concurrent use.
type Door struct {
	kit     *android.Kit
	guest   Guest
	starter guestshell.Starter
	fetcher *fetch.Client
	Options
	installs chan struct{} // one for each installation at work
	turns    turns
}

// New makes the door.
func New(kit *android.Kit, guest Guest, starter guestshell.Starter, o Options) *Door {
	o = o.orDefault()
	return &Door{
		kit: kit, guest: guest, starter: starter, Options: o, fetcher: fetch.New(o.Fetch),
		installs: make(chan struct{}, o.Installs), turns: turns{of: map[string]chan struct{}{}},
	}
}

// Routes is the door's table, for [android.Mount].
func (d *Door) Routes() []transport.Route {
	post := func(path string, h transport.Handler) transport.Route {
		return transport.Route{Method: http.MethodPost, Path: "/android" + path, Handler: h, Slow: true}
	}
	install := post("/install", d.install)
	install.Streams, install.BodyLimit = true, math.MaxInt
	return []transport.Route{
		install,
		post("/uninstall", d.uninstall),
		{Method: http.MethodGet, Path: "/android/packages", Handler: d.packages, Slow: true},
		{Method: http.MethodGet, Path: "/android/packages/{package}", Handler: d.details, Slow: true},
		post("/launch", d.launch),
		post("/stop", d.stop),
		post("/clear", d.clear),
		post("/grant", d.permissions("grant")),
		post("/revoke", d.permissions("revoke")),
	}
}

// turns let one installation at a time into each device.
type turns struct {
	mu sync.Mutex
	of map[string]chan struct{} // by serial, of which a host has few
}

// take waits for the turn of a device.
func (t *turns) take(ctx context.Context, serial string) (leave func(), err error) {
	t.mu.Lock()
	turn := t.of[serial]
	if turn == nil {
		turn = make(chan struct{}, 1)
		t.of[serial] = turn
	}
	t.mu.Unlock()
	return enter(ctx, turn)
}

// enter waits for a place in a channel of them.
func enter(ctx context.Context, places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
