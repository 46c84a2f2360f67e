package adbd

import (
	"context"
	"io"
	"strconv"
	"strings"
	"sync"
)

// rootProperty remembers that adbd runs as root; it outlives adbd's restart.
const rootProperty = "service.adb.root"

func (d Device) isRoot() bool { return d.Guest.Property(rootProperty) == "1" }

// service finds what runs a service; nil means that it is refused.
func (d Device) service(s *server, name string) func(*stream) {
	kind, arg, _ := strings.Cut(name, ":")
	switch kind {
	case "root", "unroot":
		return func(st *stream) { d.changeUser(s, st, kind == "root") }
	case "sync":
		return func(st *stream) { newSync(st, d.Guest.Files(d.isRoot())).serve() }
	case "exec":
		return func(st *stream) { d.runShell(st, shellRequest{command: arg}) }
	case "reboot":
		return func(st *stream) { d.reboot(st, arg) }
	case "tcp":
		return d.forward(arg)
	}
	if words := strings.Split(kind, ","); words[0] == "shell" && strings.Contains(name, ":") {
		return func(st *stream) { d.runShell(st, parseShell(words[1:], arg)) }
	}
	return nil
}

// changeUser is root: and unroot:. adbd then restarts, which drops every connection.
func (d Device) changeUser(s *server, st *stream, root bool) {
	switch {
	case root && d.isRoot():
		io.WriteString(st, "adbd is already running as root\n")
		return
	case root && d.Guest.Property("ro.debuggable") != "1":
		io.WriteString(st, "adbd cannot run as root in production builds\n")
		return
	case root:
		d.Guest.SetProperty(rootProperty, "1")
		io.WriteString(st, "restarting adbd as root\n")
	case !d.isRoot():
		io.WriteString(st, "adbd not running as root\n")
		return
	default:
		d.Guest.SetProperty(rootProperty, "0")
		io.WriteString(st, "restarting adbd as non root\n")
	}
	st.Close()
	s.restart()
}

// reboot leaves the stream open: it dies with the device.
func (d Device) reboot(st *stream, how string) {
	request := "reboot"
	if how != "" {
		request += "," + how
	}
	d.Guest.RequestPower(request)
	<-st.closed
}

// forward is tcp:PORT, the guest's loopback. A port nothing listens on is refused.
func (d Device) forward(arg string) func(*stream) {
	port, err := strconv.Atoi(arg)
	if err != nil || port < 1 || port > 65535 || d.Dial == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	peer, err := d.Dial(ctx, port)
	if err != nil {
		return nil
	}
	return func(st *stream) {
		var both sync.WaitGroup
		both.Go(func() { io.Copy(peer, st); peer.Close() })
		both.Go(func() { io.Copy(st, struct{ io.Reader }{peer}); st.Close() })
		<-st.closed
		peer.Close()
		both.Wait()
	}
}
