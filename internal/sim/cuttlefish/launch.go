package cuttlefish

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/instancedb"
	"github.com/daytonaio/runner-android/internal/sim/launcher"
	"github.com/daytonaio/runner-android/internal/sim/proctable"
)

// launch runs cvd_internal_start for the group until the device has booted, and prints the group.
func (c *cli) launch(g instancedb.Group, flags []string) error {
	fs := flagSet{version: c.root.CVD, rest: flags}
	deviceID, ok, err := fs.value("webrtc_device_id")
	if err != nil {
		return err
	}
	first := g.Instances[0]
	deviceID = launcher.DeviceID(deviceID, first.ID)
	if !ok {
		deviceID = fmt.Sprintf("%s-%s-%d", g.Name, first.Name, first.ID)
	}
	err = c.change(g.Name, func(g *instancedb.Group) {
		g.SetStates(instancedb.Starting)
		g.Instances[0].DeviceID = deviceID
		g.StartTime = time.Now()
	})
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGINT, unix.SIGHUP, unix.SIGTERM)
	defer c.preRegister(g, deviceID)()
	cmd := c.startCommand(g, append(fs.rest, "--daemon=true", "--webrtc_device_id="+deviceID))
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run cvd_internal_start: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	select {
	case err = <-exited:
	case <-signals:
		return c.cancel(g, cmd, c.faults.Has("survive"))
	case <-c.moment("cancelled"):
		fault, _ := c.faults.Find("cancelled")
		return c.cancel(g, cmd, fault.Arg == "alive")
	case <-c.moment("starting_forever"):
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {} // the signal has no return
	}
	if err != nil {
		return c.bootFailed(g, err)
	}
	if err := c.change(g.Name, func(g *instancedb.Group) { g.SetStates(instancedb.Running) }); err != nil {
		return err
	}
	stored, err := c.selected(invocation{group: g.Name})
	if err != nil {
		return err
	}
	description, _ := c.describe(stored, probeLimit)
	c.print(description)
	return nil
}

// moment fires in the middle of a launch that has the fault.
func (c *cli) moment(fault string) <-chan time.Time {
	if !c.faults.Has(fault) {
		return nil
	}
	return time.After(c.root.BootTime / 2)
}

func (c *cli) startCommand(g instancedb.Group, flags []string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(g.HostPath, "bin", "cvd_internal_start"), flags...)
	cmd.Env = c.childEnvironment(g)
	cmd.Stdout, cmd.Stderr = c.err, c.err // stdout is for the result alone
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if !c.survives() {
		cmd.SysProcAttr.Pdeathsig = unix.SIGHUP
	}
	return cmd
}

// survives reports whether the children outlive this process.
func (c *cli) survives() bool {
	for _, name := range []string{"cancelled", "starting_forever"} {
		if f, ok := c.faults.Find(name); ok && f.Arg == "alive" {
			return true
		}
	}
	return c.faults.Has("survive")
}

// childEnvironment is what cvd sets for the programs of the host package.
func (c *cli) childEnvironment(g instancedb.Group) []string {
	faults := c.faults
	if c.survives() && !faults.Has("survive") {
		faults = append(slices.Clone(faults), inject.Fault{Name: "survive"})
	}
	env := append(os.Environ(),
		"HOME="+g.Home, "ANDROID_HOST_OUT="+g.HostPath, "ANDROID_SOONG_HOST_OUT="+g.HostPath,
		"ANDROID_PRODUCT_OUT="+g.ProductPath, "CUTTLEFISH_INSTANCE="+strconv.Itoa(g.First()),
		"CUTTLEFISH_CONFIG_FILE="+filepath.Join(g.Home, "cuttlefish", "assembly", "cuttlefish_config.json"),
		"_STARTED_BY_CVD_SERVER_=true")
	if len(faults) > 0 {
		env = append(env, inject.Variable+"="+faults.Encode())
	}
	return env
}

// cancel is what cvd does when a signal interrupts a launch. It does not return.
func (c *cli) cancel(g instancedb.Group, cmd *exec.Cmd, survive bool) error {
	err := c.change(g.Name, func(g *instancedb.Group) { g.SetStates(instancedb.Cancelled) })
	if err != nil {
		fmt.Fprintln(c.err, err)
	}
	if !survive {
		_ = cmd.Process.Kill()
		for _, p := range c.launchersOf(g) {
			p.Signal(unix.SIGKILL)
		}
	}
	fmt.Fprintln(c.err, "Interrupted, the launch was cancelled")
	return abort()
}

// bootFailed keeps the group with its directory and number, until somebody removes it.
func (c *cli) bootFailed(g instancedb.Group, cause error) error {
	if err := c.change(g.Name, func(g *instancedb.Group) { g.SetStates(instancedb.BootFailed) }); err != nil {
		return err
	}
	launchers := c.launchersOf(g)
	if len(launchers) > 0 {
		// Upstream's defect: the number looks free although the group still has it.
		if err := c.locks.Remove(g.First()); err != nil {
			return err
		}
	}
	if err := proctable.End(launchers, 5*time.Second); err != nil {
		return err
	}
	return fmt.Errorf("cvd_internal_start of group %s: %w", g.Name, cause)
}

// launchersOf finds the group's run_cvd processes.
func (c *cli) launchersOf(g instancedb.Group) []proctable.Process {
	var found []proctable.Process
	for _, p := range proctable.Below(c.root.Dir) {
		if filepath.Base(p.Exe) == "run_cvd" && slices.Contains(p.Environ(), "HOME="+g.Home) {
			found = append(found, p)
		}
	}
	return found
}

// tool runs a program of the group's host package to its end.
func (c *cli) tool(g instancedb.Group, name string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), filepath.Join(g.HostPath, "bin", name), args...)
	cmd.Env = c.childEnvironment(g)
	cmd.Stdout, cmd.Stderr = c.err, c.err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
