package operator

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// maxMessages bounds what one polled connection keeps. Upstream keeps all for ever.
const maxMessages = 100_000

// polledClient is a viewer that asks for its messages.
type polledClient struct {
	device *device
	number int

	mu       sync.Mutex
	messages []deviceMessage
}

var _ client = (*polledClient)(nil)

func (p *polledClient) deliver(payload json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.messages) < maxMessages {
		p.messages = append(p.messages, deviceMessage{"device_msg", payload})
	}
}

// disconnect has nobody to tell: the connection's id is gone.
func (p *polledClient) disconnect() {}

// routePolled answers what lies below /polled_connections.
func (h *Hub) routePolled(w http.ResponseWriter, r *http.Request, rest []string) {
	switch {
	case len(rest) == 0 && r.Method == http.MethodPost:
		h.openPolled(w, r)
		return
	case len(rest) != 2 || rest[0] == "":
		http.NotFound(w, r)
		return
	}
	h.mu.Lock()
	p := h.polled[rest[0]]
	h.mu.Unlock()
	switch {
	case p == nil:
		http.NotFound(w, r)
	case rest[1] == ":forward" && r.Method == http.MethodPost:
		h.pause(r, p.device.ID)
		p.forward(w, r)
	case rest[1] == "messages" && r.Method == http.MethodGet:
		h.pause(r, p.device.ID)
		h.messages(w, r, p)
	default:
		http.NotFound(w, r)
	}
}

// openPolled makes a polled connection. The device learns nothing of it.
func (h *Hub) openPolled(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ID string `json:"device_id"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxFrame)).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.pause(r, body.ID)
	d := h.device(body.ID)
	if d == nil {
		http.Error(w, "Device not found", http.StatusNotFound)
		return
	}
	p := &polledClient{device: d}
	if p.number = d.join(p); p.number == 0 {
		http.Error(w, "Device not found", http.StatusNotFound)
		return
	}
	id := connectionID()
	h.mu.Lock()
	h.polled[id] = p
	h.mu.Unlock()
	answer(w, struct {
		ID   string          `json:"connection_id"`
		Info json.RawMessage `json:"device_info"`
	}{id, d.Info})
}

// connectionID is 64 letters and digits.
func connectionID() string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	var random, id [64]byte
	_, _ = rand.Read(random[:]) // it never fails
	for i, b := range random {
		id[i] = letters[int(b)%len(letters)]
	}
	return string(id[:])
}

func (p *polledClient) forward(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxFrame)).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := p.device.send(p.number, body.Payload); err != nil {
		http.Error(w, "Device disconnected", http.StatusNotFound) // and the "ok" behind it all the same
	}
	answer(w, "ok")
}

// messages answers at once with what there is from an index on.
func (h *Hub) messages(w http.ResponseWriter, r *http.Request, p *polledClient) {
	start, count := 0, -1
	var err error
	if text := r.URL.Query().Get("start"); text != "" {
		if start, err = strconv.Atoi(text); err != nil {
			http.Error(w, "Invalid value for start field", http.StatusBadRequest)
			return
		}
	}
	if text := r.URL.Query().Get("count"); text != "" {
		if count, err = strconv.Atoi(text); err != nil {
			http.Error(w, "Invalid value for count field", http.StatusBadRequest)
			return
		}
	}
	p.mu.Lock()
	have := p.messages
	p.mu.Unlock()
	if start < 0 || start > len(have) {
		if _, fixed := h.faults.find("fix_panic", p.device.ID); !fixed && !h.options.FixPanic {
			panic(http.ErrAbortHandler) // upstream's index out of range: the connection is dropped
		}
		start = len(have)
	}
	page := have[start:]
	if count >= 0 && count < len(page) {
		page = page[:count]
	}
	answer(w, append([]deviceMessage{}, page...))
}
