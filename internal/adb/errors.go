package adb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// Errors that callers branch on. All come wrapped, with a fault kind.
var (
	// ErrClosed: the connection is gone, and every stream with it. What was under way on the
	// device may have happened. Unavailable.
	ErrClosed = errors.New("connection lost")
	// ErrRefused: the device has no such service, or nothing listens behind it. Unavailable.
	ErrRefused = errors.New("refused by the device")
	// ErrNoExit: the command's stream ended without an exit code. Unavailable.
	ErrNoExit = errors.New("device lost: the output ended without an exit code")
	// ErrNoSpace: the device's file system is full. Exhausted.
	ErrNoSpace = errors.New("no space left on the device")
	// ErrAuthRequired: the device demands a key that it knows, and knows none of ours. Forbidden.
	ErrAuthRequired = errors.New("the device demands a key that it knows (AUTH)")
	// ErrTLSRequired: the device answered CNXN with STLS. Unavailable.
	ErrTLSRequired = errors.New("the device demands TLS (STLS), which only Wi-Fi pairing uses: " +
		"this is not the port of a virtual device")
)

var (
	errStuck     = errors.New("the device took no data in time")
	errRestarted = errors.New("the device began a new session")
	errFlooded   = errors.New("the device sends requests and does not read the answers")
	errHandedIn  = errors.New("closed by the runner")
	errIdle      = errors.New("not used for a while")
	errNoPong    = errors.New("the device did not answer a ping in time")
	errSilent    = errors.New("accepted, but no CNXN came in time: adbd is not up, or hangs")
)

// lostError says that the connection to serial ended, and why.
func lostError(serial string, cause error) error {
	if errors.Is(cause, io.EOF) {
		cause = errors.New("the device hung up")
	}
	return &fault.Error{
		Kind: fault.Unavailable,
		Op:   "adb " + serial,
		Err:  fmt.Errorf("%w: %w", ErrClosed, cause),
	}
}

// handshakeError says why no connection to serial came about.
func handshakeError(ctx context.Context, serial string, cause error) error {
	kind := fault.Unavailable
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		kind, cause = fault.Cancelled, ctx.Err()
	case errors.Is(cause, ErrAuthRequired):
		kind = fault.Forbidden
	case ctx.Err() != nil:
		cause = errSilent
	case errors.Is(cause, io.EOF):
		// Cuttlefish's socket proxy closes the accepted connection when the guest's vsock
		// does not answer (socket_vsock_proxy).
		cause = errors.New("hung up before CNXN: the guest is not up yet")
	}
	return &fault.Error{Kind: kind, Op: "connect to adb " + serial, Err: cause}
}

// openError says why a service could not be opened. Only the service's name is told: what
// stands behind the colon may be a user's command.
func openError(serial string, payload []byte, cause error) error {
	name := serviceName(string(payload[:min(len(payload), 64)]))
	kind := fault.KindOf(cause)
	if errors.Is(cause, ErrRefused) {
		kind = fault.Unavailable
	}
	return &fault.Error{Kind: kind, Op: fmt.Sprintf("open %q on adb %s", name, serial), Err: cause}
}

// absentError says that serial is not connected, since when and why.
func absentError(serial string, since time.Time, cause error) error {
	kind := fault.Unavailable
	if errors.Is(cause, ErrAuthRequired) {
		kind = fault.Forbidden // trying again will not help
	}
	return &fault.Error{
		Kind: kind,
		Msg: fmt.Sprintf("no adb connection to %s since %s (%s)", serial,
			since.UTC().Format(time.RFC3339), time.Since(since).Round(time.Millisecond)),
		Err: cause,
	}
}

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", wire.ErrMalformed, fmt.Sprintf(format, args...))
}
