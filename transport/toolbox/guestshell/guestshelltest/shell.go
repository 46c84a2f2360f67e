package guestshelltest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Shell runs scripts as adbd does in the guest: in a session of their own, hung up on when the caller is gone.
type Shell struct {
	program string
	path    string
}

var _ guestshell.Shell = Shell{}

// Host is the sh of this machine with its commands.
func Host() Shell { return Shell{program: "sh", path: os.Getenv("PATH")} }

// Genuine is mksh with toybox's commands and no others.
func Genuine(t testing.TB) Shell {
	t.Helper()
	mksh, err := exec.LookPath("mksh")
	if err != nil {
		t.Skip("skipped: needs mksh")
	}
	toybox, err := exec.LookPath("toybox")
	if err != nil {
		t.Skip("skipped: needs toybox")
	}
	names, err := exec.CommandContext(t.Context(), toybox).Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range strings.Fields(string(names)) {
		if err := os.Symlink(toybox, filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
	return Shell{program: mksh, path: dir}
}

// Run implements guestshell.Shell.
func (s Shell) Run(ctx context.Context, _ string, c guestshell.Script) (guestshell.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(ctx, s.program)
	cmd.Env = []string{"PATH=" + s.path, "HOME=/", "TMPDIR=/data/local/tmp", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGHUP) }
	cmd.WaitDelay = 3 * time.Second // the rest of the group may hold the output
	said := &guestshell.Head{Max: c.MaxOutput}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.Text), said, said
	out := &output{w: c.Stdout, cancel: cancel}
	if c.Stdout != nil {
		cmd.Stdout = out
	}
	err := cmd.Run()
	res := guestshell.Result{ExitCode: cmd.ProcessState.ExitCode(), Output: said.Bytes, Dropped: said.Dropped}
	var exit *exec.ExitError
	switch cause := context.Cause(ctx); {
	case out.failed() != nil:
		return res, fault.Op("hand on the output", out.failed())
	case cause != nil:
		return res, fault.Wrap(fault.KindOf(cause), "run shell command", cause)
	case errors.As(err, &exit):
		return res, nil
	default:
		return res, err
	}
}

// output hands on what a script prints until that fails, which ends the script.
type output struct {
	w      interface{ Write([]byte) (int, error) }
	cancel context.CancelCauseFunc
	mu     sync.Mutex
	err    error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil {
		o.mu.Lock()
		o.err = err
		o.mu.Unlock()
		o.cancel(err)
	}
	return n, err
}

func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
