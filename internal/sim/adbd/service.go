package adbd

import (
	"context"
	"encoding/binary"
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
	case "localabstract":
		return d.forwardLocal(arg)
	case "framebuffer":
		return d.framebuffer()
	case "abb", "abb_exec":
		return d.binder(arg, kind == "abb")
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
	return splice(func(ctx context.Context) (io.ReadWriteCloser, error) { return d.Dial(ctx, port) })
}

// forwardLocal is localabstract:NAME.
func (d Device) forwardLocal(name string) func(*stream) {
	if name == "" || d.DialLocal == nil {
		return nil
	}
	return splice(func(ctx context.Context) (io.ReadWriteCloser, error) { return d.DialLocal(ctx, name) })
}

// splice connects at once, and then copies both ways.
func splice(dial func(context.Context) (io.ReadWriteCloser, error)) func(*stream) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	peer, err := dial(ctx)
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

// framebuffer sends one frame behind a header of version 2 (adbd's framebuffer_service.cpp).
func (d Device) framebuffer() func(*stream) {
	if d.Screen == nil {
		return nil
	}
	return func(st *stream) {
		ctx, cancel := st.context()
		defer cancel()
		f, err := d.Screen.Frame(ctx)
		if err != nil || len(f.Pixels) != 4*f.Width*f.Height {
			return // screencap failed: nothing is sent
		}
		const sRGB = 1
		var head []byte
		for _, word := range []int{2, 32, sRGB, len(f.Pixels), f.Width, f.Height, 0, 8, 16, 8, 8, 8, 24, 8} {
			head = binary.LittleEndian.AppendUint32(head, uint32(word))
		}
		if _, err := st.Write(head); err == nil {
			st.Write(f.Pixels)
		}
	}
}

// binder is abb: (in the shell protocol) and abb_exec: (raw). Empty arguments are dropped.
func (d Device) binder(arg string, framed bool) func(*stream) {
	args := strings.FieldsFunc(arg, func(r rune) bool { return r == 0 })
	if d.Binder == nil {
		return nil
	}
	return func(st *stream) {
		ctx, cancel := st.context()
		defer cancel()
		if !framed {
			d.Binder.Command(ctx, args, d.isRoot(), st, st, st)
			return
		}
		status := d.Binder.Command(ctx, args, d.isRoot(), &shellInput{stream: st},
			&shellOutput{stream: st, id: packetStdout}, &shellOutput{stream: st, id: packetStderr})
		st.CloseWith([]byte{packetExit, 1, 0, 0, 0, byte(status)})
	}
}
