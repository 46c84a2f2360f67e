package cuttlefish

import (
	"fmt"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// standStill is suspend and resume of a group.
func (c *cli) standStill(inv invocation) error {
	flags := flagSet{version: c.root.CVD, rest: inv.args}
	if err := flags.finish(); err != nil {
		return err
	}
	return c.snapshotTool(inv, nil)
}

// takeSnapshot is snapshot_take, of the group's disks and memory.
func (c *cli) takeSnapshot(inv invocation) error {
	flags := flagSet{version: c.root.CVD, rest: inv.args}
	path, ok, err := flags.value("snapshot_path")
	if err != nil {
		return err
	}
	if !ok || path == "" {
		return simroot.Saidf("--snapshot_path is missing")
	}
	args := []string{"--snapshot_path=" + path}
	if wait, ok, err := flags.value("wait_for_launcher"); err != nil {
		return err
	} else if ok {
		args = append(args, "--wait_for_launcher="+wait)
	}
	for name, fallback := range map[string]bool{"force": false, "auto_suspend": false, "cleanup_snapshot_path": true} {
		set, err := flags.truth(name, fallback)
		if err != nil {
			return err
		}
		args = append(args, fmt.Sprintf("--%s=%t", name, set))
	}
	if err := flags.finish(); err != nil {
		return err
	}
	return c.snapshotTool(inv, args)
}

// snapshotTool runs the host package's tool, whose command line cvd shows. It waits for as long as that takes.
func (c *cli) snapshotTool(inv invocation, args []string) error {
	g, err := c.selected(inv)
	if err != nil {
		return err
	}
	if !g.Active() {
		return simroot.Saidf("Selected group is not running")
	}
	args = append([]string{"--subcmd=" + inv.command}, args...)
	fmt.Fprintf(c.err, "snapshot_util_cvd %s\n", strings.Join(args, " "))
	return c.tool(g, "snapshot_util_cvd", args...)
}
