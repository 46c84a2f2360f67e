package transport

import (
	"context"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/obs"
)

// SwitchProtocols answers 101 with the headers that the handler has set, of which Upgrade and Connection
// are its business, and then gives the client's connection to serve: for protocols that pass through as
// they are. serve has it after the handler has returned: it uses nothing of c, and the connection is
// closed when it returns. ctx ends, and reads and writes of conn fail, when the server stops. What is
// served here counts as a connection of the server until then.
func (c *Ctx) SwitchProtocols(serve func(ctx context.Context, conn net.Conn) error) {
	server, id, span := c.route.server, c.RequestID(), c.within(context.Background())
	c.rc.SetStatusCode(http.StatusSwitchingProtocols)
	c.rc.Response.Header.SetNoDefaultContentType(true)
	c.rc.Hijack(func(conn net.Conn) {
		ctx, _, leave := server.sockets.enter(span, func(error) { _ = conn.SetDeadline(time.Now()) })
		defer leave()
		if err := server.runConn(ctx, conn, id, serve); err != nil {
			server.log.Debug("connection ended", zap.String(obs.RequestID, id), zap.Error(err))
		}
	})
}

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
