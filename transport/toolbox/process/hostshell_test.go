package process

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// hostShell is a Shell that runs scripts in the sh of the machine that tests, as adbd does in
// the guest: in a session of its own, hung up on when the caller is gone.
type hostShell struct{}

var _ guestshell.Shell = hostShell{}

func sessionCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGHUP) }
	cmd.WaitDelay = 100 * time.Millisecond // the rest of the group may hold the output
	return cmd
}

func (hostShell) Run(ctx context.Context, _ string, c guestshell.Script) (guestshell.Result, error) {
	cmd := sessionCommand(ctx, "sh")
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.Text), &out, &out
	err := cmd.Run()
	res := guestshell.Result{ExitCode: cmd.ProcessState.ExitCode(), Output: out.Bytes()}
	if over := int64(len(res.Output)) - c.MaxOutput; over > 0 {
		res.Output, res.Dropped = res.Output[:c.MaxOutput], over
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return res, fault.Wrap(fault.KindOf(ctx.Err()), "run shell command", ctx.Err())
	case errors.As(err, &exit):
		return res, nil
	default:
		return res, err
	}
}
