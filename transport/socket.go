package transport

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
)

const (
	// pingEvery keeps what lies between alive, and finds clients that are gone.
	pingEvery = 25 * time.Second
	// pongLimit is how long a client may be silent.
	pongLimit = 60 * time.Second
	// socketWrite is how long one message may take to be taken by the client.
	socketWrite = 30 * time.Second
	// defaultRead is the largest message that is taken unless the route says otherwise.
	defaultRead = 1 << 20
)

// SocketOptions are what a route wants of its WebSockets.
type SocketOptions struct {
	// Protocol is the subprotocol that is chosen, one of those that [Ctx.Offered] lists; may be empty.
	Protocol string
	// ReadLimit is the largest message taken from the client, in bytes; 0: 1 MiB.
	ReadLimit int64
	// WriteLimit is how long the client may take for one message; 0: 30 s.
	WriteLimit time.Duration
	// Bulk is for routes that carry much: messages of up to 128 KiB are written at once, in memory that all such
	// sockets share.
	Bulk bool
	// Abandon, if it is set, is called instead of serve when no WebSocket comes about: what serve was to
	// use has to be given back.
	Abandon func()
}

// WantsSocket reports whether the request asks for a WebSocket.
func (c *Ctx) WantsSocket() bool { return websocket.FastHTTPIsWebSocketUpgrade(c.rc) }

// Offered lists the subprotocols that the client offers.
func (c *Ctx) Offered() []string {
	var offered []string
	for _, p := range strings.Split(string(c.rc.Request.Header.Peek("Sec-WebSocket-Protocol")), ",") {
		if p = strings.TrimSpace(p); p != "" {
			offered = append(offered, p)
		}
	}
	return offered
}

// Upgrade makes a WebSocket of the request; Invalid when it is none. serve has it after the handler
// has returned: it uses nothing of c, and the socket is closed when it returns, with 1011 and a reason
// when that is an error. ctx ends when the client is gone or the server stops; the client is told
// 1001 then. Whatever its Origin, a client that has the token is served: behind Daytona's proxy the
// browser's origin is never the runner's host.
func (c *Ctx) Upgrade(o SocketOptions, serve func(ctx context.Context, s *Socket) error) error {
	if !c.WantsSocket() {
		return fault.Invalidf("a WebSocket is wanted here: send Connection: Upgrade and Upgrade: websocket")
	}
	if o.ReadLimit == 0 {
		o.ReadLimit = defaultRead
	}
	if o.WriteLimit == 0 {
		o.WriteLimit = socketWrite
	}
	server, id, span := c.route.server, c.RequestID(), c.within(context.Background())
	conn := &ownConn{Conn: c.rc.Conn()}
	ws, err := c.shakeHands(conn, o)
	if err != nil {
		if o.Abandon != nil {
			o.Abandon()
		}
		server.log.Debug("socket refused", zap.String(obs.RequestID, id), zap.Error(err))
		return fault.Invalidf("WebSocket: %v", err)
	}
	ended := c.outlast()
	begin := settle(server.limits.WriteTimeout+takeOver, func() {
		defer ended()
		if o.Abandon != nil {
			o.Abandon()
		}
	})
	c.handOver(conn, func() {
		if !begin() {
			return
		}
		defer ended()
		s := newSocket(ws, o)
		ctx, gone, leave := server.sockets.enter(span, s.stop)
		defer leave()
		s.gone = gone
		s.end(server.runSocket(ctx, s, id, serve), context.Cause(ctx))
	})
	return nil
}

// runSocket serves one socket; a panic becomes an error.
func (s *Server) runSocket(ctx context.Context, socket *Socket, id string, serve func(context.Context, *Socket) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.caught(p)
			s.log.Error("internal error", append(s.fieldsOf(err), zap.String(obs.RequestID, id))...)
		}
	}()
	stop := socket.keepAlive(ctx)
	defer stop()
	return serve(ctx, socket)
}

// Socket is one WebSocket. One goroutine may read, any number may write.
type Socket struct {
	conn *websocket.Conn
	gone context.CancelCauseFunc
	slow time.Duration // how long a write may take

	stopped atomic.Bool // nothing is read any more

	mu     sync.Mutex // writes
	closed bool
}

