package operator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// Options are how an operator behaves. The zero value is version 1.55.2.
type Options struct {
	// Version of the operator's package. Before 1.50 there is no WebSocket, before 1.55 headers reach the device
	// unfiltered, before 0.9.31 the list of devices looks different. Default 1.55.2.
	Version simroot.Version
	// LegacyPollingOnly takes the WebSocket away whatever the version.
	LegacyPollingOnly bool
	// FixPanic answers a poll that starts behind the last message, for which the real one drops the connection.
	FixPanic bool
	// SureErrorFrame makes the error frame before a WebSocket's end certain; else chance decides, as upstream.
	SureErrorFrame bool
}

// Hub is the operator's state and its HTTP handler. It is safe for concurrent use.
type Hub struct {
	options Options
	faults  *faults
	seen    *requestLog
	// restart and the like, where the hub belongs to a service
	act func(action, arg string) error

	mu      sync.Mutex
	devices map[string]*device
	pending map[string]*preRegistration
	polled  map[string]*polledClient
	sockets map[*socketClient]bool
	closed  bool
}

// New makes an operator without devices.
func New(o Options) *Hub {
	if o.Version == (simroot.Version{}) {
		o.Version = simroot.Version{Major: 1, Minor: 55, Patch: 2}
	}
	return &Hub{
		options: o, faults: &faults{}, seen: &requestLog{},
		devices: map[string]*device{}, pending: map[string]*preRegistration{},
		polled: map[string]*polledClient{}, sockets: map[*socketClient]bool{},
	}
}

// pollingOnly tells whether there is no WebSocket.
func (h *Hub) pollingOnly() bool {
	_, injected := h.faults.find("legacy", "")
	return h.options.LegacyPollingOnly || injected || !h.options.Version.AtLeast(1, 50)
}

// Registration is what a device says of itself.
type Registration struct {
	ID   string
	Port int             // of its page files, on the loopback address
	Info json.RawMessage // device_info; nothing is {}
}

// Link is the way to a device.
type Link interface {
	// Send hands one message over: an object as client_msg is.
	Send(message any) error
	// Close ends the registration from the operator's side.
	Close()
}

// device is an entry of the list.
type device struct {
	Registration
	group, owner, name string
	adbPort            int
	link               Link

	mu      sync.Mutex
	clients map[int]client
	last    int // number of the last client
}

// client is a viewer.
type client interface {
	// deliver hands on what the device sent. It may block for as long as a write may take.
	deliver(payload json.RawMessage)
	// disconnect tells that the device is gone.
	disconnect()
}

var (
	errMissingID = errors.New("Missing device_id")                        //nolint:staticcheck // the operator's words
	errNoClient  = errors.New("Device forward message missing client id") //nolint:staticcheck // as above
	errNoPayload = errors.New("Device forward message missing payload")   //nolint:staticcheck // as above
	errTakenText = "Device id already taken:  %s\n"                       // two spaces and newline are upstream's
	errGoneText  = "Client disconnected:  %d\n"                           // as above
)

// Register enters a device. The error's text is what the operator answers.
func (h *Hub) Register(r Registration, link Link) (*device, error) { //nolint:revive // tests only hold it to unregister
	if r.ID == "" {
		return nil, errMissingID
	}
	if len(r.Info) == 0 || string(r.Info) == "null" {
		r.Info = json.RawMessage("{}")
	}
	_, duplicate := h.faults.take("duplicate_id", r.ID)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.devices[r.ID] != nil || duplicate || h.closed {
		return nil, fmt.Errorf(errTakenText, r.ID)
	}
	d := &device{Registration: r, link: link, clients: map[int]client{}}
	if p := h.pending[r.ID]; p != nil {
		delete(h.pending, r.ID)
		d.group, d.owner, d.name, d.adbPort = p.group, p.owner, p.name, p.adbPort
		p.registered(r.ID)
	}
	h.devices[r.ID] = d
	return d, nil
}

// Unregister takes a device off the list, ends its polled connections and disconnects its viewers.
func (h *Hub) Unregister(d *device) {
	h.mu.Lock()
	if h.devices[d.ID] == d {
		delete(h.devices, d.ID)
	}
	for id, p := range h.polled {
		if p.device == d {
			delete(h.polled, id)
		}
	}
	h.mu.Unlock()
	d.mu.Lock()
	left := d.clients
	d.clients = nil
	d.mu.Unlock()
	for _, c := range left {
		c.disconnect()
	}
}

// device finds an entry, nil if there is none.
func (h *Hub) device(id string) *device {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.devices[id]
}

// list is all entries in no order, as a map gives them.
func (h *Hub) list() []*device {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*device, 0, len(h.devices))
	for _, d := range h.devices {
		all = append(all, d)
	}
	return all
}

// Devices are the ids of all entries, sorted.
func (h *Hub) Devices() []string {
	var ids []string
	for _, d := range h.list() {
		ids = append(ids, d.ID)
	}
	slices.Sort(ids)
	return ids
}

// join enters a viewer and returns its number; 0 when the device is gone.
func (d *device) join(c client) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.clients == nil {
		return 0
	}
	d.last++
	d.clients[d.last] = c
	return d.last
}

func (d *device) leave(number int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.clients, number)
}

// clientMessage is what a viewer says, as the device gets it.
type clientMessage struct {
	Type    string          `json:"message_type"`
	Client  int             `json:"client_id"`
	Payload json.RawMessage `json:"payload"`
}

func (d *device) send(number int, payload json.RawMessage) error {
	return d.link.Send(clientMessage{"client_msg", number, payload})
}

// Forward passes a message of the device on to one of its viewers. An error's text goes back to the device;
// fatal ones end the registration.
func (d *device) Forward(message []byte) (fatal bool, err error) {
	var m struct {
		Client  *int            `json:"client_id"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return true, err
	}
	if m.Client == nil {
		return true, errNoClient
	}
	if len(m.Payload) == 0 {
		return true, errNoPayload
	}
	d.mu.Lock()
	c := d.clients[*m.Client]
	d.mu.Unlock()
	if c == nil {
		return false, fmt.Errorf(errGoneText, *m.Client)
	}
	c.deliver(m.Payload)
	return false, nil
}

// deviceMessage is what a device says, as its viewers get it.
type deviceMessage struct {
	Type    string          `json:"message_type"`
	Payload json.RawMessage `json:"payload"`
}

// Close ends all registrations and connections, as the end of the process does.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	devices, sockets := h.devices, h.sockets
	h.devices, h.polled, h.pending = map[string]*device{}, map[string]*polledClient{}, map[string]*preRegistration{}
	h.sockets = map[*socketClient]bool{}
	h.mu.Unlock()
	for s := range sockets {
		s.cut(false)
	}
	for _, d := range devices {
		d.link.Close()
		h.Unregister(d)
	}
}

// pause is what the fault slow adds to an answer about a device.
func (h *Hub) pause(r *http.Request, id string) {
	slow, ok := h.faults.take("slow", id)
	if !ok {
		return
	}
	select {
	case <-time.After(slow.duration(time.Second)):
	case <-r.Context().Done():
	}
}
