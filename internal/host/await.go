package host

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/fault"
)

// awaitPoll is how often /proc is read where the kernel has no pidfd_open (before Linux 5.10).
const awaitPoll = 50 * time.Millisecond

// Await returns when the process is gone; see [Host]. The exit code is told to those who wait
// at the process's end, or else to the first who asks; after that it is ExitUnknown.
func (l *Local) Await(ctx context.Context, id ProcessID) (int, error) {
	if e := l.exit.get(id); e != nil {
		select {
		case <-e.done:
			l.exit.forget(id)
			return e.code, nil
		case <-ctx.Done():
			return ExitUnknown, awaitEnded(ctx)
		}
	}
	return ExitUnknown, awaitForeign(ctx, id)
}

func awaitEnded(ctx context.Context) error { return ended(ctx, "wait for a process to end") }

// awaitForeign waits for a process that is no child of this runner.
func awaitForeign(ctx context.Context, id ProcessID) error {
	fd, err := openPidfd(id)
	if errors.Is(err, errGone) {
		return nil
	}
	if err == nil {
		defer fd.Close()
		if err := awaitReadable(ctx, fd); !errors.Is(err, errNoPoll) {
			return err
		}
	}
	return awaitPolling(ctx, id)
}

var (
	errGone   = errors.New("process is gone")
	errNoPoll = errors.New("descriptor cannot be waited for")
)

// openPidfd opens the process id and nobody else: the start time is compared after the
// descriptor pins the process. errGone when it has ended.
func openPidfd(id ProcessID) (*os.File, error) {
	fd, err := unix.PidfdOpen(id.PID, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	if !alive(id) {
		f.Close()
		return nil, errGone
	}
	return f, nil
}

// alive reports whether the process exists and has not ended. A zombie has ended.
func alive(id ProcessID) bool {
	row, err := readStat(id.PID)
	return err == nil && row.start == id.Start && !row.zombie()
}

// awaitReadable waits, without holding a thread, until the pidfd says that the process ended.
func awaitReadable(ctx context.Context, fd *os.File) error {
	if fd.SetReadDeadline(time.Time{}) != nil {
		return errNoPoll
	}
	conn, err := fd.SyscallConn()
	if err != nil {
		return errNoPoll
	}
	stop := context.AfterFunc(ctx, func() { _ = fd.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = conn.Read(readable)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return awaitEnded(ctx)
	default:
		return errNoPoll
	}
}

func readable(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

func awaitPolling(ctx context.Context, id ProcessID) error {
	tick := time.NewTicker(awaitPoll)
	defer tick.Stop()
	for {
		switch row, err := readStat(id.PID); {
		case fault.Is(err, fault.NotFound):
			return nil
		case err != nil:
			return err
		case row.start != id.Start || row.zombie():
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return awaitEnded(ctx)
		}
	}
}
