package launcher

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/proctable"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

const stopFailed = 4 // the bit of cvd_internal_stop's exit code for "could not kill"

// StopProgram is cvd_internal_stop: it asks the launcher to stop the device, and where that does not
// answer kills the process groups that have files of the device open. It does not look at the database.
func StopProgram(c simroot.Call) int {
	wait := waitForLauncher(c.Args, 5*time.Second)
	config, err := readConfig()
	if err != nil {
		fmt.Fprintln(c.Err, err)
		return 1
	}
	if faults().Has("stop_fails") {
		fmt.Fprintln(c.Err, "Failed to stop the device: the launcher reported an error")
		return stopFailed
	}
	code := 0
	for number, instance := range config.Instances {
		uds := filepath.Join(config.InstancesUDS, "cvd-"+number)
		reply, err := Ask(uds, Stop, wait)
		if err == nil && reply == Success {
			fmt.Fprintf(c.Err, "Successfully stopped device %s\n", number)
			continue
		}
		fmt.Fprintf(c.Err, "Clean stop of device %s did not work (%v), killing its processes\n", number, err)
		if err := killHolders(c.Root, instance.InstanceDir, config.AssemblyDir, uds); err != nil {
			fmt.Fprintln(c.Err, err)
			code |= stopFailed
		}
	}
	return code
}

// waitForLauncher reads --wait_for_launcher in seconds; 0 = for ever.
func waitForLauncher(args []string, fallback time.Duration) time.Duration {
	for _, arg := range args {
		name, value, ok := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if ok && strings.HasPrefix(name, "wait_for_launcher") {
			if d, err := time.ParseDuration(value + "s"); err == nil {
				return d
			}
		}
	}
	return fallback
}

// killHolders kills the process groups that hold files below dirs. Only programs of the simulated host
// die: upstream kills whoever looks into a log at that moment.
func killHolders(root *simroot.Root, dirs ...string) error {
	var doomed []proctable.Process
	for _, p := range proctable.Holders(dirs...) {
		if strings.HasPrefix(p.Exe, root.Dir+"/") {
			doomed = append(doomed, p)
		}
	}
	for _, p := range doomed {
		if p.Alive() && p.PGID > 1 {
			_ = unix.Kill(-p.PGID, unix.SIGKILL) // it may have ended since
		}
	}
	return proctable.AwaitGone(doomed, 3*time.Second)
}
