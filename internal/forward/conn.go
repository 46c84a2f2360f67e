package forward

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
)

// Conn is the bytes of a tunnel. One goroutine may read and another write; Close may come from any.
type Conn struct {
	socket  *websocket.Conn
	message io.Reader // nil between messages

	once sync.Once
	done chan struct{} // closed by Close
	mu   sync.Mutex
	why  error // what the other side said when it closed
}

func newConn(socket *websocket.Conn) *Conn {
	c := &Conn{socket: socket, done: make(chan struct{})}
	c.alive()
	socket.SetPongHandler(func(string) error { c.alive(); return nil })
	answer := socket.PingHandler()
	socket.SetPingHandler(func(text string) error { c.alive(); return answer(text) })
	go c.ping()
	return c
}

// alive gives the other side time for its next sign of life.
func (c *Conn) alive() { _ = c.socket.SetReadDeadline(time.Now().Add(silence)) }

// ping asks for signs of life until the connection is closed.
func (c *Conn) ping() {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = c.socket.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeLimit)) // silence will tell
		case <-c.done:
			return
		}
	}
}

// Read reads what the device sent. io.EOF is an end in order; see [Conn.Why].
func (c *Conn) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			c.alive() // while nobody reads, pongs wait behind bytes
			kind, message, err := c.socket.NextReader()
			if err == nil && kind != websocket.BinaryMessage {
				err = errors.New("the tunnel sent text: is the URL that of a tunnel?")
			}
			if err != nil {
				return 0, c.ended(err)
			}
			c.message = message
		}
		n, err := io.ReadFull(c.message, p) // a message is sent as a whole
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// ended keeps why the other side closed.
func (c *Conn) ended(err error) error {
	var closed *websocket.CloseError
	if !errors.As(err, &closed) {
		return err
	}
	if closed.Code == websocket.CloseNormalClosure {
		return io.EOF
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.why = fmt.Errorf("the runner closed the tunnel: %s", closed.Text)
	if closed.Text == "" {
		c.why = fmt.Errorf("the runner closed the tunnel: %w", closed)
	}
	return c.why
}

// Why is what the other side said when it closed the tunnel out of order; nil when it did not.
func (c *Conn) Why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// Write sends p.
func (c *Conn) Write(p []byte) (int, error) {
	_ = c.socket.SetWriteDeadline(time.Now().Add(writeLimit))
	if err := c.socket.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close says goodbye and ends reads and writes. It may be called again.
func (c *Conn) Close() (err error) {
	c.once.Do(func() {
		close(c.done)
		goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		_ = c.socket.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(time.Second))
		err = c.socket.Close()
	})
	return err
}
