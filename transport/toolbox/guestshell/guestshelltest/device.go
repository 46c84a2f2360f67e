package guestshelltest

import (
	"context"
	"sync"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// Device is a device whose shells are those of this machine, and who knows which it has started.
type Device struct {
	Shell
	Left chan struct{} // for the test to close: the device leaves started
	Fail error         // what Start returns, if anything

	mu      sync.Mutex
	started []*Process
}

// NewDevice makes a device that is started.
func NewDevice(shell Shell) *Device { return &Device{Shell: shell, Left: make(chan struct{})} }

var _ guestshell.Starter = (*Device)(nil)

// Start implements guestshell.Starter.
func (d *Device) Start(ctx context.Context, serial string, o adb.ShellStart) (guestshell.Process, error) {
	if d.Fail != nil {
		return nil, d.Fail
	}
	p, err := d.Shell.Start(ctx, serial, o)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.started = append(d.started, p.(*Process))
	return p, nil
}

// Started is the i-th shell that was started.
func (d *Device) Started(i int) *Process {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.started[i]
}
