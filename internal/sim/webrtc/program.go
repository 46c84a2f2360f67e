package webrtc

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/display"
	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/launcher"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// Program is webRTC: it finds its device through its environment, as the real one does.
func Program(c simroot.Call) int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	orphaned := make(chan os.Signal, 1)
	signal.Notify(orphaned, unix.SIGHUP)
	config, err := launcher.ReadConfig(os.Getenv("CUTTLEFISH_CONFIG_FILE"))
	if err != nil {
		fmt.Fprintln(c.Err, "webRTC:", err)
		return 1
	}
	number := os.Getenv("CUTTLEFISH_INSTANCE")
	mine, ok := config.Instances[number]
	if !ok {
		fmt.Fprintf(c.Err, "webRTC: CUTTLEFISH_INSTANCE is %q, which the configuration does not have\n", number)
		return 1
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		fmt.Fprintln(c.Err, "webRTC:", err)
		return 1
	}
	screen := display.NewScreen(filepath.Join(config.InstancesUDS, "cvd-"+number, "internal"))
	device := New(Options{
		ID: mine.DeviceID, Operator: c.Root.HostPath(mine.SignalServer), ADBPort: mine.ADBHostPort,
		UDPPorts: mine.UDPPorts, TCPPorts: mine.TCPPorts, CPUs: mine.CPUs, MemoryMB: mine.MemoryMB,
		Screen: screen, Log: c.Err,
	})
	if faults, err := rules(c.Root, n); err == nil { // it registers with those that are there
		device.SetFaults(faults)
	}
	var parts sync.WaitGroup
	parts.Go(func() { screen.Run(ctx, device.Tell) })
	parts.Go(func() { watchFaults(ctx, c.Root, n, device) })
	parts.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-orphaned: // the launcher is gone
				if fs, err := rules(c.Root, n); err != nil || !fs.Has("webrtc_orphan") {
					stop()
				}
			}
		}
	})
	if err = device.Run(ctx); err != nil {
		fmt.Fprintln(c.Err, "webRTC:", err)
	}
	stop()
	parts.Wait()
	if err != nil {
		return 1
	}
	return 0
}

// rules are the faults of the device.
func rules(root *simroot.Root, number int) (inject.Faults, error) {
	return inject.Open(root.InjectFile()).Device(launcher.GroupAt(root, os.Getenv("HOME")), number)
}

// watchFaults hands the rules of the host on as they change.
func watchFaults(ctx context.Context, root *simroot.Root, number int, d *Device) {
	const interval = 250 * time.Millisecond // it costs 0.2 % of a core
	script := inject.Open(root.InjectFile())
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var read time.Time
	for {
		if changed := script.ModTime(); !changed.Equal(read) {
			read = changed
			if faults, err := rules(root, number); err == nil {
				d.SetFaults(faults)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
