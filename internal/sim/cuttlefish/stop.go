package cuttlefish

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/instancedb"
	"github.com/daytonaio/runner-android/internal/sim/launcher"
	"github.com/daytonaio/runner-android/internal/sim/proctable"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

func (c *cli) stop(inv invocation) error {
	flags := flagSet{version: c.root.CVD, rest: inv.args}
	wait, ok, err := flags.value("wait_for_launcher", "wait_for_launcher_seconds")
	if err != nil {
		return err
	}
	if !ok {
		wait = "5"
	}
	clearDirs := false
	if c.root.CVD.AtLeast(1, 36) {
		if clearDirs, err = flags.truth("clear_instance_dirs", false); err != nil {
			return err
		}
	}
	if err := flags.finish(); err != nil {
		return err
	}
	g, err := c.selected(inv)
	if err != nil {
		return err
	}
	if !g.Active() {
		return simroot.Saidf("Selected group is not running")
	}
	if err := c.stopGroup(g, wait); err != nil {
		return err
	}
	if clearDirs {
		for _, i := range g.Instances {
			if err := os.RemoveAll(assemble.InstanceDir(g.Home, i.ID)); err != nil {
				return fmt.Errorf("clear the instance directory: %w", err)
			}
		}
	}
	return nil
}

// stopGroup runs cvd_internal_stop. Up to 1.54 its failure is a warning and the group counts as
// stopped; since 1.55 the failure is the command's and the state stays.
func (c *cli) stopGroup(g instancedb.Group, wait string) error {
	err := c.tool(g, "cvd_internal_stop", "--wait_for_launcher="+wait)
	if err != nil {
		if c.root.CVD.AtLeast(1, 55) {
			return fmt.Errorf("stop group %s: %w", g.Name, err)
		}
		fmt.Fprintf(c.err, "Warning: error stopping instances of group %s: %v\n", g.Name, err)
	}
	if c.faults.Has("leak_helper") {
		for _, i := range g.Instances {
			if err := launcher.LeakPort(c.root, filepath.Join(g.HostPath, "bin"), g.Home, i.ID); err != nil {
				return err
			}
		}
	}
	return c.change(g.Name, func(g *instancedb.Group) { g.SetStates(instancedb.Stopped) })
}

// remove deletes files first and the database entry last, so that an interrupted rm can be repeated.
func (c *cli) remove(inv invocation) error {
	flags := flagSet{version: c.root.CVD, rest: inv.args}
	if err := flags.finish(); err != nil {
		return err
	}
	g, err := c.selected(inv)
	if err != nil {
		return err
	}
	if g.Active() {
		if err := c.stopGroup(g, "5"); err != nil {
			return simroot.Saidf("Group still contains active instances: %w", err)
		}
	}
	return c.forget(g)
}

func (c *cli) forget(g instancedb.Group) error {
	partial, _ := c.faults.Find("rm_partial")
	if !c.faults.Has("lock_stale") {
		for _, i := range g.Instances {
			if err := c.locks.Remove(i.ID); err != nil {
				return err
			}
		}
	}
	if partial.Arg != "db" {
		if err := c.removeGroupDir(g); err != nil {
			return err
		}
	}
	if partial.Name != "" && partial.Arg != "db" {
		return fmt.Errorf("remove group %s: interrupted before the database was changed", g.Name)
	}
	err := c.db.Update(func(d *instancedb.Data) error {
		d.Remove(g.Name)
		return nil
	})
	if err == nil && partial.Name != "" {
		return fmt.Errorf("remove group %s: interrupted before its files were deleted", g.Name)
	}
	return err
}

// removeGroupDir deletes the group's files under whatever process still uses them.
func (c *cli) removeGroupDir(g instancedb.Group) error {
	if !strings.HasPrefix(g.Home, c.root.UserDir()+"/") {
		fmt.Fprintf(c.err, "Warning: %s is not below %s, nothing is deleted\n", g.Home, c.root.UserDir())
		return nil
	}
	if err := os.RemoveAll(g.Dir()); err != nil {
		return fmt.Errorf("remove group %s: %w", g.Name, err)
	}
	return nil
}

// reset stops and removes all groups, kills every launcher and forgets all locks.
func (c *cli) reset(inv invocation) error {
	flags := flagSet{version: c.root.CVD, rest: inv.args}
	yes, err := flags.truth("yes", false)
	if err != nil {
		return err
	}
	if y, err := flags.truth("y", false); err != nil || !yes && !y {
		return err // without a terminal the question meets the end of stdin, which is a no
	}
	data, err := c.db.Read()
	if err != nil {
		return err
	}
	var errs []error
	for _, g := range data.Groups {
		if g.Active() {
			if err := c.tool(g, "cvd_internal_stop", "--wait_for_launcher=5"); err != nil {
				fmt.Fprintln(c.err, err)
			}
		}
		errs = append(errs, c.forget(g))
	}
	fmt.Fprintln(c.err, "Stopped all known instances")
	var launchers []proctable.Process
	for _, p := range proctable.Below(c.root.Dir) {
		if filepath.Base(p.Exe) == "run_cvd" {
			p.Signal(unix.SIGKILL)
			launchers = append(launchers, p)
		}
	}
	errs = append(errs, proctable.AwaitGone(launchers, 5*time.Second), c.locks.RemoveAll())
	return errors.Join(errs...)
}
