package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	dialTimeout = 300 * time.Millisecond
	// lingerTime and lingerBytes bound what is read from a client whose request was refused
	// half-way.
	lingerTime  = time.Second
	lingerBytes = 64 << 20
)

// Listen takes the address, so that a wrong or taken one fails before anything else is
// started. Clients that connect wait until Serve. When Serve is never called, the caller calls
// Close.
func (s *Server) Listen(ctx context.Context) error {
	secure := s.options.TLSCertFile != ""
	var cert tls.Certificate
	if secure {
		var err error
		if cert, err = tls.LoadX509KeyPair(s.options.TLSCertFile, s.options.TLSKeyFile); err != nil {
			return fmt.Errorf("load the TLS certificate: %w", err)
		}
	}
	ln := s.options.Listener
	if ln == nil {
		var err error
		if ln, err = listen(ctx, s.options.Addr); err != nil {
			return err
		}
	}
	s.addr = ln.Addr()
	s.listener = lingering{ln}
	if secure {
		s.listener = tls.NewListener(s.listener, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
	return nil
}

// listen knocks first, as Daytona's runner does: whoever answers would otherwise get some of
// the requests, where the system lets two programs share a port.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	taken := func(why any) error {
		return fmt.Errorf("listen on %s: port %s is already in use (%v): stop the program that uses it, or choose another port",
			addr, port, why)
	}
	if port != "0" {
		dialer := net.Dialer{Timeout: dialTimeout}
		if conn, err := dialer.DialContext(ctx, "tcp", addr); err == nil {
			_ = conn.Close()
			return nil, taken("something answers there")
		}
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, taken(err)
	}
	return ln, err
}

// lingering makes connections that can be closed without losing the last answer.
type lingering struct{ net.Listener }

func (l lingering) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lingeringConn{Conn: c}, nil
}

// lingeringConn, once told to, reads on for a moment when it is closed. Closing a socket that
// has unread data resets it, and the client would see the reset instead of the answer that
// refused its body.
type lingeringConn struct {
	net.Conn
	linger atomic.Bool
}

func (c *lingeringConn) Close() error {
	if c.linger.Swap(false) {
		if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			_ = c.SetReadDeadline(time.Now().Add(lingerTime))
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}

// lingerOnClose keeps the answer to come from being lost with the rest of the request.
func lingerOnClose(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if l, ok := c.(*lingeringConn); ok {
		l.linger.Store(true)
	}
}
