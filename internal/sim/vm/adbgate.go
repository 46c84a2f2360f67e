package vm

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/adbd"
	"github.com/daytonaio/runner-android/internal/sim/freeze"
	"github.com/daytonaio/runner-android/internal/sim/guest"
	"github.com/daytonaio/runner-android/internal/sim/inject"
)

// adbMode is how the ADB port of a device behaves.
type adbMode struct {
	port   string        // "", "refused", "flap" or "auth"
	period time.Duration // of flap
}

// modeOf picks the fault of the port that is in force.
func modeOf(faults inject.Faults) adbMode {
	for _, name := range []string{"refused", "flap", "auth"} {
		if f, ok := faults.Find("adb_" + name); ok {
			return adbMode{name, f.Seconds(time.Second)}
		}
	}
	return adbMode{}
}

// adbGate is the ADB port: it listens once it was opened, and behaves as its mode says. Changing the
// mode drops all connections; the switches of adbd change under them.
type adbGate struct {
	address  string
	guest    *guest.Guest
	gate     *freeze.Gate
	switches adbd.Faults

	mu     sync.Mutex
	mode   adbMode
	opened bool
	stop   context.CancelFunc // ends what serves now
	done   chan struct{}      // closed when it has ended
}

func newADBGate(address string, g *guest.Guest, gate *freeze.Gate) *adbGate {
	return &adbGate{address: address, guest: g, gate: gate}
}

// open is adbd's start.
func (a *adbGate) open() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opened = true
	return a.restart()
}

// apply makes the port behave as the faults say.
func (a *adbGate) apply(faults inject.Faults) {
	mode := modeOf(faults)
	a.switches.Silent.Store(faults.Has("adb_offline"))
	a.switches.RequireAuth.Store(mode.port == "auth")
	a.switches.NeverExit.Store(faults.Has("adb_never_exit"))
	a.switches.StallAcks.Store(faults.Has("adb_stall_acks"))
	drop, _ := faults.Find("adb_drop_after")
	a.switches.DropAfter.Store(drop.Bytes())
	a.mu.Lock()
	defer a.mu.Unlock()
	if mode == a.mode {
		return
	}
	a.mode = mode
	if a.opened {
		_ = a.restart() // a port that cannot be had again is a refusing one
	}
}

// cut drops all connections without waiting for what they run.
func (a *adbGate) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opened = false
	if a.stop != nil {
		a.stop()
	}
}

// close ends everything.
func (a *adbGate) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opened = false
	a.halt()
}

func (a *adbGate) halt() {
	if a.stop != nil {
		a.stop()
		<-a.done
		a.stop = nil
	}
}

// restart serves in the present mode; the lock is held.
func (a *adbGate) restart() error {
	a.halt()
	if a.mode.port == "refused" {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", a.address)
	if err != nil {
		cancel()
		return fmt.Errorf("adb port: %w", err)
	}
	a.stop, a.done = cancel, make(chan struct{})
	go func(mode adbMode, done chan struct{}) {
		defer close(done)
		if mode.port == "flap" {
			a.serveFlapping(ctx, listener, mode.period)
			return
		}
		a.serve(ctx, listener)
	}(a.mode, a.done)
	return nil
}

func (a *adbGate) serve(ctx context.Context, listener net.Listener) {
	// It fails only with its listener, and then the port is as closed as it can be.
	_ = adbd.Serve(ctx, listener, a.device())
}

// serveFlapping serves for a period, refuses for a period, and so on.
func (a *adbGate) serveFlapping(ctx context.Context, listener net.Listener, period time.Duration) {
	for {
		up, cancel := context.WithTimeout(ctx, period)
		a.serve(up, listener)
		cancel()
		select {
		case <-ctx.Done():
			return
		case <-time.After(period):
		}
		var err error
		if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", a.address); err != nil {
			return
		}
	}
}
