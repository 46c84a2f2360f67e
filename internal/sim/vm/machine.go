package vm

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/display"
	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/launcher"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// Exit statuses of a VM.
const (
	exitStopped = 0
	exitCrashed = 1
	exitReboot  = 32 // process_restarter starts the VM again
)

// machine is one VM.
type machine struct {
	root    *simroot.Root
	log     io.Writer // launcher.log
	socket  string    // of the control server
	overlay string    // its directory is the instance's
	number  int
	restore bool // from a snapshot of its memory
	still   standstill
}

// ending says how the VM ends: its exit status, and whether the guest shuts down in order first.
type ending struct {
	code    int
	orderly bool
}

func (m *machine) instanceDir() string { return filepath.Dir(m.overlay) }

func (m *machine) run(ctx context.Context) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kernel, err := openGuestLog(filepath.Join(m.instanceDir(), "logs", "kernel.log"))
	if err != nil {
		return m.crash(err)
	}
	defer kernel.Close()
	logcat, err := openGuestLog(filepath.Join(m.instanceDir(), "logs", "logcat"))
	if err != nil {
		return m.crash(err)
	}
	defer logcat.Close()
	control, err := new(net.ListenConfig).Listen(ctx, controlNetwork, m.socket)
	if err != nil {
		return m.crash(fmt.Errorf("control socket: %w", err))
	}
	defer control.Close()
	disk, err := openDisk(m.overlay, m.root.Settings.CompositeBacking)
	if err != nil {
		return m.crash(err)
	}
	ends := make(chan ending, 8) // more sources than that cannot speak before the first is heard
	end := func(e ending) {
		select {
		case ends <- e:
		default:
		}
	}
	g, err := newGuest(disk, m, end)
	if err != nil {
		return m.crash(err)
	}
	m.still.attach(g.files, disk)
	panel, err := display.Serve(filepath.Dir(m.socket), &glass{Panel: g.android.Panel(), gate: &m.still.gate})
	if err != nil {
		return m.crash(err)
	}
	defer panel.Close()
	go m.serveControl(ctx, control, func() { end(ending{code: exitStopped}) })
	booted := make(chan struct{})
	device := newADBGate(net.JoinHostPort("127.0.0.1", fmt.Sprint(m.root.ADBPort(m.number))), g.android, &m.still.gate)
	go m.boot(ctx, bootParts{kernel: kernel, logcat: logcat, guest: g, adb: device, panel: panel, booted: booted, end: end})
	go m.watchFaults(ctx, device, booted, end)
	e := <-ends
	device.cut() // hosts see the connection end, not the guest's processes
	if m.still.cutPower() {
		e.orderly = false // nothing happens in a guest that stands still
	}
	g.halt(e.orderly)
	switch { // kernel_restart and kernel_power_off in kernel/reboot.c
	case e.code == exitReboot:
		kernel.printf("reboot: Restarting system")
	case e.orderly:
		kernel.printf("reboot: Power down")
	}
	device.close()
	if err := disk.cutPower(); err != nil {
		return m.crash(err)
	}
	return e.code
}

func (m *machine) crash(err error) int {
	fmt.Fprintf(m.log, "crosvm: exiting with error: %v\n", err)
	return exitCrashed
}

// watchFaults applies the device faults for as long as the VM runs.
func (m *machine) watchFaults(ctx context.Context, adb *adbGate, booted <-chan struct{}, end func(ending)) {
	const interval = 50 * time.Millisecond
	script := inject.Open(m.root.InjectFile())
	group := launcher.GroupAt(m.root, os.Getenv("HOME"))
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var read time.Time // the rules' time when they were read last
	for {
		if changed := script.ModTime(); !changed.Equal(read) {
			read = changed
			if faults, err := script.Device(group, m.number); err == nil {
				adb.apply(faults)
				m.doom(ctx, script, group, faults, booted, end)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// doom starts the clocks of the faults that end the VM.
func (m *machine) doom(
	ctx context.Context, script *inject.Script, group string, faults inject.Faults, booted <-chan struct{}, end func(ending),
) {
	endings := map[string]ending{
		"vm_dies_after":  {code: exitCrashed},
		"zombie_vm":      {code: exitCrashed},
		"guest_poweroff": {code: exitStopped, orderly: true},
	}
	for name, how := range endings {
		fault, ok := faults.Find(name)
		if !ok {
			continue
		}
		go func() {
			select {
			case <-booted:
			case <-ctx.Done():
				return
			}
			select {
			case <-time.After(fault.Seconds(0)):
			case <-ctx.Done():
				return
			}
			if how.orderly && m.still.gate.Wait(ctx) != nil {
				return
			}
			if mine, err := script.Claim(group, m.number, name); err == nil && mine {
				fmt.Fprintf(m.log, "crosvm: ending as %s asks\n", name)
				end(how)
			}
		}()
	}
}
