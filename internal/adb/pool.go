package adb

import (
	"context"
	"net"
	"sync"

	"github.com/daytonaio/runner-android/internal/fault"
)

// PoolOptions make a Pool.
type PoolOptions struct {
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	Timing Timing
	Keys   []*Key // see ConnOptions
	Mode   Mode   // see DeviceOptions; "" is Direct

	// Server is the address of an adb server, "" is none, except that Mode Server needs one and
	// then means DefaultServer. See DeviceOptions.Server.
	Server string
}

// Pool keeps the devices of a host by serial. All methods are safe for concurrent use. Whoever
// owns a sandbox attaches its device and detaches it; all others get it.
type Pool struct {
	opts PoolOptions

	mu      sync.Mutex
	closed  bool
	devices map[string]attached
}

type attached struct {
	addr   string
	device *Device
}

// NewPool makes an empty pool. It owns no goroutine; its devices do.
func NewPool(opts PoolOptions) *Pool {
	return &Pool{opts: opts, devices: make(map[string]attached)}
}

// Attach makes the device known and starts to connect to it, over TCP at addr. A device that
// is attached already at this address keeps its connection, and onChange (see
// DeviceOptions.OnChange; may be nil) takes the place of the earlier one, being told the
// present state; at another address it is closed and made anew. After Close the device
// returned is closed.
func (p *Pool) Attach(serial, addr string, onChange func(State)) *Device {
	p.mu.Lock()
	old, known := p.devices[serial]
	if known && old.addr == addr {
		p.mu.Unlock()
		old.device.replaceOnChange(onChange)
		return old.device
	}
	d := NewDevice(DeviceOptions{
		Serial:   serial,
		Dial:     func(ctx context.Context) (net.Conn, error) { return p.opts.Dial(ctx, "tcp", addr) },
		Timing:   p.opts.Timing,
		Keys:     p.opts.Keys,
		Mode:     p.opts.Mode,
		Server:   p.server(),
		Addr:     addr,
		OnChange: onChange,
	})
	closed := p.closed
	if !closed {
		p.devices[serial] = attached{addr, d}
	}
	p.mu.Unlock()
	if known {
		_ = old.device.Close()
	}
	if closed {
		_ = d.Close()
	}
	d.Start()
	return d
}

// server returns how to reach the adb server; nil is not at all.
func (p *Pool) server() func(context.Context) (net.Conn, error) {
	addr := p.opts.Server
	switch {
	case addr != "":
	case p.opts.Mode == Server:
		addr = DefaultServer
	default:
		return nil
	}
	return func(ctx context.Context) (net.Conn, error) { return p.opts.Dial(ctx, "tcp", addr) }
}

// Detach forgets the device and closes it; streams on it fail. An unknown serial is fine.
func (p *Pool) Detach(serial string) {
	p.mu.Lock()
	old, known := p.devices[serial]
	delete(p.devices, serial)
	p.mu.Unlock()
	if known {
		_ = old.device.Close()
	}
}

// Get returns an attached device, connected or not. An unknown serial is Unavailable: its
// sandbox may be about to attach it.
func (p *Pool) Get(serial string) (*Device, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, known := p.devices[serial]
	if !known {
		return nil, fault.Unavailablef("no adb connection to %s: is the sandbox started?", serial)
	}
	return found.device, nil
}

// DialADB opens a connection of the caller's own to the adbd of an attached device, on which nothing has been said
// yet: for an adb elsewhere, which greets the device itself. The caller closes it. Unavailable as Get, and
// when nothing answers there.
func (p *Pool) DialADB(ctx context.Context, serial string) (net.Conn, error) {
	p.mu.Lock()
	found, known := p.devices[serial]
	p.mu.Unlock()
	if !known {
		return nil, fault.Unavailablef("no adb connection to %s: is the sandbox started?", serial)
	}
	return p.opts.Dial(ctx, "tcp", found.addr)
}

// Close closes all devices and returns when their goroutines are gone.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	devices := p.devices
	p.devices = make(map[string]attached)
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, a := range devices {
		wg.Go(func() { _ = a.device.Close() })
	}
	wg.Wait()
	return nil
}
