package launcher

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
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
	Extended  byte = 'A' // with a length of four bytes, and so many more

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

// AskExtended sends a command of more than one byte and waits for the reply for ever.
func AskExtended(udsDir, body string) (byte, error) {
	conn, err := new(net.Dialer).DialContext(context.Background(), "unix", MonitorSocket(udsDir))
	if err != nil {
		return 0, fmt.Errorf("ask the launcher: %w", err)
	}
	defer conn.Close()
	message := binary.LittleEndian.AppendUint32([]byte{Extended}, uint32(len(body)))
	if _, err := conn.Write(append(message, body...)); err != nil {
		return 0, fmt.Errorf("ask the launcher: %w", err)
	}
	var reply [1]byte
	if _, err := conn.Read(reply[:]); err != nil {
		return 0, fmt.Errorf("ask the launcher: no reply: %w", err)
	}
	return reply[0], nil
}

// maxBody bounds an extended command.
const maxBody = 8192

// readBody reads what follows the byte of an extended command.
func readBody(conn net.Conn) (string, error) {
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return "", err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n > maxBody {
		return "", fmt.Errorf("an extended command of %d bytes", n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(conn, body)
	return string(body), err
}

// request is a command that a client waits for an answer to.
type request struct {
	command byte
	body    string // of an extended one
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
		body := ""
		if command[0] == Extended {
			var err error
			if body, err = readBody(conn); err != nil {
				return
			}
		}
		if mute() {
			continue // the client waits in vain until it leaves
		}
		r := request{command: command[0], body: body, reply: make(chan byte, 1), sent: make(chan struct{})}
		requests <- r
		_, err := conn.Write([]byte{<-r.reply})
		close(r.sent)
		if err != nil {
			return
		}
	}
}
