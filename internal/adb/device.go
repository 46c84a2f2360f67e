package adb

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// Timing is how patient we are with a device. Zero fields mean the defaults.
type Timing struct {
	Connect     time.Duration // dial and handshake together; 10 s
	Write       time.Duration // for one packet to be taken by the socket; 10 s
	PingEvery   time.Duration // between signs of life; 5 s
	PingTimeout time.Duration // for a sign of life; 3 s
	RetryMin    time.Duration // before the first attempt to reconnect; 250 ms
	RetryMax    time.Duration // between attempts, and what a connection must last to count as good; 3 s
	BulkIdle    time.Duration // until the second connection is closed for want of use; 30 s
}

func (t Timing) withDefaults() Timing {
	return Timing{
		Connect:     orDefault(t.Connect, defaultHandshake),
		Write:       orDefault(t.Write, defaultWrite),
		PingEvery:   orDefault(t.PingEvery, 5*time.Second),
		PingTimeout: orDefault(t.PingTimeout, 3*time.Second),
		RetryMin:    orDefault(t.RetryMin, 250*time.Millisecond),
		RetryMax:    orDefault(t.RetryMax, 3*time.Second),
		BulkIdle:    orDefault(t.BulkIdle, 30*time.Second),
	}
}

// DeviceOptions make a Device.
type DeviceOptions struct {
	Serial string                                      // names the device, in errors too
	Dial   func(ctx context.Context) (net.Conn, error) // reaches its adbd
	Timing Timing
	Keys   []*Key // see ConnOptions

	// Mode is the way to the device; "" is Direct. Server reaches an adb server. With it, a
	// direct device that demands a key we lack is used through that server, if it knows the
	// device. Addr is how the server finds the device: the address of its adbd; "" is Serial.
	Mode   Mode
	Server func(ctx context.Context) (net.Conn, error)
	Addr   string

	// OnChange is told when the connection came up or was lost, one call at a time and never
	// under a lock. A slow callback is not queued for: it is called once more with the latest
	// state, and State.Connects tells how often the device came up meanwhile. It must not call
	// Close. Nil is nobody.
	OnChange func(State)
}

// State is what is known of a device's connection.
type State struct {
	Connected bool
	Since     time.Time   // when it came up, was lost, or the handle was made
	Banner    wire.Banner // of the present connection, else of the last; slice shared, never modify it
	Err       error       // why it is not connected; nil while it is
	Connects  int         // how often it came up
	Renewals  int         // how often it came up again after it had hung
	Via       Mode        // of the present connection, else of the last; "" before

	Pong     time.Time     // when the device last answered: handshake or ping; zero before
	PingTook time.Duration // how long the last answered ping took; zero before
}

// Device is a lasting handle on one device: it connects, asks for signs of life, and
// reconnects until Close. All methods are safe for concurrent use. A connected device costs
// two goroutines and one socket, and one of each more while it is used for bulk.
type Device struct {
	serial string
	dial   func(ctx context.Context) (net.Conn, error)
	timing Timing
	keys   []*Key
	mode   Mode
	server serverOptions

	life context.Context // ends with Close
	end  context.CancelFunc
	kick chan struct{} // poked when somebody begins to wait for the connection
	turn chan struct{} // the right to make the second connection
	wg   sync.WaitGroup

	mu        sync.Mutex
	started   bool
	conn      session // nil while not connected
	state     State
	second    *bulk // nil while there is none
	waiters   int
	came      chan struct{} // closed when the connection comes up; then replaced
	onChange  func(State)
	hung      bool // the last connection ended for want of a sign of life
	changed   bool // onChange has not been told yet
	notifying bool // a goroutine tells it
}

// NewDevice makes a handle that does nothing until Start.
func NewDevice(opts DeviceOptions) *Device {
	d := &Device{
		serial:   opts.Serial,
		dial:     opts.Dial,
		timing:   opts.Timing.withDefaults(),
		keys:     opts.Keys,
		mode:     opts.Mode,
		server:   serverOptions{dial: opts.Server, serial: opts.Serial, addr: opts.Addr, connect: opts.Mode == Server},
		kick:     make(chan struct{}, 1),
		turn:     make(chan struct{}, 1),
		came:     make(chan struct{}),
		onChange: opts.OnChange,
	}
	if d.server.addr == "" {
		d.server.addr = opts.Serial
	}
	d.state = State{Since: time.Now(), Err: fault.Unavailablef("not tried yet")}
	d.life, d.end = context.WithCancel(context.Background())
	return d
}

// Serial returns the name the device was given.
func (d *Device) Serial() string { return d.serial }

// Start begins to connect and returns at once. Further calls, and calls after Close, do nothing.
func (d *Device) Start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.started || d.life.Err() != nil {
		return
	}
	d.started = true
	d.wg.Go(d.run)
}

// Close ends the connection, all its streams and all goroutines, and returns when they are
// gone. No callback is called after that. It may be called again.
func (d *Device) Close() error {
	d.mu.Lock()
	d.end() // under the lock, so that Start and announce add no goroutine behind Wait's back
	d.mu.Unlock()
	d.wg.Wait()
	return nil
}

// State returns what is known, at once.
func (d *Device) State() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

// current returns the connection, or why there is none.
func (d *Device) current() (session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil {
		return nil, absentError(d.serial, d.state.Since, d.state.Err)
	}
	return d.conn, nil
}

// Await returns when the device is connected, or with the reason why it is not when ctx ends
// or the device is closed. While somebody waits, attempts follow each other after
// Timing.RetryMin: a booting device is noticed when it comes up, not seconds later.
func (d *Device) Await(ctx context.Context) error {
	d.mu.Lock()
	d.waiters++
	wake(d.kick)
	var end error
	for d.conn == nil {
		came := d.came
		d.mu.Unlock()
		select {
		case <-came:
		case <-ctx.Done():
			end = ctx.Err()
		case <-d.life.Done():
			end = errHandedIn
		}
		d.mu.Lock()
		if end != nil && d.conn == nil {
			break
		}
	}
	d.waiters--
	up, since, cause := d.conn != nil, d.state.Since, d.state.Err
	if errors.Is(end, errHandedIn) {
		cause = end
	}
	d.mu.Unlock()
	if up {
		return nil
	}
	return awaitError(ctx, absentError(d.serial, since, cause))
}

// awaitError keeps what is wrong with the device and takes the kind of who stopped waiting.
func awaitError(ctx context.Context, absent error) error {
	if ctx.Err() == nil {
		return absent
	}
	return fault.Wrap(fault.KindOf(ctx.Err()), "wait for adb", absent)
}

// Open is Conn.Open on the present connection. Without one it fails at once: Unavailable,
// saying since when and why.
func (d *Device) Open(ctx context.Context, service string) (*Stream, error) {
	c, err := d.current()
	if err != nil {
		return nil, err
	}
	return openStream(ctx, c, service)
}

// Shell is Conn.Shell on the present connection. Without one it fails at once: Unavailable,
// saying since when and why.
func (d *Device) Shell(ctx context.Context, cmd ShellCommand) (ShellResult, error) {
	c, err := d.current()
	if err != nil {
		return ShellResult{ExitCode: NoExit}, err
	}
	return runShell(ctx, c, &cmd)
}

// Ping is Conn.Ping on the present connection.
func (d *Device) Ping(ctx context.Context) error {
	c, err := d.current()
	if err != nil {
		return err
	}
	return c.Ping(ctx)
}
