// Package seqpacket is a Unix socket that keeps message boundaries (SOCK_SEQPACKET), with one JSON object per
// packet: how Cuttlefish's processes speak to the operator.
//
//	conn, err := seqpacket.Dial(ctx, "/run/cuttlefish/operator")
//	err = conn.Send(map[string]any{"message_type": "register", "device_id": "cvd-1"})
//	packet, err := conn.Receive()
package seqpacket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MaxPacket bounds a packet; the kernel's own limit is about as large.
const MaxPacket = 256 << 10

// sendLimit is how long a peer may leave its queue full.
const sendLimit = 10 * time.Second

// Conn is one connection. Send may be called by several goroutines at a time, Receive by one.
type Conn struct {
	unix net.Conn
	raw  syscall.RawConn
	mu   sync.Mutex // packets are sent one after the other
}

// Dial connects to the socket at path.
func Dial(ctx context.Context, path string) (*Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unixpacket", path)
	if err != nil {
		return nil, err
	}
	return newConn(conn)
}

func newConn(conn net.Conn) (*Conn, error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("%T is no Unix socket", conn)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Conn{unix: conn, raw: raw}, nil
}

// Send sends one packet with the JSON form of v, or v itself when it is bytes. It gives up after ten seconds.
func (c *Conn) Send(v any) error {
	packet, isBytes := v.([]byte)
	if !isBytes {
		var err error
		if packet, err = json.Marshal(v); err != nil {
			return fmt.Errorf("send a packet: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unix.SetWriteDeadline(time.Now().Add(sendLimit))
	if _, err := c.unix.Write(packet); err != nil {
		return fmt.Errorf("send a packet: %w", err)
	}
	return nil
}

// Receive waits for the next packet. At the end of the connection it returns io.EOF, or what broke it.
func (c *Conn) Receive() ([]byte, error) {
	size, err := c.waiting()
	if err != nil {
		return nil, err
	}
	if size > MaxPacket {
		return nil, fmt.Errorf("receive a packet: %d bytes are too many", size)
	}
	packet := make([]byte, size)
	n, err := c.unix.Read(packet)
	if err != nil {
		return nil, err
	}
	return packet[:n], nil
}

// waiting blocks until a packet is there and tells its length.
func (c *Conn) waiting() (size int, err error) {
	var peek error
	err = c.raw.Read(func(fd uintptr) bool {
		size, _, peek = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_TRUNC|unix.MSG_DONTWAIT)
		return !errors.Is(peek, unix.EAGAIN)
	})
	if err == nil {
		err = peek
	}
	if err != nil {
		return 0, err
	}
	if size == 0 {
		return 0, io.EOF
	}
	return size, nil
}

// SetReadDeadline bounds Receive.
func (c *Conn) SetReadDeadline(t time.Time) { c.unix.SetReadDeadline(t) }

// Close ends the connection.
func (c *Conn) Close() { c.unix.Close() }

// Listener accepts connections.
type Listener struct{ unix net.Listener }

// Listen makes the socket at path, instead of what a process before left there.
func Listen(path string) (*Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "unixpacket", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o770); err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return &Listener{l}, nil
}

// Accept waits for the next connection.
func (l *Listener) Accept() (*Conn, error) {
	conn, err := l.unix.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(conn)
}

// Close closes the listener and removes its file.
func (l *Listener) Close() { l.unix.Close() }
