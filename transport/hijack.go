package transport

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/obs"
)

// takeOver is how much longer than the writing of an answer it may take until its connection is handed
// over.
const takeOver = 5 * time.Second

// SwitchProtocols answers 101 with the headers that the handler has set, of which Upgrade and Connection
// are its business, and then gives the client's connection to serve: for protocols that pass through as
// they are. serve has it after the handler has returned: it uses nothing of c, and the connection is
// closed when it returns, without losing what was written last. ctx ends, and reads and writes of conn
// fail, when the server stops. When the client does not take the 101, abandon is called instead.
func (c *Ctx) SwitchProtocols(serve func(ctx context.Context, conn net.Conn) error, abandon func()) {
	server, id, span, under := c.route.server, c.RequestID(), c.within(context.Background()), c.rc.Conn()
	var settled atomic.Bool // fasthttp says nothing of an answer that it could not write
	late := time.AfterFunc(server.limits.WriteTimeout+takeOver, func() {
		if settled.CompareAndSwap(false, true) {
			abandon()
		}
	})
	c.rc.SetStatusCode(http.StatusSwitchingProtocols)
	c.rc.Response.Header.SetNoDefaultContentType(true)
	c.rc.Hijack(func(shell net.Conn) {
		conn := lastingConn{shell, under}
		if !settled.CompareAndSwap(false, true) {
			return
		}
		late.Stop()
		lingerOnClose(under)
		ctx, _, leave := server.sockets.enter(span, func(error) { _ = conn.SetDeadline(time.Now()) })
		defer leave()
		if err := server.runConn(ctx, conn, id, serve); err != nil {
			server.log.Debug("connection ended", zap.String(obs.RequestID, id), zap.Error(err))
		}
	})
}

// lastingConn may be told of deadlines by who does not know that serve has returned: fasthttp's shell
// around the connection, which holds what was read ahead, is another's by then.
type lastingConn struct {
	net.Conn
	under net.Conn
}

func (c lastingConn) SetDeadline(t time.Time) error      { return c.under.SetDeadline(t) }
func (c lastingConn) SetReadDeadline(t time.Time) error  { return c.under.SetReadDeadline(t) }
func (c lastingConn) SetWriteDeadline(t time.Time) error { return c.under.SetWriteDeadline(t) }

// runConn serves one connection; a panic becomes an error.
func (s *Server) runConn(ctx context.Context, conn net.Conn, id string, serve func(context.Context, net.Conn) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.caught(p)
			s.log.Error("internal error", append(s.fieldsOf(err), zap.String(obs.RequestID, id))...)
		}
	}()
	return serve(ctx, conn)
}
