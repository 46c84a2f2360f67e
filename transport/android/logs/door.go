package logs

import (
	"context"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Guest is what the door needs of devices. It is safe for concurrent use.
type Guest interface {
	guestshell.Shell
	guestshell.Starter
	// Recv reads a file of the device with this serial, as adb pull does. The caller closes it.
	Recv(ctx context.Context, serial, path string) (io.ReadCloser, error)
}

// Options bound what callers can ask for. Zero fields mean the default.
type Options struct {
	Streams int           // of the log at a time for one sandbox; 8
	Alive   time.Duration // between two comments on a quiet stream; 15 s
	Ask     time.Duration // for a question to the device, before a stream begins; 15 s
	Report  time.Duration // for a bug report to be made and sent; 20 min
	Kept    time.Duration // for a finished report to be fetched; 10 min
	Log     *zap.Logger   // nil: silent
}

// Door has the handlers. It is safe for concurrent use.
type Door struct {
	kit      *android.Kit
	guest    Guest
	commands guestcommand.Commander
	Options

	streams lease.Places
	reports reports
}

// New makes the door.
func New(kit *android.Kit, guest Guest, o Options) *Door {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.Alive, 15*time.Second)
	set(&o.Ask, 15*time.Second)
	set(&o.Report, 20*time.Minute)
	set(&o.Kept, 10*time.Minute)
	if o.Streams == 0 {
		o.Streams = 8
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("transport.logs")
	return &Door{kit: kit, guest: guest, commands: guestcommand.Commander{Shell: guest}, Options: o}
}

// Routes is the door's table, to be mounted with [android.Mount].
func (d *Door) Routes() []transport.Route {
	return []transport.Route{
		{Method: http.MethodGet, Path: "/android/logcat", Handler: d.logcat, Slow: true},
		{Method: http.MethodGet, Path: "/android/bugreport", Handler: d.bugreport, Slow: true},
		{Method: http.MethodGet, Path: "/android/bugreport/{report}", Handler: d.fetch, Slow: true},
	}
}
