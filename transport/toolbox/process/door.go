package process

import (
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Options bound what callers can ask for. Zero fields mean the default.
type Options struct {
	MaxOutput int64         // bytes of a command's output that are kept; 16 MiB
	MaxTime   time.Duration // of a command, whatever it asks for; 1 h
	Log       *zap.Logger   // nil: silent
}

// maxCommand is the largest body of process/execute.
const maxCommand = 16 << 20

// Door has the handlers. It is safe for concurrent use.
type Door struct {
	leases *lease.Leases
	shell  guestshell.Shell
	Options
}

// New makes the door.
func New(leases *lease.Leases, shell guestshell.Shell, o Options) *Door {
	if o.MaxOutput == 0 {
		o.MaxOutput = 16 << 20
	}
	if o.MaxTime == 0 {
		o.MaxTime = time.Hour
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("transport.process")
	return &Door{leases: leases, shell: shell, Options: o}
}

// Routes is the door's table, to be mounted wherever the toolbox is served.
func (d *Door) Routes() []transport.Route {
	return []transport.Route{
		{Method: http.MethodPost, Path: "/process/execute", Handler: d.execute, BodyLimit: maxCommand, Slow: true},
	}
}
