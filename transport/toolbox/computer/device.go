package computer

import (
	"bytes"
	"context"
	"image"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
	"github.com/daytonaio/runner-android/transport/toolbox/turn"
)

const (
	// actTime bounds an act, beside the time that it takes by itself.
	actTime = 30 * time.Second
	// queryTime bounds a question to the device.
	queryTime = 15 * time.Second
	// maxSaid bounds what is read of input's help.
	maxSaid = 16 << 10
	// maxDump bounds what is read of dumpsys.
	maxDump = 4 << 20
)

// device is what the door knows of one device while it stays started.
type device struct {
	turn *turn.Turn // the right to act, and to find out the ways

	ways *ways // nil: not known yet; of whoever has the turn

	mu      sync.Mutex
	pointer image.Point
}

// ways are what a device's input command can do.
type ways struct {
	combos bool // keycombination: Android 12
	scroll bool // scroll with a position
}

// device is that of a lease. It is forgotten when the lease ends.
func (d *Door) device(life context.Context) *device {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dev := d.devices[life]; dev != nil {
		return dev
	}
	dev := &device{turn: d.Turns.Of(life)}
	d.devices[life] = dev
	context.AfterFunc(life, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.devices, life)
	})
	return dev
}

func (dev *device) at() image.Point {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	return dev.pointer
}

func (dev *device) moveTo(p image.Point) {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.pointer = p
}

// act waits for the turn and does what plan says: lines of shell, of which each must succeed. It takes up
// to actTime longer than lasts.
func (d *Door) act(held lease.Lease, dev *device, lasts time.Duration, plan func(context.Context, *ways) ([]string, error)) error {
	limit := actTime + lasts
	ctx, cancel := context.WithTimeoutCause(held.Context, limit,
		fault.Timeoutf("the device took longer than %s; some of the input may have been seen", limit))
	defer cancel()
	if err := dev.turn.Take(ctx); err != nil {
		return err
	}
	defer dev.turn.Give()
	if dev.ways == nil {
		var err error
		if dev.ways, err = d.probe(ctx, held.Serial); err != nil {
			return err
		}
	}
	lines, err := plan(ctx, dev.ways)
	if err != nil || len(lines) == 0 {
		return err
	}
	dev.turn.Acted()
	if err := d.run(ctx, held.Serial, lines); err != nil {
		return err
	}
	return d.settle(ctx)
}

// settle waits until the device shows what was done, as far as one can know.
func (d *Door) settle(ctx context.Context) error {
	if d.Settle == 0 {
		return nil
	}
	timer := time.NewTimer(d.Settle)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// probe asks the input command for its help, which it prints without being asked for anything.
func (d *Door) probe(ctx context.Context, serial string) (*ways, error) {
	help, err := d.commands.Ask(ctx, serial, "input </dev/null 2>&1", maxSaid)
	if err != nil {
		return nil, err
	}
	w := &ways{combos: bytes.Contains(help, []byte("keycombination"))}
	for line := range bytes.Lines(help) {
		word, _, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		w.scroll = w.scroll || word == "scroll"
	}
	return w, nil
}

// query asks within queryTime.
func (d *Door) query(held lease.Lease, command string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(held.Context, queryTime, fault.Timeoutf("the device did not answer within %s", queryTime))
	defer cancel()
	return d.commands.Ask(ctx, held.Serial, command, maxDump)
}

// run runs lines until one fails.
func (d *Door) run(ctx context.Context, serial string, lines []string) error {
	err := d.commands.Run(ctx, serial, lines...)
	if refusal, ok := guestcommand.IsRefusal(err); ok {
		return transport.Plainf("the device refused the input (exit code %d): %s", refusal.ExitCode, refusal.Said)
	}
	return err
}
