package transport

import (
	"errors"
	"io"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/internal/fault"
)

// SocketBytes is the bytes of a WebSocket's binary messages as one connection: where a message ends means
// nothing. One goroutine may read, any number may write.
type SocketBytes struct {
	socket  *Socket
	message io.Reader // nil between messages
}

// Bytes makes it. Nothing else reads the socket then.
func (s *Socket) Bytes() *SocketBytes { return &SocketBytes{socket: s} }

// Read reads what the client sent, without holding a whole message; a text message is an error. Like that of
// [Socket.Read], an error ends the socket's context.
func (b *SocketBytes) Read(p []byte) (n int, err error) {
	for {
		if b.message == nil {
			if b.message, err = b.next(); err != nil {
				return 0, err
			}
		}
		// A message is sent as a whole, so the rest of it is not waited for in vain; half of one would cost the next
		// in line a write of its own.
		n, err = io.ReadFull(b.message, p)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			b.message, err = nil, nil
			b.socket.alive()
		}
		if err != nil {
			b.socket.gone(errClientGone)
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next waits for a message. The time that the client has for a sign of life begins now: while nobody reads, its
// pongs wait behind its bytes.
func (b *SocketBytes) next() (io.Reader, error) {
	b.socket.alive()
	kind, message, err := b.socket.conn.NextReader()
	if err == nil && kind != websocket.BinaryMessage {
		err = fault.Invalidf("a binary message is wanted")
		b.socket.Close(ClosePolicy, err.Error())
	}
	if err != nil {
		b.socket.gone(errClientGone)
		return nil, err
	}
	return message, nil
}

// Write sends p as one binary message.
func (b *SocketBytes) Write(p []byte) (int, error) {
	if err := b.socket.Binary(p); err != nil {
		return 0, err
	}
	return len(p), nil
}
