package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/configs"
	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/proxy"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/logs"
	"github.com/daytonaio/runner-android/transport/android/record"
	"github.com/daytonaio/runner-android/transport/android/state"
	"github.com/daytonaio/runner-android/transport/android/tunnel"
	"github.com/daytonaio/runner-android/transport/android/ui"
	"github.com/daytonaio/runner-android/transport/debug"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/openapi"
	"github.com/daytonaio/runner-android/transport/runnerapi"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/computer"
	"github.com/daytonaio/runner-android/transport/toolbox/files"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/info"
	"github.com/daytonaio/runner-android/transport/toolbox/ports"
	"github.com/daytonaio/runner-android/transport/toolbox/process"
	"github.com/daytonaio/runner-android/transport/toolbox/pty"
	"github.com/daytonaio/runner-android/transport/toolbox/session"
	"github.com/daytonaio/runner-android/transport/toolbox/turn"
	"github.com/daytonaio/runner-android/transport/toolbox/unsupported"
)

// doors makes the HTTP server with all its routes.
func doors(cfg configs.Config, a *App, registry *prometheus.Registry) (*transport.Server, error) {
	version := obs.ThisBuild().Version
	options := transport.Options{
		Addr: fmt.Sprintf(":%d", cfg.API.Port), Token: cfg.Token.Reveal(), Version: version,
		Log: a.log, Registry: registry, PathOfHost: proxy.PathOfHost, SecretPath: proxy.LinkPath,
	}
	if a.tracing.Enabled() {
		options.Tracer = a.tracing.Tracer("transport")
	}
	if cfg.API.TLS.Enabled {
		options.TLSCertFile, options.TLSKeyFile = cfg.API.TLS.CertFile, cfg.API.TLS.KeyFile
	}
	server, err := transport.New(options)
	if err != nil {
		return nil, err
	}
	server.Mount("", runnerapi.Routes(a.actors, runnerapi.Options{
		Version: version, HostInfo: a.health,
	}))
	leases := lease.New(a.actors, registry)
	device := guest{a.pool}
	display, sharing := displays(cfg, a, leases, device)
	turns := turn.New()
	kit := android.NewKit(leases, device)
	recorder := record.New(kit, devices{a.pool}, device, record.Options{})
	toolbox.Mount(server,
		info.Routes(leases, info.Options{Version: version}),
		files.New(leases, devices{a.pool}, device, files.Options{Log: a.log}).Routes(),
		process.New(leases, device, process.Options{MaxOutput: cfg.Limits.ExecMaxOutput, Log: a.log}).Routes(),
		session.New(leases, device, shells{a.pool}, session.Options{Log: a.log}).Routes(),
		pty.New(leases, shells{a.pool}, pty.Options{Log: a.log}).Routes(),
		computer.New(leases, device, computer.Options{Settle: settle, Turns: turns, Display: display.Ready}).Routes(),
		ports.New(leases, device, ports.Options{Log: a.log}).Routes(),
		recorder.ComputerRoutes(),
		display.Routes(),
		unsupported.Routes())
	elements := ui.New(kit, ui.Options{Turns: turns})
	android.Mount(server, appRoutes(cfg, kit, a.pool), elements.Routes(), state.New(kit).Routes(), recorder.Routes(), sharing.Routes(),
		logs.New(kit, talker{device, shells{a.pool}}, logs.Options{Log: a.log}).Routes(),
		tunnel.New(a.actors, leases, device, tunnel.Options{Host: cfg.API.Domain, Log: a.log}).Routes())
	toolbox.Mount(server, elements.ToolboxRoutes())
	server.Mount("", sharing.OpenRoutes())
	server.Mount("", openapi.Routes(version))
	server.Mount("", debug.Routes(a.actors, debug.Options{Registry: registry}))
	return server, nil
}

// settle is how long a device has to show what it was told, before the answer: agents look right after.
const settle = 50 * time.Millisecond

// guest lends the ADB connections to the toolbox.
type guest struct{ pool *adb.Pool }

var (
	_ computer.Guest = guest{}
	_ ports.Guest    = guest{}
	_ tunnel.Devices = guest{}
)

// DialADB opens a connection to the device's adbd.
func (g guest) DialADB(ctx context.Context, serial string) (net.Conn, error) {
	return g.pool.DialADB(ctx, serial)
}

// Dial opens a service of the device.
func (g guest) Dial(ctx context.Context, serial, service string) (net.Conn, error) {
	dev, err := g.pool.Get(serial)
	if err != nil {
		return nil, err
	}
	return dev.Dial(ctx, service)
}

// Output runs a command on a raw stream: large output goes by the second connection.
func (g guest) Output(ctx context.Context, serial, command string) (io.ReadCloser, error) {
	dev, err := g.pool.Get(serial)
	if err != nil {
		return nil, err
	}
	stream, err := dev.Exec(ctx, command)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	return output{stream, stop}, nil
}

// output is a stream that ends with a context.
type output struct {
	*adb.Stream
	stop func() bool
}

func (o output) Close() error {
	o.stop()
	return o.Stream.Close()
}

// Run runs a script in the device's shell, which reads it from stdin: no length limit of a
// command line, and no quoting.
func (g guest) Run(ctx context.Context, serial string, s guestshell.Script) (guestshell.Result, error) {
	dev, err := g.pool.Get(serial)
	if err != nil {
		return guestshell.Result{}, err
	}
	cmd := adb.ShellCommand{Command: "sh", Stdin: bytes.NewReader(s.Text), MaxOutput: s.MaxOutput}
	if s.Stdout == nil {
		res, err := dev.Shell(ctx, cmd)
		return guestshell.Result{ExitCode: res.ExitCode, Output: res.Output, Dropped: res.Truncated}, err
	}
	said := guestshell.Head{Max: s.MaxOutput}
	cmd.Stdout, cmd.Stderr, cmd.MaxOutput = s.Stdout, &said, math.MaxInt64
	res, err := dev.Shell(ctx, cmd)
	return guestshell.Result{ExitCode: res.ExitCode, Output: said.Bytes, Dropped: said.Dropped}, err
}

// shells lends the ADB connections to what keeps a shell open.
type shells struct{ pool *adb.Pool }

// Start implements guestshell.Starter.
func (g shells) Start(ctx context.Context, serial string, s adb.ShellStart) (guestshell.Process, error) {
	dev, err := g.pool.Get(serial)
	if err != nil {
		return nil, err
	}
	p, err := dev.StartShell(ctx, s)
	if err != nil {
		return nil, err // and no typed nil
	}
	return p, nil
}

// talker lends the ADB connections to what asks, follows and fetches.
type talker struct {
	guest
	shells
}

var _ logs.Guest = talker{}

// Recv reads a file of the device.
func (t talker) Recv(ctx context.Context, serial, path string) (io.ReadCloser, error) {
	dev, err := devices{t.guest.pool}.Get(serial)
	if err != nil {
		return nil, err
	}
	return dev.Recv(ctx, path)
}

// devices lends the ADB connections' sync service to the toolbox.
type devices struct{ pool *adb.Pool }

// Get implements files.Devices.
func (d devices) Get(serial string) (guestfiles.Device, error) {
	dev, err := d.pool.Get(serial)
	if err != nil {
		return nil, err
	}
	return syncDevice{dev}, nil
}

// syncDevice is an adb.Device whose reader is an interface.
type syncDevice struct{ *adb.Device }

// Recv implements guestfiles.Device.
func (d syncDevice) Recv(ctx context.Context, path string) (io.ReadCloser, error) {
	r, err := d.Device.Recv(ctx, path)
	if err != nil {
		return nil, err
	}
	return r, nil
}
