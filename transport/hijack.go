package transport

import (
	"bytes"
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
	server, id, span := c.route.server, c.RequestID(), c.within(context.Background())
	ended := c.outlast()
	begin := settle(server.limits.WriteTimeout+takeOver, func() {
		defer ended()
		if abandon != nil {
			abandon()
		}
	})
	c.rc.SetStatusCode(http.StatusSwitchingProtocols)
	c.rc.Response.Header.SetNoDefaultContentType(true)
	conn := &ownConn{Conn: c.rc.Conn()}
	c.handOver(conn, func() {
		if !begin() {
			return
		}
		defer ended()
		lingerOnClose(conn.Conn)
		ctx, _, leave := server.sockets.enter(span, func(error) { _ = conn.SetDeadline(time.Now()) })
		defer leave()
		if err := server.runConn(ctx, conn, id, serve); err != nil {
			server.log.Debug("connection ended", zap.String(obs.RequestID, id), zap.Error(err))
		}
	})
}

// handOver calls serve when the answer is written, on a goroutine of its own, and then closes the connection. While
// it lasts nothing of fasthttp is held: its reader is as large as the largest header, and most connections are idle.
func (c *Ctx) handOver(conn *ownConn, serve func()) {
	c.rc.Hijack(func(shell net.Conn) {
		conn.takeAhead(shell)
		go func() {
			defer conn.Close()
			serve()
		}()
	})
}

// ownConn is a client's connection that is no longer fasthttp's.
type ownConn struct {
	net.Conn
	ahead  []byte        // what fasthttp had read beyond the request
	answer *bytes.Buffer // takes what is written, while it is fasthttp's; nil then
}

// takeAhead takes what the shell, which is fasthttp's, holds of the connection; it waits for nothing.
func (c *ownConn) takeAhead(shell net.Conn) {
	_ = c.SetReadDeadline(time.Unix(1, 0)) // a read of the connection itself fails
	var piece [512]byte
	for {
		n, err := shell.Read(piece[:])
		c.ahead = append(c.ahead, piece[:n]...)
		if err != nil {
			break
		}
	}
	_ = c.SetReadDeadline(time.Time{})
}

// Write implements net.Conn.
func (c *ownConn) Write(p []byte) (int, error) {
	if c.answer != nil {
		return c.answer.Write(p)
	}
	return c.Conn.Write(p)
}

// Read implements net.Conn.
func (c *ownConn) Read(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.ahead)
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		c.ahead = nil
	}
	return n, nil
}

// settle sees to it that a connection is either begun or abandoned, once: fasthttp says nothing of an answer that
// it could not write, so it is abandoned when begin has not been called within limit. A nil abandon does nothing.
func settle(limit time.Duration, abandon func()) (begin func() bool) {
	var settled atomic.Bool
	first := func() bool { return settled.CompareAndSwap(false, true) }
	late := time.AfterFunc(limit, func() {
		if first() && abandon != nil {
			abandon()
		}
	})
	return func() bool { late.Stop(); return first() }
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
