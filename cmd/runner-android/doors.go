package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/configs"
	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/capacity"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/debug"
	"github.com/daytonaio/runner-android/transport/runnerapi"
	"github.com/daytonaio/runner-android/transport/toolbox"
)

// doors makes the HTTP server with all its routes.
func doors(cfg configs.Config, a *App, meter *capacity.Meter, registry *prometheus.Registry) (*transport.Server, error) {
	version := obs.ThisBuild().Version
	options := transport.Options{
		Addr: fmt.Sprintf(":%d", cfg.API.Port), Token: cfg.Token.Reveal(), Version: version,
		Log: a.log, Registry: registry,
	}
	if cfg.API.TLS.Enabled {
		options.TLSCertFile, options.TLSKeyFile = cfg.API.TLS.CertFile, cfg.API.TLS.KeyFile
	}
	server, err := transport.New(options)
	if err != nil {
		return nil, err
	}
	server.Mount("", runnerapi.Routes(a.actors, runnerapi.Options{
		Version: version, Host: cfg.API.Domain, HostInfo: report{meter, a.actors},
	}))
	box := toolbox.New(a.actors, shell{a.pool}, toolbox.Options{MaxOutput: cfg.Limits.ExecMaxOutput, Log: a.log})
	for _, prefix := range toolbox.Prefixes() {
		server.Mount(prefix, box.Routes())
	}
	server.Mount("", debug.Routes(a.actors, debug.Options{Registry: registry}))
	return server, nil
}

// shell lends the ADB connections to the toolbox.
type shell struct{ pool *adb.Pool }

// Run runs a script in the device's shell, which reads it from stdin: no length limit of a
// command line, and no quoting.
func (s shell) Run(ctx context.Context, serial string, cmd toolbox.ShellCommand) (toolbox.ShellResult, error) {
	dev, err := s.pool.Get(serial)
	if err != nil {
		return toolbox.ShellResult{}, err
	}
	res, err := dev.Shell(ctx, adb.ShellCommand{Command: "sh", Stdin: bytes.NewReader(cmd.Script), MaxOutput: cmd.MaxOutput})
	return toolbox.ShellResult{ExitCode: res.ExitCode, Output: res.Output, Dropped: res.Truncated}, err
}

// report measures the host and adds up what was promised of it.
type report struct {
	meter  *capacity.Meter
	actors *actors.System
}

// Report answers with the host's figures of now.
func (r report) Report(ctx context.Context) (runnerapi.HostReport, error) {
	reading, err := r.meter.Read(ctx)
	if err != nil {
		return runnerapi.HostReport{}, fault.Op("measure the host", err)
	}
	all, err := transport.Ask[messages.SandboxList](ctx, r.actors, messages.ListSandboxes{})
	if err != nil {
		return runnerapi.HostReport{}, err
	}
	f := runnerapi.Figures{
		CPULoadAverage: reading.Load1 / float64(max(reading.CPUs, 1)), CPUPercent: reading.CPUPercent,
		MemoryPercent: reading.MemoryPercent, DiskPercent: reading.DiskPercent,
	}
	for _, s := range all.Sandboxes {
		f.AllocatedDiskGiB += float64(s.Resources.DiskGB)
		if s.State == sandbox.Started || s.State.Busy() {
			f.AllocatedCPUs += float64(s.Resources.CPUs)
			f.AllocatedMemoryGiB += float64(s.Resources.MemoryMB) / 1024
		}
		if s.State == sandbox.Started {
			f.StartedSandboxes++
		}
	}
	return runnerapi.HostReport{Figures: f}, nil
}
