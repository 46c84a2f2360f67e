package operator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// request is one that the operator was sent, as the desk shows it.
type request struct {
	Time   time.Time   `json:"time"`
	Method string      `json:"method"`
	URI    string      `json:"uri"`
	Host   string      `json:"host"`
	Header http.Header `json:"header"`
}

// maxRequests is how many are remembered.
const maxRequests = 500

type requestLog struct {
	mu   sync.Mutex
	list []request
}

func (l *requestLog) add(r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == maxRequests {
		l.list = append(l.list[:0], l.list[1:]...)
	}
	l.list = append(l.list, request{time.Now(), r.Method, r.RequestURI, r.Host, r.Header.Clone()})
}

func (l *requestLog) all() []request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]request{}, l.list...)
}

// desk answers whoever runs the simulator.
func (h *Hub) desk(w http.ResponseWriter, r *http.Request) {
	what, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/sim/"), "/")
	switch {
	case what == "faults" && id == "" && r.Method == http.MethodGet:
		answer(w, h.faults.list())
	case what == "faults" && id == "" && r.Method == http.MethodPost:
		var f rule
		if err := json.NewDecoder(io.LimitReader(r.Body, maxFrame)).Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		added, err := h.Misbehave(f.Fault, f.Device, f.Times)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, map[string]string{"id": added})
	case what == "faults" && r.Method == http.MethodDelete:
		if !h.faults.clear(id) && id != "" {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case what == "requests" && id == "" && r.Method == http.MethodGet:
		answer(w, h.seen.all())
	default:
		http.NotFound(w, r)
	}
}

// Misbehave adds a fault "name" or "name:argument" for a device, or for all when device is empty, and returns
// the id of its rule; an act (vanish, ws_reset, restart, tls) has none.
func (h *Hub) Misbehave(fault, device string, times int) (id string, err error) {
	r := rule{Fault: fault, Device: device, Times: times}
	if err := r.check(); err != nil {
		return "", err
	}
	if !faultKinds()[r.name()] {
		added, err := h.faults.add(r)
		return added.ID, err
	}
	switch r.name() {
	case "vanish":
		d := h.device(device)
		if d == nil {
			return "", fmt.Errorf("device %q is not registered", device)
		}
		d.link.Close()
		h.Unregister(d)
		return "", nil
	case "ws_reset":
		h.resetSockets(device)
		return "", nil
	}
	if h.act == nil {
		return "", fmt.Errorf("fault %s needs an operator with sockets", r.name())
	}
	return "", h.act(r.name(), r.argument())
}

// ClearFaults ends all faults that hold.
func (h *Hub) ClearFaults() { h.faults.clear("") }

// Requests are the last requests but those to the desk, oldest first, each as "METHOD URI" with its headers.
func (h *Hub) Requests() []Request {
	var all []Request
	for _, r := range h.seen.all() {
		all = append(all, Request{r.Method + " " + r.URI, r.Host, r.Header})
	}
	return all
}

// Request is one that the operator was sent.
type Request struct {
	Line   string // "GET /devices"
	Host   string
	Header http.Header
}
