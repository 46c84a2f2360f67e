package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// adb is the system's adb with a server of its own, connected to one device.
type adb struct {
	path, port, serial string
	env                []string
	server             *child
	clientCPU          atomic.Int64 // nanoseconds of all ended clients
}

// startADB starts a private server in the foreground, so that its pid and its end are ours,
// and connects it to the device. An absentError where adb is not installed.
func (l *lab) startADB(ctx context.Context, d device) (*adb, error) {
	path, err := exec.LookPath("adb")
	if err != nil {
		return nil, absentError{"adb is not on PATH; it is the baseline"}
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	a := &adb{path: path, port: port, serial: "127.0.0.1:" + strconv.Itoa(d.ADBPort)}
	// Its keys and its log stay in the lab.
	a.env = append(append([]string{}, l.env...), "HOME="+l.dir, "TMPDIR="+l.dir)
	if a.server, err = startChild(ctx, l.path("adb.log"), a.env, path, "-P", port, "nodaemon", "server"); err != nil {
		return nil, err
	}
	if err := a.connect(ctx, addr); err != nil {
		return nil, errors.Join(err, a.stop())
	}
	return a, nil
}

func (a *adb) stop() error { return a.server.stop(5 * time.Second) }

// connect waits for the server and then for the device.
func (a *adb) connect(ctx context.Context, server string) error {
	err := await(ctx, 10*time.Second, 10*time.Millisecond, "the adb server listens", func() error {
		if err := a.server.ended(); err != nil {
			return finalError{err}
		}
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp4", server)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	if err != nil {
		return err
	}
	return await(ctx, 20*time.Second, 100*time.Millisecond, "adb connects to "+a.serial, func() error {
		said, err := a.command(ctx, "connect", a.serial).CombinedOutput()
		if err != nil {
			return fmt.Errorf("adb connect: %w: %s", err, said)
		}
		if !strings.Contains(string(said), "connected to") { // adb 1.0.41 exits with 0 either way
			return fmt.Errorf("adb connect said %q", said)
		}
		return a.shellTrue(ctx)
	})
}

func (a *adb) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, a.path, append([]string{"-P", a.port}, args...)...)
	cmd.Env = a.env
	return cmd
}

// shellTrue forks adb for a command that does nothing. Safe for concurrent use.
func (a *adb) shellTrue(ctx context.Context) error {
	cmd := a.command(ctx, "-s", a.serial, "shell", "true")
	err := cmd.Run()
	if state := cmd.ProcessState; state != nil {
		a.clientCPU.Add(int64(state.UserTime() + state.SystemTime()))
	}
	if err != nil {
		return fmt.Errorf("adb shell true: %w", err)
	}
	return nil
}

// cpu returns what the server and all ended clients used so far.
func (a *adb) cpu() (time.Duration, error) {
	server, err := cpuOf(a.server.pid())
	return server + time.Duration(a.clientCPU.Load()), err
}
