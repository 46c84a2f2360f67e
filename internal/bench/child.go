package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// child is a process that the bench started and will end.
type child struct {
	name string
	cmd  *exec.Cmd
	log  string // file of its stdout and stderr
	gone chan struct{}
}

// startChild starts a program that writes to the log file. The caller stops it.
func startChild(ctx context.Context, log string, env []string, program string, args ...string) (*child, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	// The end of ctx must not kill at random: rows stop their children in order.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, out
	// A group of its own leaves Ctrl-C to us; the death signal covers our own kill -9.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{name: cmd.Path, cmd: cmd, log: log, gone: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(c.gone)
	}()
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// ended returns an error once the process is gone.
func (c *child) ended() error {
	select {
	case <-c.gone:
		return fmt.Errorf("%s ended by itself: %v; it said:\n%s", c.name, c.cmd.ProcessState, c.tail())
	default:
		return nil
	}
}

// stop asks the process to end, and after the limit ends it. An error says that it had to.
func (c *child) stop(limit time.Duration) error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.gone:
		return nil
	case <-time.After(limit):
	}
	_ = c.cmd.Process.Kill()
	<-c.gone
	return fmt.Errorf("%s did not stop within %s; it said:\n%s", c.name, limit, c.tail())
}

// tail returns the last lines of the log, long ones cut.
func (c *child) tail() string {
	const most, width = 8, 300
	data, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	lines = lines[max(0, len(lines)-most):]
	for i, line := range lines {
		if len(line) > width {
			lines[i] = strings.ToValidUTF8(line[:width], "") + "…"
		}
	}
	return strings.Join(lines, "\n")
}

// await calls check every so often until it returns nil; after the limit it returns what check
// said last. An error that is final is returned at once.
func await(ctx context.Context, limit, every time.Duration, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := check()
		var final finalError
		if err == nil || errors.As(err, &final) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %w", what, limit, err)
		}
	}
}

// finalError tells await that waiting longer is useless.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// freeAddress returns a loopback address on which nothing listens now.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
