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
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

const (
	// actTime bounds an act, beside the time that it takes by itself.
	actTime = 30 * time.Second
	// queryTime bounds a question to the device.
	queryTime = 15 * time.Second
	// maxSaid bounds what is read of input's words.
	maxSaid = 16 << 10
	// maxDump bounds what is read of dumpsys.
	maxDump = 4 << 20
)

// device is what the door knows of one device while it stays started.
type device struct {
	turn chan struct{} // the right to act, and to find out the ways

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
	dev := &device{turn: make(chan struct{}, 1)}
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
	select {
	case dev.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-dev.turn }()
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
	help, err := d.ask(ctx, serial, "input </dev/null 2>&1", maxSaid)
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

// ask returns what a command prints, whatever its exit code.
func (d *Door) ask(ctx context.Context, serial, command string, limit int64) ([]byte, error) {
	res, err := d.guest.Run(ctx, serial, guestshell.Script{Text: []byte(command + "\n"), MaxOutput: limit})
	if err != nil {
		return nil, causeOf(ctx, err)
	}
	return res.Output, nil
}

// query is ask within queryTime.
func (d *Door) query(held lease.Lease, command string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(held.Context, queryTime, fault.Timeoutf("the device did not answer within %s", queryTime))
	defer cancel()
	return d.ask(ctx, held.Serial, command, maxDump)
}

// causeOf is why ctx ended, if that is what err came from.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// run runs lines until one fails. The shell reads them on its standard input, which they must not.
func (d *Door) run(ctx context.Context, serial string, lines []string) error {
	var script bytes.Buffer
	for _, line := range lines {
		script.WriteString(line)
		script.WriteString(" </dev/null || exit $?\n")
	}
	res, err := d.guest.Run(ctx, serial, guestshell.Script{Text: script.Bytes(), MaxOutput: maxSaid})
	if err != nil {
		return causeOf(ctx, err)
	}
	if said := strings.TrimSpace(string(res.Output)); res.ExitCode != 0 || complains(said) {
		first, _, _ := strings.Cut(said, "\n")
		return transport.Plainf("the device refused the input (exit code %d): %s", res.ExitCode, first)
	}
	return nil
}

// complaints are how commands of Android say that they did nothing, some with exit code 0.
var complaints = []string{"Exception occurred", "Error: ", "No shell command implementation", "Unknown command", "Can't find service"}

func complains(said string) bool {
	for _, c := range complaints {
		if strings.Contains(said, c) {
			return true
		}
	}
	return false
}
