package host

import (
	"context"
	"os"
	"os/exec"
	"sync"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
)

// Launch starts cmd for longer than the runner may live; see [Host]. The output files belong
// to the device user, so that a later cvd can add to them.
func (l *Local) Launch(ctx context.Context, cmd Command, stdout, stderr string) (ProcessID, error) {
	if ctx.Err() != nil {
		return ProcessID{}, ended(ctx, "start "+cmd.String())
	}
	c, err := l.prepare(cmd)
	if err != nil {
		return ProcessID{}, err
	}
	out, err := l.openOutput(stdout)
	if err != nil {
		return ProcessID{}, err
	}
	defer out.Close() // the process has its own copy
	errs, err := l.openOutput(stderr)
	if err != nil {
		return ProcessID{}, err
	}
	defer errs.Close()
	c.Stdout, c.Stderr = out, errs
	if err := c.Start(); err != nil {
		return ProcessID{}, startError(cmd, err)
	}
	return l.adopt(c, cmd)
}

func (l *Local) openOutput(path string) (*os.File, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, wrap("", err)
	}
	if l.user.credential() != nil {
		if err := f.Chown(l.user.UID, l.user.GID); err != nil {
			f.Close()
			return nil, wrap("", err)
		}
	}
	return f, nil
}

// adopt names the started process and leaves it with the goroutine that will reap it. Until
// then it cannot vanish from /proc, so its start time is there to be read.
func (l *Local) adopt(c *exec.Cmd, cmd Command) (ProcessID, error) {
	row, err := readStat(c.Process.Pid)
	id := ProcessID{PID: c.Process.Pid, Start: row.start}
	e := l.exit.begin(id)
	go func() {
		_ = c.Wait() // a non-zero status is no failure of ours; it is in the process state
		code := ExitUnknown
		if c.ProcessState != nil {
			code = exitCode(c.ProcessState.Sys())
		}
		l.exit.end(id, e, code)
		l.log.Debug("launched process ended", zap.String("cmd", cmd.String()), zap.Int("exit_code", code))
	}()
	if err != nil {
		return ProcessID{}, fault.Op("start "+cmd.String()+": read its start time", err)
	}
	return id, nil
}

// keptExits bounds the exit codes that nobody has asked for.
const keptExits = 256

// exits holds the processes launched here until somebody was told how they ended.
type exits struct {
	mu    sync.Mutex
	byID  map[ProcessID]*exit
	ended []ProcessID // oldest first; those told meanwhile are no longer in byID
}

type exit struct {
	done chan struct{} // closed when the process is reaped
	code int           // valid once done is closed
}

func newExits() *exits { return &exits{byID: map[ProcessID]*exit{}} }

func (x *exits) begin(id ProcessID) *exit {
	e := &exit{done: make(chan struct{}), code: ExitUnknown}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.byID[id] = e
	return e
}

func (x *exits) end(id ProcessID, e *exit, code int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e.code = code
	close(e.done)
	x.ended = append(x.ended, id)
	for len(x.ended) > keptExits {
		delete(x.byID, x.ended[0])
		x.ended = x.ended[1:]
	}
}

func (x *exits) get(id ProcessID) *exit {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.byID[id]
}

func (x *exits) forget(id ProcessID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.byID, id)
}
