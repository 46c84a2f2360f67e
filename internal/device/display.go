package device

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// displayLimit is how long a look at the display may take: it decides nothing, so it may hold up nothing.
	displayLimit = time.Second
	// askOperator is how long one question to the operator may take.
	askOperator = 2 * time.Second
	// unregisterLimit is how long the operator may take to forget a device whose processes are gone: ten seconds when
	// a viewer of it does not read.
	unregisterLimit = 15 * time.Second
)

// lookAtDisplay notes whether a browser could see the device. That it could not is no reason to take it for dead.
func (l *look) lookAtDisplay(ctx context.Context) {
	if l.o.Operator == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, displayLimit)
	defer cancel()
	err := l.o.Operator.Probe(ctx, string(l.id))
	if fault.Is(err, fault.NotFound) {
		if id := l.displayID(ctx); id != string(l.id) {
			err = l.o.Operator.Probe(ctx, id)
		}
	}
	l.said.Display = "is registered, and serves its page"
	if err != nil {
		l.said.Display = fmt.Sprintf("cannot be seen: %v", err)
	}
	l.note("display", "%s", l.said.Display)
}

// displayID is under which the operator knows the device: its sandbox's id, unless somebody else has launched it.
func (d *Device) displayID(ctx context.Context) string {
	rec := d.record()
	home := rec.Paths.GroupHome
	if home == "" {
		if t, err := d.o.readTable(ctx); err == nil {
			home = t.homes[rec.Instance]
		}
	}
	if home == "" {
		return string(d.id)
	}
	config, err := cvd.ReadConfig(ctx, d.o.Host, home)
	if id := config.Instances[rec.Instance].DeviceID; err == nil && id != "" {
		return id
	}
	return string(d.id)
}

// awaitUnregistered waits until the operator has forgotten the device, by the id that it had. There is no way to tell
// it: an entry lives as long as a process holds its socket, and those of the device have been ended. What is left is
// named; the operator itself is nobody's to restart, all devices of the host hang on it.
func (d *Device) awaitUnregistered(ctx context.Context, id string) (left []string) {
	if d.o.Operator == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, unregisterLimit)
	defer cancel()
	for {
		listed, err := d.listed(ctx, id)
		switch {
		case err == nil && !listed:
			return nil
		case err == nil && ctx.Err() != nil:
			return []string{fmt.Sprintf("its entry %q with the display operator: a process that is not known as the device's holds it ("+
				"as root, ss -xp shows who is connected to /run/cuttlefish/operator)", id)}
		case err != nil: // an operator that does not answer holds up no destroy
			d.log.Debug("the display operator was not asked whether it has forgotten the device", zap.Error(err))
			return nil
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
		}
	}
}

// listed reports whether the operator has an entry under the id.
func (d *Device) listed(ctx context.Context, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askOperator)
	defer cancel()
	_, err := d.o.Operator.Device(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}
