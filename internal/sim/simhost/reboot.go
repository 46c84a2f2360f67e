package simhost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/proctable"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// EndProcesses kills all processes of the host but the caller and those that it descends from, and
// waits until they are gone.
func EndProcesses(root *simroot.Root) error {
	const limit = 10 * time.Second
	deadline := time.Now().Add(limit)
	for {
		doomed := foreignProcesses(root.Dir)
		if len(doomed) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("end the processes of %s: %d are left after %s, first %d (%s)",
				root.Dir, len(doomed), limit, doomed[0].PID, doomed[0].Exe)
		}
		// A program may have started another one before it died, hence the loop.
		if err := proctable.End(doomed, time.Until(deadline)); err != nil {
			return err
		}
	}
}

func foreignProcesses(dir string) []proctable.Process {
	mine := map[int]bool{}
	for pid := os.Getpid(); pid > 1; {
		mine[pid] = true
		p, ok := proctable.Read(pid)
		if !ok {
			break
		}
		pid = p.PPID
	}
	var found []proctable.Process
	for _, p := range proctable.Below(dir) {
		if !mine[p.PID] {
			found = append(found, p)
		}
	}
	return found
}

// Reboot ends all processes of the host and empties its /tmp and /run. What cvd keeps in /var/tmp stays,
// and with it a database that says Running. The operator is a service that starts again by itself.
func Reboot(root *simroot.Root) error {
	if err := powerCycle(root); err != nil {
		return err
	}
	return StartOperator(root)
}

// powerCycle is a reboot up to where services start.
func powerCycle(root *simroot.Root) error {
	if err := EndProcesses(root); err != nil {
		return err
	}
	return errors.Join(empty(root.OwnTempDir()), empty(filepath.Join(root.Dir, "run")))
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("empty %s: %w", dir, err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("empty %s: %w", dir, err)
		}
	}
	return nil
}
