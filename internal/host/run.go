package host

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/fault"
)

// pipeGrace is how long output is read after the command itself has ended. Whoever keeps the
// pipe longer is a background child, and what it says no longer belongs to the command.
const pipeGrace = time.Second

// Run runs cmd to its end; see [Host].
func (l *Local) Run(ctx context.Context, cmd Command) (Result, error) {
	if ctx.Err() != nil {
		return Result{}, ended(ctx, "run "+cmd.String())
	}
	c, err := l.prepare(cmd)
	if err != nil {
		return Result{}, err
	}
	limit := cmd.Out
	if limit <= 0 {
		limit = defaultOut
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stdout := &head{limit: limit, full: cancel}
	stderr := &tail{limit: stderrTail}
	c.Stdout, c.Stderr, c.WaitDelay = stdout, stderr, pipeGrace

	begun := time.Now()
	if err := c.Start(); err != nil {
		return Result{}, startError(cmd, err)
	}
	killed := endGroup(ctx, c.Process.Pid, cmd.Wait)
	err = c.Wait()
	res := Result{Stdout: stdout.buf, Stderr: stderr.bytes(), Took: time.Since(begun)}
	err = outcome(ctx, cmd, res, killed, stdout.over, err)
	l.log.Debug("command ended", zap.String("cmd", cmd.String()), zap.Duration("took", res.Took), zap.Error(err))
	return res, err
}

// endGroup returns when the process has ended, by itself or because ctx did and its group was
// killed. The process is not reaped yet: while it is a zombie its pid, and with it the group's
// number, cannot be given to another, so the kill can hit no stranger.
func endGroup(ctx context.Context, pid int, grace time.Duration) (killed bool) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		waitExited(pid)
	}()
	select {
	case <-gone:
		return false
	case <-ctx.Done():
	}
	select {
	case <-gone: // both at once: it ended by itself
		return false
	default:
	}
	if grace > 0 {
		_ = syscall.Kill(-pid, syscall.SIGTERM) // fails only when the group is gone
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-gone:
		case <-timer.C:
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL) // also what outlived its leader
	<-gone
	return true
}

// waitExited waits for a child without reaping it.
func waitExited(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return // ended, or (ECHILD) not ours to wait for: Wait will say
		}
	}
}

func outcome(ctx context.Context, cmd Command, res Result, killed, over bool, err error) error {
	op := "run " + cmd.String()
	if over {
		return fault.New(fault.TooLarge, "%s: more than %d bytes of output", op, len(res.Stdout))
	}
	if killed {
		op += fmt.Sprintf(": killed after %v", res.Took.Round(time.Millisecond))
		return ended(ctx, op)
	}
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.As(err, &exit):
		return &ExitError{Args: cmd.Args, Code: exitCode(exit.ProcessState.Sys()), Stderr: res.Stderr}
	default:
		return wrap(op, err)
	}
}

// exitCode is the status as a shell tells it: 128+n for signal n.
func exitCode(sys any) int {
	status, ok := sys.(syscall.WaitStatus)
	switch {
	case !ok:
		return ExitUnknown
	case status.Signaled():
		return 128 + int(status.Signal())
	default:
		return status.ExitStatus()
	}
}
