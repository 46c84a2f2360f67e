package webrtc

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/display"
	"github.com/daytonaio/runner-android/internal/sim/inject"
)

// Options describe a device.
type Options struct {
	ID       string
	Operator string // path of the registration socket
	ADBPort  int    // on the loopback address; 0 is none
	// UDPPorts and TCPPorts are "min:max", where media may listen; 0:0 or nothing means any.
	UDPPorts, TCPPorts string
	CPUs, MemoryMB     int
	// Screen shows the guest. Nil makes a device for signaling only.
	Screen Screen
	// Log takes what the process says; nil drops it.
	Log io.Writer
	// RetryAfter is the first pause before the operator is tried again. Default 1 s.
	RetryAfter time.Duration
}

// Device is one device. Its methods are safe for concurrent use.
type Device struct {
	options Options
	cast    *cast
	media   *media

	mu      sync.Mutex
	faults  inject.Faults
	changed chan struct{} // closed when the faults are others
	events  []display.Event
	inputs  []Input

	fingers touchScreen
}

// Input is something that a viewer did, as its page said it.
type Input struct {
	Channel string // "input-channel" or "device-control"
	Message string
}

// maxInputs bounds what is remembered of them.
const maxInputs = 1000

// New makes a device that Run brings to life.
func New(o Options) *Device {
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.RetryAfter <= 0 {
		o.RetryAfter = time.Second
	}
	d := &Device{options: o, changed: make(chan struct{})}
	if o.Screen != nil {
		d.cast = newCast(o.Screen, d.logf)
		d.media = &media{options: o}
	}
	return d
}

func (d *Device) logf(format string, args ...any) {
	fmt.Fprintf(d.options.Log, "webRTC I "+format+"\n", args...)
}

// SetFaults makes the device misbehave from now on: those named webrtc_….
func (d *Device) SetFaults(faults inject.Faults) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = faults
	close(d.changed)
	d.changed = make(chan struct{})
}

// fault tells whether a fault holds; changed is closed when that may be another answer.
func (d *Device) fault(name string) (f inject.Fault, holds bool, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, holds = d.faults.Find("webrtc_" + name)
	return f, holds, d.changed
}

// Tell is an event of the guest: it is passed on to the viewers, and the last of each kind to later ones.
func (d *Device) Tell(e display.Event) {
	d.mu.Lock()
	kept := d.events[:0:0]
	for _, old := range d.events {
		boots := strings.Contains(old.Name, "_BOOT_") && strings.Contains(e.Name, "_BOOT_")
		if old.Name != e.Name && !boots {
			kept = append(kept, old)
		}
	}
	kept = append(kept, e)
	d.events = kept
	d.mu.Unlock()
	if d.media != nil {
		d.media.tell(e)
	}
}

func (d *Device) lastEvents() []display.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events
}

func (d *Device) record(channel, message string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.inputs) < maxInputs {
		d.inputs = append(d.inputs, Input{channel, message})
	}
}

// Inputs are all that viewers did so far, oldest first; of very many only the first thousand.
func (d *Device) Inputs() []Input {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Input(nil), d.inputs...)
}

// Run registers with the operator again and again, serves the page and shows the screen, until ctx ends.
func (d *Device) Run(ctx context.Context) error {
	files, err := d.serveFiles(ctx)
	if err != nil {
		return err
	}
	defer files.stop()
	if d.media != nil {
		defer d.cast.close() // after its viewers
		defer d.media.close()
	}
	d.stayRegistered(ctx, files.port)
	return nil
}

// lastRetry bounds the pauses between attempts.
const lastRetry = 30 * time.Second

// stayRegistered keeps a registration. Each attempt that fails doubles the pause before the next.
func (d *Device) stayRegistered(ctx context.Context, port int) {
	pause := d.options.RetryAfter
	for {
		vanish, vanished, changed := d.fault("vanish")
		if vanished {
			d.logf("not registering: %s", vanish)
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
			continue
		}
		registered, err := d.register(ctx, port)
		if ctx.Err() != nil {
			return
		}
		if registered {
			pause = d.options.RetryAfter
		}
		d.logf("the operator's connection ended: %v; again in %s", err, pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if !registered {
			pause = min(2*pause, lastRetry)
		}
	}
}

// info is device_info: all keys are always there.
func (d *Device) info() map[string]any {
	hardware := map[string]string{
		"CPUs": strconv.Itoa(d.options.CPUs), "RAM": strconv.Itoa(d.options.MemoryMB) + " mb", "GPU Mode": "guest_swiftshader",
	}
	buttons := []any{}
	if _, hostile, _ := d.fault("hostile"); hostile {
		const nasty = "</script><script>alert('x')</script>\n\"quoted\""
		hardware[nasty] = nasty
		buttons = append(buttons, map[string]string{"command": nasty, "title": nasty, "icon_name": "bolt"})
	}
	width, height := 720, 1280
	return map[string]any{
		"displays":      []any{map[string]any{"stream_id": displayLabel, "x_res": width, "y_res": height, "dpi": 320, "is_touch": true}},
		"touchpads":     []any{},
		"audio_streams": []any{}, "hardware": hardware, "openwrt_device_id": "", "openwrt_addr": "",
		"adb_port": d.options.ADBPort, "control_env_proxy_server_path": "", "mouse_enabled": false, "gamepad_enabled": false,
		"custom_control_panel_buttons": buttons,
	}
}

// ports reads "min:max"; 0, 0 is any.
func ports(text string) (low, high uint16) {
	a, b, _ := strings.Cut(text, ":")
	l, errLow := strconv.ParseUint(a, 10, 16)
	h, errHigh := strconv.ParseUint(b, 10, 16)
	if errLow != nil || errHigh != nil || l > h {
		return 0, 0
	}
	return uint16(l), uint16(h)
}

func loopbackPort(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// payload is one message between a browser and the device.
type payload map[string]any

func (p payload) json() json.RawMessage {
	data, err := json.Marshal(map[string]any(p))
	if err != nil {
		return json.RawMessage("{}") // our own payloads always have a JSON form
	}
	return data
}
