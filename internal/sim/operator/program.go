package operator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// ReadyFlag makes the operator close file descriptor 3 when all sockets are open.
const ReadyFlag = "-ready_fd=3"

// Program is the operator's process: it listens on the ports of the host's marker until it is ended.
func Program(c simroot.Call) int {
	var ready *os.File
	switch {
	case len(c.Args) == 1 && c.Args[0] == ReadyFlag:
		ready = os.NewFile(3, "ready")
	case len(c.Args) > 0:
		fmt.Fprintf(c.Err, "operator: %q is one argument too many: its settings are in %s\n", c.Args[0], simroot.Marker)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	root := c.Root
	if root.Settings.OperatorHTTP == 0 {
		fmt.Fprintf(c.Err, "operator: %s names no operator_http_port\n", filepath.Join(root.Dir, simroot.Marker))
		return 1
	}
	place := Place{
		HTTP: loopback(root.Settings.OperatorHTTP), Certs: root.OperatorCerts(),
		Devices: root.OperatorSocket(), Control: root.OperatorControl(),
	}
	if port := root.Settings.OperatorHTTPS; port != 0 {
		place.HTTPS = loopback(port)
	}
	s, err := Start(Options{Version: root.Operator}, place)
	if err == nil {
		defer s.Close()
		err = os.WriteFile(root.OperatorPIDFile(), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
	}
	if err != nil {
		fmt.Fprintln(c.Err, "operator:", err)
		return 1
	}
	if ready != nil {
		ready.Close()
	}
	fmt.Fprintf(c.Err, "operator: http://%s https://%s\n", place.HTTP, place.HTTPS)
	s.followHost(ctx, inject.Open(root.InjectFile()))
	if err := os.Remove(root.OperatorPIDFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(c.Err, "operator:", err)
	}
	return 0
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