func newSocket(conn *websocket.Conn, o SocketOptions) *Socket {
	conn.SetReadLimit(o.ReadLimit)
	s := &Socket{conn: conn, slow: o.WriteLimit}
	s.alive()
	conn.SetPongHandler(func(string) error { s.alive(); return nil })
	return s
}

// alive gives the client time for its next sign of life.
func (s *Socket) alive() {
	_ = s.conn.SetReadDeadline(time.Now().Add(pongLimit))
	if s.stopped.Load() { // perhaps between these two
		_ = s.conn.SetReadDeadline(time.Now())
	}
}

// Discard reads and drops what the client sends, for routes that only write: the context ends when the
// client leaves. Nothing reads any more when stop has returned; call it before the route ends.
func (s *Socket) Discard() (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, _, err := s.Read(); err != nil {
				return
			}
		}
	}()
	return func() { s.StopReading(); <-done }
}

// StopReading makes Read fail from now on, also one that waits.
func (s *Socket) StopReading() {
	s.stopped.Store(true)
	_ = s.conn.SetReadDeadline(time.Now())
}

// Read returns the next message; text says which of the two sorts it is. An error means that the
// client closed, is silent, or sent more than the limit; the socket's context ends with it.
func (s *Socket) Read() (text bool, data []byte, err error) {
	kind, data, err := s.conn.ReadMessage()
	if err != nil {
		s.gone(errClientGone)
		return false, nil, err
	}
	s.alive()
	return kind == websocket.TextMessage, data, nil
}

// errClientGone is the cause of a context whose client is no longer there.
var errClientGone = fault.New(fault.Cancelled, "the client is gone")

// Text sends a text message.
func (s *Socket) Text(data []byte) error { return s.write(websocket.TextMessage, data) }

// Binary sends a binary message.
func (s *Socket) Binary(data []byte) error { return s.write(websocket.BinaryMessage, data) }

func (s *Socket) write(kind int, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClientGone
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.slow))
	if err := s.conn.WriteMessage(kind, data); err != nil {
		s.gone(errClientGone)
		return fault.Wrap(fault.Cancelled, "write to the client", err)
	}
	return nil
}

// The close codes that routes use (RFC 6455, 7.4.1).
const (
	CloseNormal   = websocket.CloseNormalClosure
	CloseGoing    = websocket.CloseGoingAway
	ClosePolicy   = websocket.ClosePolicyViolation
	CloseInternal = websocket.CloseInternalServerErr
)

// maxReason is what a close frame has room for.
const maxReason = 123

// Close says goodbye with a code and a reason, which is cut to what a close frame holds. Further
// writes fail; further calls do nothing.
func (s *Socket) Close(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(s.slow))
}

// stop closes a socket whose server stops.
func (s *Socket) stop(cause error) {
	s.end(nil, cause)
	_ = s.conn.SetReadDeadline(time.Now()) // a read that waits sees no context
}

// CloseWith closes the socket, with the cause as reason, when ctx ends, and lets nothing more be read. When forget has
// returned it does not, and is not about to: call it before the route ends.
func (s *Socket) CloseWith(ctx context.Context) (forget func()) {
	done := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(done)
		s.Close(CloseGoing, context.Cause(ctx).Error())
		s.StopReading()
	})
	return func() {
		if !unwatch() {
			<-done
		}
	}
}

// end closes a socket whose route is done with it.
func (s *Socket) end(err, cause error) {
	switch {
	case errors.Is(cause, errStopping):
		s.Close(CloseGoing, "the runner is stopping")
	case err != nil:
		s.Close(CloseInternal, err.Error())
	default:
		s.Close(CloseNormal, "")
	}
}

// keepAlive pings until stop is called or ctx ends. From one ping to the next nothing waits but a timer, which costs an
// idle socket no stack; one that takes no ping holds up no other's.
func (s *Socket) keepAlive(ctx context.Context) (stop func()) {
	var turn sync.Mutex // of a ping, or of its end
	var next *time.Timer
	stopped := false
	turn.Lock()
	defer turn.Unlock()
	next = time.AfterFunc(pingEvery, func() {
		turn.Lock()
		defer turn.Unlock()
		if stopped || ctx.Err() != nil {
			return
		}
		if s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(socketWrite)) != nil {
			s.gone(errClientGone)
			return
		}
		next.Reset(pingEvery)
	})
	return func() {
		next.Stop()
		turn.Lock() // the connection is closed when we return
		defer turn.Unlock()
		stopped = true
	}
}
