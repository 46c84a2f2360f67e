package transport

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
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
	server, id, span := c.route.server, c.RequestID(), c.within(context.Background())
	up := websocket.FastHTTPUpgrader{
		CheckOrigin: func(*fasthttp.RequestCtx) bool { return true },
		Error: func(rc *fasthttp.RequestCtx, status int, reason error) {
			server.refuse(rc, c.route, fault.Invalidf("WebSocket: %v", reason), []byte(id)...)
		},
	}
	if o.Protocol != "" {
		up.Subprotocols = []string{o.Protocol}
	}
	err := up.Upgrade(c.rc, func(conn *websocket.Conn) {
		s := newSocket(conn, o)
		ctx, gone, leave := server.sockets.enter(span, s.stop)
		defer leave()
		s.gone = gone
		s.end(server.runSocket(ctx, s, id, serve), context.Cause(ctx))
	})
	if err != nil { // the refusal is written already
		server.log.Debug("socket refused", zap.String(obs.RequestID, id), zap.Error(err))
	}
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

	stopped atomic.Bool // nothing is read any more

	mu     sync.Mutex // writes
	closed bool
}

func newSocket(conn *websocket.Conn, o SocketOptions) *Socket {
	conn.SetReadLimit(o.ReadLimit)
	s := &Socket{conn: conn}
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
	_ = s.conn.SetWriteDeadline(time.Now().Add(socketWrite))
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
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(socketWrite))
}

// stop closes a socket whose server stops.
func (s *Socket) stop(cause error) {
	s.end(nil, cause)
	_ = s.conn.SetReadDeadline(time.Now()) // a read that waits sees no context
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

// keepAlive pings until stop is called.
func (s *Socket) keepAlive(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pingEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(socketWrite)) != nil {
					s.gone(errClientGone)
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
