package android

import (
	"context"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Kit is what the doors of Android's routes reach devices with. It is safe for concurrent use.
type Kit struct {
	leases   *lease.Leases
	commands guestcommand.Commander
}

// NewKit makes one.
func NewKit(leases *lease.Leases, shell guestshell.Shell) *Kit {
	return &Kit{leases: leases, commands: guestcommand.Commander{Shell: shell}}
}

// Use is one use of a device. It is for one goroutine.
type Use struct {
	ID     sandbox.ID
	Serial string
	// Context ends, with its cause, when the device leaves started, the runner stops, or the time is up.
	Context context.Context
	// Life is the device's: it is the same for all uses of it while it stays started.
	Life     context.Context
	commands guestcommand.Commander
	end      context.CancelFunc
}

// Take leases the device of the request's sandbox for at most limit, after which the use fails as a
// Timeout; 0 is no limit. The caller ends the use. NotFound and Conflict are those of [lease.Leases.Take].
func (k *Kit) Take(c *transport.Ctx, limit time.Duration) (*Use, error) {
	held, err := k.leases.Take(c)
	if err != nil {
		return nil, err
	}
	return k.use(held, limit), nil
}

func (k *Kit) use(held lease.Lease, limit time.Duration) *Use {
	u := &Use{ID: held.ID, Serial: held.Serial, Life: held.Context, commands: k.commands}
	if limit == 0 {
		u.Context, u.end = context.WithCancel(held.Context)
	} else {
		u.Context, u.end = context.WithTimeoutCause(held.Context, limit,
			fault.Timeoutf("the device took longer than %s; what it was told may still happen", limit))
	}
	return u
}

// End gives the device back. Everything that was begun with Context ends.
func (u *Use) End() { u.end() }

// Ask returns what a command prints, whatever its exit code; see [guestcommand.Commander.Ask].
func (u *Use) Ask(command string, limit int64) ([]byte, error) {
	return u.commands.Ask(u.Context, u.Serial, command, limit)
}

// Tell runs commands until one fails, and returns what they printed, 16 KiB at most. A device that refuses is
// 422 with its words.
func (u *Use) Tell(lines ...string) (said string, err error) {
	said, err = u.commands.Tell(u.Context, u.Serial, lines...)
	return said, Refused(err)
}

// Refused makes 422 of a device's refusal; other errors stay what they are.
func Refused(err error) error {
	if refusal, ok := guestcommand.IsRefusal(err); ok {
		return transport.Unprocessablef("%s", refusal.Error())
	}
	return err
}
