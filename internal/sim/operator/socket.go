package operator

import (
	"encoding/json"

	"github.com/daytonaio/runner-android/internal/sim/seqpacket"
)

// socketLink is a device behind the registration socket.
type socketLink struct{ conn *seqpacket.Conn }

var _ Link = socketLink{}

// Send implements Link.
func (l socketLink) Send(message any) error { return l.conn.Send(message) }

// Close implements Link.
func (l socketLink) Close() { l.conn.Close() }

type errorMessage struct {
	Error string `json:"error"`
}

// ServeDevices takes registrations until the listener is closed.
func (h *Hub) ServeDevices(listener *seqpacket.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go h.serveDevice(conn)
	}
}

// serveDevice is one registration, from its first packet to its end.
func (h *Hub) serveDevice(conn *seqpacket.Conn) {
	defer conn.Close()
	packet, err := conn.Receive()
	if err != nil {
		return
	}
	var r struct { // whatever the message_type says
		ID   string          `json:"device_id"`
		Port int             `json:"device_port"`
		Info json.RawMessage `json:"device_info"`
	}
	if json.Unmarshal(packet, &r) != nil {
		return
	}
	d, err := h.Register(Registration{r.ID, r.Port, r.Info}, socketLink{conn})
	if err != nil {
		_ = conn.Send(errorMessage{err.Error()}) // it is told or gone
		return
	}
	defer h.Unregister(d)
	if conn.Send(json.RawMessage(infraConfig)) != nil {
		return
	}
	for {
		packet, err := conn.Receive()
		if err != nil {
			return
		}
		fatal, err := d.Forward(packet)
		if err != nil && conn.Send(errorMessage{err.Error()}) != nil || fatal {
			return
		}
	}
}

// preRegistration is what cvd told of a device that is to come.
type preRegistration struct {
	group, owner, name string
	adbPort            int
	registered         func(id string) // tells cvd
}

// verdict is the answer about one device.
type verdict struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

// ServeControl takes pre-registrations until the listener is closed.
func (h *Hub) ServeControl(listener *seqpacket.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go h.serveControl(conn)
	}
}

// serveControl is one cvd, which stays connected for as long as its devices boot.
func (h *Hub) serveControl(conn *seqpacket.Conn) {
	defer conn.Close()
	mine := map[string]*preRegistration{}
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for id, p := range mine {
			if h.pending[id] == p {
				delete(h.pending, id)
			}
		}
	}()
	for {
		packet, err := conn.Receive()
		if err != nil {
			return
		}
		var m struct {
			Type    string `json:"message_type"`
			Group   string `json:"group_name"`
			Owner   string `json:"owner"`
			Devices []struct {
				ID      string `json:"id"`
				Name    string `json:"name"`
				ADBPort int    `json:"adb_port"`
			} `json:"devices"`
		}
		if json.Unmarshal(packet, &m) != nil || m.Type != "pre-register" {
			return
		}
		verdicts := []verdict{}
		for _, d := range m.Devices {
			p := &preRegistration{m.Group, m.Owner, d.Name, d.ADBPort, func(id string) {
				go conn.Send(verdict{id, "registered", ""}) //nolint:errcheck // cvd may have gone
			}}
			v := h.preRegister(d.ID, p)
			if v.Status == "accepted" {
				mine[d.ID] = p
			}
			verdicts = append(verdicts, v)
		}
		if conn.Send(verdicts) != nil {
			return
		}
	}
}

func (h *Hub) preRegister(id string, p *preRegistration) verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.devices[id] != nil:
		return verdict{id, "failed", "Device Id already registered"}
	case h.pending[id] != nil:
		return verdict{id, "failed", "Device Id already pre-registered"}
	}
	h.pending[id] = p
	return verdict{id, "accepted", ""}
}
