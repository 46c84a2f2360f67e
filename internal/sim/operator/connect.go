package operator

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
)

// Limits of a viewer's WebSocket.
const (
	maxFrame   = 64 << 10
	pingPeriod = 30 * time.Second
	pongLimit  = 60 * time.Second
	writeLimit = 10 * time.Second
	queueSize  = 256
)

// socketClient is a viewer on a WebSocket.
type socketClient struct {
	hub    *Hub
	device *device
	number int
	conn   *websocket.Conn
	queue  chan any
	done   chan struct{} // closed at the end
	end    sync.Once
	writes sync.Mutex
}

var _ client = (*socketClient)(nil)

// connect serves a viewer's WebSocket until either side ends it.
func (h *Hub) connect(w http.ResponseWriter, r *http.Request, id string) {
	d := h.device(id)
	if d == nil {
		http.Error(w, "Device not found", http.StatusNotFound)
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	c := &socketClient{hub: h, device: d, conn: conn, queue: make(chan any, queueSize), done: make(chan struct{})}
	c.queue <- map[string]json.RawMessage{"device_info": d.Info}
	if c.number = d.join(c); c.number == 0 || !h.enter(c) {
		c.cut(false)
		return
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write()
	}()
	c.read()
	c.cut(false)
	<-written
	d.leave(c.number)
	h.mu.Lock()
	delete(h.sockets, c)
	h.mu.Unlock()
}

// enter keeps the socket for Close, unless it was.
func (h *Hub) enter(c *socketClient) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.sockets[c] = true
	}
	return !h.closed
}

// read passes frames on to the device until the viewer leaves, sends what is no JSON, or is silent for too long.
func (c *socketClient) read() {
	c.conn.SetReadLimit(maxFrame)
	alive := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongLimit)) }
	c.conn.SetPongHandler(alive)
	for alive("") == nil {
		_, frame, err := c.conn.ReadMessage()
		if err != nil || !json.Valid(frame) || c.device.send(c.number, frame) != nil {
			return
		}
	}
}

// write sends what is queued, and pings.
func (c *socketClient) write() {
	ping := time.NewTicker(pingPeriod)
	defer ping.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-ping.C:
			if c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeLimit)) != nil {
				c.cut(false)
				return
			}
		case message := <-c.queue:
			if slow, ok := c.hub.faults.take("slow", c.device.ID); ok {
				select {
				case <-time.After(slow.duration(time.Second)):
				case <-c.done:
					return
				}
			}
			if c.send(message) != nil {
				c.cut(false)
				return
			}
		}
	}
}

func (c *socketClient) send(message any) error {
	c.writes.Lock()
	defer c.writes.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	return c.conn.WriteJSON(message)
}

// deliver queues a message. A viewer that does not read holds its whole device up until its write fails.
func (c *socketClient) deliver(payload json.RawMessage) {
	select {
	case c.queue <- deviceMessage{"device_msg", payload}:
	case <-c.done:
	}
}

// disconnect sends the error frame, which may be lost, and closes without a farewell.
func (c *socketClient) disconnect() {
	_, sure := c.hub.faults.find("error_frame", c.device.ID)
	if sure || c.hub.options.SureErrorFrame || rand.IntN(2) == 0 {
		_ = c.send(map[string]string{"error": "Device disconnected"}) // it may be lost
	}
	c.cut(false)
}

// cut closes the TCP connection: the browser sees code 1006. With reset it sees a reset.
func (c *socketClient) cut(reset bool) {
	c.end.Do(func() {
		if tcp, ok := c.conn.NetConn().(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0) // a close that is polite is one too
		}
		close(c.done)
		c.conn.NetConn().Close()
	})
}

// resetSockets cuts the WebSockets of a device, or of all, in the rude way.
func (h *Hub) resetSockets(id string) int {
	h.mu.Lock()
	var found []*socketClient
	for c := range h.sockets {
		if id == "" || c.device.ID == id {
			found = append(found, c)
		}
	}
	h.mu.Unlock()
	for _, c := range found {
		c.cut(true)
	}
	return len(found)
}
