package launcher

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/daytonaio/runner-android/internal/sim/assemble"
	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/instancedb"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// device is what a program learns about its device from its environment.
type device struct {
	root   *simroot.Root
	home   string // of the group
	number int
	bin    string // directory of the host package's programs
}

func deviceFromEnvironment(root *simroot.Root) (device, error) {
	n, err := strconv.Atoi(os.Getenv("CUTTLEFISH_INSTANCE"))
	if err != nil || n < 1 {
		return device{}, fmt.Errorf("CUTTLEFISH_INSTANCE is %q: want the instance number", os.Getenv("CUTTLEFISH_INSTANCE"))
	}
	home := os.Getenv("HOME")
	if !filepath.IsAbs(home) {
		return device{}, fmt.Errorf("HOME is %q: want the group's home", home)
	}
	exe, err := os.Executable()
	if err != nil {
		return device{}, fmt.Errorf("find the host package: %w", err)
	}
	return device{root: root, home: home, number: n, bin: filepath.Dir(exe)}, nil
}

func (d device) instanceDir() string { return assemble.InstanceDir(d.home, d.number) }
func (d device) assemblyDir() string { return filepath.Join(d.home, "cuttlefish", "assembly") }
func (d device) udsDir() string      { return d.root.UDSDir(d.number) }

func (d device) log(name string) string { return filepath.Join(d.instanceDir(), "logs", name) }

// socketDirs are emptied at each start.
func (d device) socketDirs() []string {
	return []string{d.udsDir(), d.root.EnvironmentDir(d.number), d.root.VsockDir(d.number)}
}

// controlSocket is the VMM's.
func (d device) controlSocket() string {
	return filepath.Join(d.udsDir(), "internal", "crosvm_control.sock")
}

// group is the name that the database has for the device's home; empty when it has none.
func (d device) group() string { return GroupAt(d.root, d.home) }

// GroupAt returns the name of the group with that home, empty when the database has none.
func GroupAt(root *simroot.Root, home string) string {
	data, err := instancedb.Open(root.Database()).Read()
	if err != nil {
		return ""
	}
	for _, g := range data.Groups {
		if g.Home == home {
			return g.Name
		}
	}
	return ""
}

// faults are those that cvd passed to this launch.
func faults() inject.Faults { return inject.Decode(os.Getenv(inject.Variable)) }
