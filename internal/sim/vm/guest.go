package vm

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/launcher"
)

// guestSystem is the Android that runs in a VM.
type guestSystem struct {
	files   *guestfs.FS
	android *guest.Guest
	log     io.Writer
	locked  []string // host files for want of which /data cannot be unlocked
	missed  []string // others that are not those of before
}

// newGuest boots Android on the disk. What the guest does with its power ends the VM.
func newGuest(d *disk, m *machine, end func(ending)) (*guestSystem, error) {
	files, err := guestfs.Open(d.userdata, guestfs.Options{})
	if err != nil {
		return nil, fmt.Errorf("guest's file system: %w", err)
	}
	options, err := m.guestOptions()
	if err != nil {
		return nil, err
	}
	options.Gate = &m.still.gate
	options.Power = func(how string) {
		if strings.HasPrefix(how, "reboot") {
			end(ending{code: exitReboot, orderly: true})
			return
		}
		end(ending{code: exitStopped, orderly: true})
	}
	bound, err := readBound(files)
	if err != nil {
		return nil, err
	}
	android, err := guest.Boot(vfs.OnDisk(files), options)
	if err != nil {
		return nil, fmt.Errorf("boot the guest: %w", err)
	}
	g := &guestSystem{files: files, android: android, log: m.log}
	err = g.unlock(bound, m)
	return g, err
}

// guestOptions are what the launch flags say about the device.
func (m *machine) guestOptions() (guest.Options, error) {
	config, err := launcher.ReadConfig(filepath.Join(m.instanceDir(), "cuttlefish_config.json"))
	if err != nil {
		return guest.Options{}, err
	}
	mine := config.Instances[strconv.Itoa(m.number)]
	return guest.Options{
		Serial: mine.SerialNumber, CPUs: mine.CPUs, MemoryMB: mine.MemoryMB, Release: m.root.Settings.AndroidRelease,
	}, nil
}

func (g *guestSystem) setBooted() { g.android.SetBooted() }

// halt ends the guest's processes. In order, its files are written out first; else what it had not
// synced is lost.
func (g *guestSystem) halt(orderly bool) {
	g.android.Shutdown()
	if !orderly {
		return
	}
	if err := g.files.Close(); err != nil {
		fmt.Fprintf(g.log, "crosvm: write out the guest's files: %v\n", err)
	}
}
