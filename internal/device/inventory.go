package device

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/device/verdict"
)

const (
	// inventoryEvery is how often cvd is asked what it has: up to five seconds for each hung device, so seldom.
	inventoryEvery = 5 * time.Minute
	// inventoryGap is what lies between two askings, however much doubt there is.
	inventoryGap = time.Second
)

// inventory is what cvd's list said last. Nobody waits for it.
type inventory struct {
	doubted chan struct{} // holds one wish to ask soon

	mu    sync.Mutex
	asked time.Time // when the last answer was asked for; zero before
	fleet cvd.Fleet
}

func newInventory() *inventory { return &inventory{doubted: make(chan struct{}, 1)} }

// RunInventory asks cvd what it has: at once, every five minutes, and soon after a look at a device left doubt. It
// returns when ctx ends.
func (d *Devices) RunInventory(ctx context.Context) error {
	for {
		asked := time.Now()
		fleet, err := d.o.CVD.Fleet(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			d.o.Log.Warn("cvd did not say what it has; its last answer stands", zap.Error(err))
		default:
			d.inventory.learn(fleet, asked)
		}
		if !d.inventory.pause(ctx) {
			return nil
		}
	}
}

// pause returns when cvd should be asked again; false when ctx ends.
func (i *inventory) pause(ctx context.Context) bool {
	wait := func(d time.Duration, or <-chan struct{}) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-or:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return wait(inventoryGap, nil) && wait(inventoryEvery-inventoryGap, i.doubted)
}

// doubt asks for a new answer soon.
func (i *inventory) doubt() {
	select {
	case i.doubted <- struct{}{}:
	default:
	}
}

func (i *inventory) learn(fleet cvd.Fleet, asked time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fleet, i.asked = fleet, asked
}

// label is what cvd's list says of a group, and when it was asked. It is not known where the last answer is older
// than floor.
func (i *inventory) label(group string, floor time.Time) (label string, asked time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.asked.IsZero() || i.asked.Before(floor) {
		return verdict.FleetNotKnown, time.Time{}
	}
	groups := i.fleet.ByGroup(group)
	switch {
	case len(groups) == 0 || len(groups[0].Instances) == 0:
		return verdict.FleetMissing, i.asked
	case len(groups) > 1:
		return fmt.Sprintf("listed %d times", len(groups)), i.asked
	default:
		return groups[0].Instances[0].Status, i.asked
	}
}
