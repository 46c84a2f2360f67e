package transport

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/textproto"
	"sync"

	"github.com/fasthttp/websocket"
)

// What a message is held in while it is written is shared by all sockets of a kind: most of them are idle.
const (
	bulkWrite  = 128 << 10
	smallWrite = 4 << 10
	// smallRead is what a socket reads ahead; what is larger is read past it.
	smallRead = 1 << 10
	bulkRead  = 16 << 10
)

var bulkBuffers, smallBuffers sync.Pool

// offer are the headers that decide on a WebSocket.
var offer = []string{"Connection", "Upgrade", "Sec-Websocket-Version", "Sec-Websocket-Key", "Sec-Websocket-Protocol"}

// shakeHands makes a WebSocket of the connection, which is to be used when the answer, which is set, has been written.
// The library's own way with fasthttp would read through fasthttp's reader, and so hold it.
func (c *Ctx) shakeHands(conn *ownConn, o SocketOptions) (*websocket.Conn, error) {
	up := websocket.Upgrader{
		CheckOrigin:    func(*http.Request) bool { return true },
		Error:          func(http.ResponseWriter, *http.Request, int, error) {},
		ReadBufferSize: smallRead, WriteBufferSize: smallWrite, WriteBufferPool: &smallBuffers,
	}
	if o.Bulk {
		up.ReadBufferSize, up.WriteBufferSize, up.WriteBufferPool = bulkRead, bulkWrite, &bulkBuffers
	}
	if o.Protocol != "" {
		up.Subprotocols = []string{o.Protocol}
	}
	asked := &http.Request{Method: string(c.rc.Method()), Header: http.Header{}}
	for _, name := range offer {
		if value := c.Header(name); value != "" {
			asked.Header.Set(name, value)
		}
	}
	conn.answer = &bytes.Buffer{}
	ws, err := up.Upgrade(shaken{conn}, asked, nil)
	if err != nil {
		return nil, err
	}
	answer := textproto.NewReader(bufio.NewReader(conn.answer))
	conn.answer = nil
	if _, err := answer.ReadLine(); err != nil {
		return nil, err
	}
	header, err := answer.ReadMIMEHeader()
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		c.rc.Response.Header.Set(name, values[0])
	}
	c.rc.SetStatusCode(http.StatusSwitchingProtocols)
	c.rc.Response.Header.SetNoDefaultContentType(true)
	return ws, nil
}

// shaken gives the library the connection.
type shaken struct{ conn *ownConn }

// Header implements [http.ResponseWriter].
func (s shaken) Header() http.Header { return http.Header{} }

// Write implements [http.ResponseWriter].
func (s shaken) Write([]byte) (int, error) { return 0, http.ErrHijacked }

// WriteHeader implements [http.ResponseWriter].
func (s shaken) WriteHeader(int) {}

// Hijack implements [http.Hijacker].
func (s shaken) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return s.conn, bufio.NewReadWriter(bufio.NewReaderSize(s.conn, 1), bufio.NewWriterSize(s.conn, 1)), nil
}
