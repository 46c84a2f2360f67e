package toolbox

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/transport"
)

// Shell runs scripts in the shell of a device's guest. It is safe for concurrent use.
type Shell interface {
	// Run starts a shell on the device with this serial, in a session of its own, gives it the
	// script as standard input and waits until its output has ended. A command's exit code is
	// no error. Beside an error the result holds what had been printed. When ctx ends the
	// shell is hung up on, and nothing else of what it started.
	Run(ctx context.Context, serial string, cmd ShellCommand) (ShellResult, error)
}

// ShellCommand is one script.
type ShellCommand struct {
	Script    []byte // never modified; no longer used when Run has returned
	MaxOutput int64  // bytes kept of stdout and stderr together; what comes later is counted
}

// ShellResult is what became of a script.
type ShellResult struct {
	ExitCode int    // of the shell
	Output   []byte // in order of arrival
	Dropped  int64  // bytes over MaxOutput
}

// Options bound what callers can ask for. Zero fields mean the default.
type Options struct {
	MaxOutput int64         // bytes of a command's output that are kept; 16 MiB
	MaxTime   time.Duration // of a command, whatever it asks for; 1 h
	Log       *zap.Logger   // nil: silent
}

// maxCommand is the largest body of process/execute.
const maxCommand = 16 << 20

// Toolbox has the handlers. It is safe for concurrent use.
type Toolbox struct {
	actors transport.Asker
	shell  Shell
	leases *leases
	Options
}

// New makes the door.
func New(actors transport.Asker, shell Shell, o Options) *Toolbox {
	if o.MaxOutput == 0 {
		o.MaxOutput = 16 << 20
	}
	if o.MaxTime == 0 {
		o.MaxTime = time.Hour
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("transport.toolbox")
	return &Toolbox{actors: actors, shell: shell, leases: newLeases(), Options: o}
}

// Prefixes are where the routes are mounted: Daytona's proxy sends requests for the toolbox to
// the first, and those for the daemon's port to the second.
func Prefixes() []string {
	return []string{"/sandboxes/{id}/toolbox", "/sandboxes/{id}/toolbox/proxy/2280"}
}

// Routes is the door's table, to be mounted at each of Prefixes.
func (t *Toolbox) Routes() []transport.Route {
	return []transport.Route{
		{Method: http.MethodPost, Path: "/process/execute", Handler: t.execute, BodyLimit: maxCommand, Slow: true},
	}
}
