package launcher

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// HelperProgram is tombstone_receiver as the faults use it: a helper of a device that outlives it and
// holds a file (--hold=PATH) or a port (--listen=ADDRESS) until it is killed.
func HelperProgram(c simroot.Call) int {
	var held []io.Closer // until the end of the process
	for _, arg := range c.Args {
		h, err := hold(arg)
		if err != nil {
			fmt.Fprintln(c.Err, err)
			return 1
		}
		held = append(held, h)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, unix.SIGTERM, unix.SIGINT)
	if ready := os.NewFile(3, "ready"); ready != nil {
		ready.Close() // tells startHelper that all is held
	}
	<-end
	runtime.KeepAlive(held)
	return 0
}

// hold opens what an argument names.
func hold(arg string) (io.Closer, error) {
	if path, ok := strings.CutPrefix(arg, "--hold="); ok {
		return os.Open(path)
	}
	if address, ok := strings.CutPrefix(arg, "--listen="); ok {
		return new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	}
	return nil, fmt.Errorf("tombstone_receiver: %q is unknown", arg)
}

// startHelper starts a helper and returns when it holds what it should.
func startHelper(bin string, env []string, args ...string) error {
	ready, readyWriter, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start a helper: %w", err)
	}
	defer ready.Close()
	cmd := exec.CommandContext(context.Background(), filepath.Join(bin, "tombstone_receiver"), args...)
	cmd.Env = env
	cmd.ExtraFiles = []*os.File{readyWriter}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	readyWriter.Close()
	if err != nil {
		return fmt.Errorf("start a helper: %w", err)
	}
	var b [1]byte
	_, _ = ready.Read(b[:]) // end of file: the helper is ready, or has failed
	return nil
}

// LeakPort leaves a helper behind that holds the ADB port of an instance.
func LeakPort(root *simroot.Root, bin, home string, n int) error {
	d := device{root: root, home: home, number: n, bin: bin}
	return startHelper(bin, d.environment(), fmt.Sprintf("--listen=127.0.0.1:%d", root.ADBPort(n)))
}
