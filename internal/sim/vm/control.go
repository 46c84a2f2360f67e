package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// crosvm's control socket keeps message boundaries.
const controlNetwork = "unixpacket"

const controlLimit = 3 * time.Second

// stop is "crosvm stop SOCKET".
func stop(args []string) error {
	if len(args) != 1 {
		return errors.New("stop: want the control socket")
	}
	dialer := net.Dialer{Timeout: controlLimit}
	conn, err := dialer.DialContext(context.Background(), controlNetwork, args[0])
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(controlLimit)); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	if _, err := conn.Write([]byte("stop")); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	reply := make([]byte, 64)
	n, err := conn.Read(reply)
	if err != nil {
		return fmt.Errorf("stop: no reply: %w", err)
	}
	if string(reply[:n]) != "ok" {
		return fmt.Errorf("stop: the VM answers %q", reply[:n])
	}
	return nil
}

// serveControl carries out what clients ask for, until the listener is closed.
func serveControl(listener net.Listener, cutPower func()) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		serveControlClient(conn, cutPower)
	}
}

func serveControlClient(conn net.Conn, cutPower func()) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(controlLimit)); err != nil {
		return
	}
	request := make([]byte, 64)
	n, err := conn.Read(request)
	if err != nil {
		return
	}
	if string(request[:n]) != "stop" {
		_, _ = conn.Write([]byte("unknown request")) // the client is told or gone
		return
	}
	_, _ = conn.Write([]byte("ok"))
	cutPower()
}
