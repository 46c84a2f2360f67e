package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// gonePoll is how often the connection of a live answer is looked at.
const gonePoll = time.Second

// StreamLive is [Ctx.Stream] for answers that have no end of their own. Its ctx also ends as soon as the server
// begins to drain, so that write can say so, and, although nothing is written, about a second after the client
// has hung up. (With TLS that is seen only when something is written.) A client that closes its half after the
// request counts as gone.
func (c *Ctx) StreamLive(contentType string, write func(ctx context.Context, w *bufio.Writer) error) {
	conn, draining := c.rc.Conn(), c.route.server.sockets.life
	c.StreamSized(http.StatusOK, contentType, Unsized, func(ctx context.Context, w *bufio.Writer) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(draining, func() { cancel(context.Cause(draining)) })()
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			awaitHangUp(ctx, conn, cancel)
		}()
		err := write(ctx, w)
		cancel(nil)
		<-watched // the connection is fasthttp's again when we return
		return err
	})
}

// awaitHangUp ends ctx when the client has hung up; it returns when ctx has ended.
func awaitHangUp(ctx context.Context, conn net.Conn, end context.CancelCauseFunc) {
	tick := time.NewTicker(gonePoll)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if hungUp(conn) {
				end(errClientGone)
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// hungUp looks whether the end of what the client sends is next, and takes nothing.
func hungUp(conn net.Conn) (gone bool) {
	for {
		switch c := conn.(type) {
		case *tls.Conn:
			conn = c.NetConn()
			continue
		case *lingeringConn:
			conn = c.Conn
			continue
		}
		break
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed)
	}
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n == 0 && err == nil || errors.Is(err, syscall.ECONNRESET)
	})
	return gone || errors.Is(err, net.ErrClosed)
}
