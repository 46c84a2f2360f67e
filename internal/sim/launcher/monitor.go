package launcher

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"time"
)

// The commands and replies of the monitor socket (AC run_cvd: launcher_monitor protocol).
const (
	Status    byte = 'I'
	Stop      byte = 'X'
	Restart   byte = 'R'
	Powerwash byte = 'P'
	Fail      byte = 'F'

	Success byte = 'S'
	Failure byte = 'E'
	Unknown byte = 'U'
)

// MonitorSocket is the launcher's socket in the socket directory of an instance.
func MonitorSocket(udsDir string) string { return filepath.Join(udsDir, "launcher_monitor.sock") }

// Ask sends one command to a launcher and returns its reply. It gives up after limit; 0 means never.
func Ask(udsDir string, command byte, limit time.Duration) (byte, error) {
	dialer := net.Dialer{Timeout: limit}
	conn, err := dialer.DialContext(context.Background(), "unix", MonitorSocket(udsDir))
	if err != nil {
		return 0, fmt.Errorf("ask the launcher: %w", err)
	}
	defer conn.Close()
	if limit > 0 {
		if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
			return 0, fmt.Errorf("ask the launcher: %w", err)
		}
	}
	if _, err := conn.Write([]byte{command}); err != nil {
		return 0, fmt.Errorf("ask the launcher: %w", err)
	}
	var reply [1]byte
	if _, err := conn.Read(reply[:]); err != nil {
		return 0, fmt.Errorf("ask the launcher: no reply: %w", err)
	}
	return reply[0], nil
}

// request is a command that a client waits for an answer to.
type request struct {
	command byte
	reply   chan byte
	sent    chan struct{} // closed when the client has the reply, or is gone
}

// serveMonitor takes one client at a time, as run_cvd does: a client that stays connected blocks all
// others. It ends when the listener is closed.
func serveMonitor(listener net.Listener, requests chan<- request, mute func() bool) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		serveClient(conn, requests, mute)
		conn.Close()
	}
}

func serveClient(conn net.Conn, requests chan<- request, mute func() bool) {
	var command [1]byte
	for {
		if _, err := conn.Read(command[:]); err != nil {
			return
		}
		if mute() {
			continue // the client waits in vain until it leaves
		}
		r := request{command: command[0], reply: make(chan byte, 1), sent: make(chan struct{})}
		requests <- r
		_, err := conn.Write([]byte{<-r.reply})
		close(r.sent)
		if err != nil {
			return
		}
	}
}
