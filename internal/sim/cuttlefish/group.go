package cuttlefish

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/instancedb"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// selectGroup finds the group that the selectors mean, or the only one.
func selectGroup(data instancedb.Data, inv invocation) (instancedb.Group, error) {
	if len(data.Groups) == 0 {
		return instancedb.Group{}, simroot.Saidf("Command `%s` is not applicable: no devices present", inv.command)
	}
	var found []instancedb.Group
	for _, g := range data.Groups {
		if (inv.group == "" || g.Name == inv.group) && hasInstances(g, inv.instances) {
			found = append(found, g)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return instancedb.Group{}, simroot.Saidf("Multiple groups found. Narrow the selection with selector arguments.")
	case len(inv.instances) > 0:
		return instancedb.Group{}, simroot.Saidf("No instances available")
	}
	return instancedb.Group{}, simroot.Saidf("No instance groups available")
}

func hasInstances(g instancedb.Group, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return !slices.ContainsFunc(g.Instances, func(i instancedb.Instance) bool { return i.Name == name })
	})
}

// selected reads the database and finds the group.
func (c *cli) selected(inv invocation) (instancedb.Group, error) {
	data, err := c.db.Read()
	if err != nil {
		return instancedb.Group{}, err
	}
	return selectGroup(data, inv)
}

// change lets f work on the stored group of that name.
func (c *cli) change(name string, f func(*instancedb.Group)) error {
	return c.db.Update(func(d *instancedb.Data) error {
		g := d.Group(name)
		if g == nil {
			return fmt.Errorf("group %q is not in the database any more", name)
		}
		f(g)
		return nil
	})
}

// makeGroupDir makes the directory of a new group: home and the links to host tools and images.
func (c *cli) makeGroupDir(hostPath, productPath string) (home string, err error) {
	dir := filepath.Join(c.root.UserDir(), strconv.FormatInt(time.Now().UnixNano(), 10))
	artifacts := filepath.Join(dir, "artifacts")
	home = filepath.Join(dir, "home")
	if err := os.MkdirAll(artifacts, 0o750); err != nil {
		return "", fmt.Errorf("make the group's directory: %w", err)
	}
	for path, target := range map[string]string{
		filepath.Join(artifacts, "host_tools"): hostPath, filepath.Join(artifacts, "0"): productPath,
	} {
		if err := os.Symlink(target, path); err != nil {
			return "", fmt.Errorf("make the group's directory: %w", err)
		}
	}
	if shared := sharedHome(); shared != "" {
		// The trap of a HOME that is not the user's: all groups live in it.
		if err := os.Symlink(shared, home); err != nil {
			return "", fmt.Errorf("make the group's home: %w", err)
		}
		return home, nil
	}
	if err := os.Mkdir(home, 0o775); err != nil {
		return "", fmt.Errorf("make the group's home: %w", err)
	}
	return home, nil
}

// sharedHome returns $HOME when it is not the home that the user database has for the caller.
func sharedHome() string {
	home := os.Getenv("HOME")
	u, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil || home == "" || filepath.Clean(home) == filepath.Clean(u.HomeDir) {
		return ""
	}
	return home
}
