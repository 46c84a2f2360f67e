package host

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Signal sends sig to the process or its group; see [Host]. It refuses init, the runner and
// the runner's own group: no caller can mean those.
//
// For a group there is no descriptor that pins it: between the comparison of start times and
// the kill, microseconds later, a pid could in theory change hands.
func (l *Local) Signal(ctx context.Context, id ProcessID, sig syscall.Signal, group bool) error {
	if ctx.Err() != nil {
		return ended(ctx, "signal a process")
	}
	if id.PID <= 1 || id.PID == os.Getpid() {
		return fault.Internalf("signal %v to process %d: refused", sig, id.PID)
	}
	if group {
		return signalGroup(id, sig)
	}
	fd, err := openPidfd(id)
	switch {
	case errors.Is(err, errGone):
		return nil
	case err != nil: // no pidfd_open on this kernel
		return signalPID(id, sig)
	}
	defer fd.Close()
	return signalled(id, sig, unix.PidfdSendSignal(int(fd.Fd()), sig, nil, 0))
}

func signalPID(id ProcessID, sig syscall.Signal) error {
	if !alive(id) {
		return nil
	}
	return signalled(id, sig, syscall.Kill(id.PID, sig))
}

// signalGroup also reaches the group of a leader that is a zombie.
func signalGroup(id ProcessID, sig syscall.Signal) error {
	row, err := readStat(id.PID)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && row.start != id.Start:
		return nil
	case err != nil:
		return err
	case row.pgid <= 1 || row.pgid == syscall.Getpgrp():
		return fault.Internalf("signal %v to the group %d of process %d: refused", sig, row.pgid, id.PID)
	}
	return signalled(id, sig, syscall.Kill(-row.pgid, sig))
}

func signalled(id ProcessID, sig syscall.Signal, err error) error {
	if err == nil || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return fault.Wrap(fault.Internal, "signal "+sig.String()+" to "+procPath(id.PID, ""), err)
}
