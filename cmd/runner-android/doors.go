package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/configs"
	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/debug"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/runnerapi"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/computer"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/ports"
	"github.com/daytonaio/runner-android/transport/toolbox/process"
)

// doors makes the HTTP server with all its routes.
func doors(cfg configs.Config, a *App, registry *prometheus.Registry) (*transport.Server, error) {
	version := obs.ThisBuild().Version
	options := transport.Options{
		Addr: fmt.Sprintf(":%d", cfg.API.Port), Token: cfg.Token.Reveal(), Version: version,
		Log: a.log, Registry: registry,
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
		Version: version, Host: cfg.API.Domain, HostInfo: a.health,
	}))
	leases := lease.New(a.actors)
	device := guest{a.pool}
	toolbox.Mount(server,
		process.New(leases, device, process.Options{MaxOutput: cfg.Limits.ExecMaxOutput, Log: a.log}).Routes(),
		computer.New(leases, device, computer.Options{Settle: settle}).Routes(),
		ports.New(leases, device, ports.Options{Log: a.log}).Routes())
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
)

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
	res, err := dev.Shell(ctx, adb.ShellCommand{Command: "sh", Stdin: bytes.NewReader(s.Text), MaxOutput: s.MaxOutput})
	return guestshell.Result{ExitCode: res.ExitCode, Output: res.Output, Dropped: res.Truncated}, err
}
