package cvd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// LauncherState is what a device's launcher said about itself.
type LauncherState int

// The states. Only an answer is proof of life, and only a refused or missing socket is proof that no
// launcher listens; the rest is not known.
const (
	LauncherUnknown LauncherState = iota
	LauncherAlive
	LauncherAbsent
)

// String returns the name used in evidence.
func (s LauncherState) String() string {
	switch s {
	case LauncherAlive:
		return "alive"
	case LauncherAbsent:
		return "absent"
	case LauncherUnknown:
		return "unknown"
	}
	return fmt.Sprintf("launcher state %d", int(s))
}

// launcherAnswer is how long a launcher may take. It serves one client at a time, so a stuck client
// makes it silent without anything being wrong with the device.
const launcherAnswer = 2 * time.Second

// ProbeLauncher asks the launcher behind the socket for its status, without cvd: one byte there
// ('I'), one byte back ('S' = fine; launcher_monitor of run_cvd). With LauncherUnknown the error says
// why it is not known; otherwise it is nil. The connection is closed at once, because an open one
// keeps cvd itself out.
func ProbeLauncher(ctx context.Context, h host.Host, socket string) (LauncherState, error) {
	ctx, cancel := context.WithTimeout(ctx, launcherAnswer)
	defer cancel()
	op := "ask the launcher at " + socket
	conn, err := h.Dial(ctx, "unix", socket)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) || missing(err) {
			return LauncherAbsent, nil
		}
		// A host that is reached through a tunnel may not say why the dial failed.
		if _, statErr := h.Stat(ctx, socket); missing(statErr) {
			return LauncherAbsent, nil
		}
		return LauncherUnknown, fault.Op(op, err)
	}
	defer func() { _ = conn.Close() }() // nothing is lost with it
	answer, err := askStatus(ctx, conn)
	switch {
	case err != nil && ctx.Err() != nil:
		return LauncherUnknown, fault.Op(op+": no answer", ctx.Err())
	case err != nil:
		return LauncherUnknown, fault.Wrap(fault.Unavailable, op, err)
	case answer != 'S':
		return LauncherUnknown, fault.Unavailablef("%s: it answered %q", op, answer)
	}
	return LauncherAlive, nil
}

func askStatus(ctx context.Context, conn net.Conn) (byte, error) {
	// Closing is what ends a read on every kind of connection; tunnelled ones have no deadlines.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := conn.Write([]byte{'I'}); err != nil {
		return 0, err
	}
	var answer [1]byte
	_, err := io.ReadFull(conn, answer[:])
	return answer[0], err
}
