package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/configs"
	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/capacity"
	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/device"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/image"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/transport"
)

// drainLimit is how long a runner that was told to stop may take.
const drainLimit = 10 * time.Second

// App is the wired program.
type App struct {
	log     *zap.Logger
	lock    *ledger.Lock
	pool    *adb.Pool
	devices *device.Devices
	actors  *actors.System
	server  *transport.Server
}

// Build wires the program from its settings and starts nothing: it takes the ledger's lock,
// reads the ledger and measures the host. Close what Build returned, or Run it.
func Build(ctx context.Context, cfg configs.Config, log *zap.Logger) (*App, error) {
	build := obs.ThisBuild()
	log.Info("runner starting", zap.Stringer("build", build), obs.Settings(cfg))
	user, err := host.LookupOwner(cfg.Host.Home)
	if err != nil {
		return nil, fmt.Errorf("find the user of the devices by CVD_HOME: %w", err)
	}
	local, err := host.NewLocal(host.LocalOptions{User: user, TmpDir: cfg.Host.TempDir, Log: log.Named("host")})
	if err != nil {
		return nil, err
	}
	lock, err := ledger.Acquire(cfg.Host.InstancesPath)
	if err != nil {
		return nil, err
	}
	app := &App{log: log, lock: lock, pool: adb.NewPool(adb.PoolOptions{Dial: local.Dial})}
	if err := app.wire(ctx, cfg, local, user.UID); err != nil {
		return nil, errors.Join(err, app.close())
	}
	return app, nil
}

func (a *App) wire(ctx context.Context, cfg configs.Config, h host.Host, uid int) error {
	registry := obs.NewRegistry()
	meter := capacity.NewMeter(h, cfg.Host.InstancesPath, capacity.Overrides{
		CPUs: cfg.Capacity.HostCPUs, MemoryMB: cfg.Capacity.HostMemoryMB, DiskGB: cfg.Capacity.HostDiskGB,
	})
	reading, err := meter.Read(ctx)
	if err != nil {
		return fmt.Errorf("measure the host: %w", err)
	}
	defaults := sandbox.Resources{CPUs: cfg.Default.CPUs, MemoryMB: cfg.Default.MemoryMB, DiskGB: cfg.Default.DiskGB}
	book := ledger.New(h, cfg.Host.InstancesPath)
	devices, problems, err := device.Load(ctx, device.Options{
		Host: h, CVD: cvd.New(h, cvd.Options{Path: cfg.Host.CVDPath, Log: a.log.Named("cvd")}),
		ADB: a.pool, Ledger: book, Images: image.NewCatalog(h, cfg.Host.ArtifactsPath, cfg.Host.Home),
		Paths: cvd.Paths{Runtime: cfg.Host.RuntimePath, Tmp: cfg.Host.TempDir, UID: uid},
		Log:   a.log.Named("device"), ADBBasePort: cfg.Device.ADBBasePort,
		GPUMode: cfg.Device.GPUMode, Audio: cfg.Device.Audio,
		BootTimeout: cfg.Limits.BootTimeout, BootConcurrency: cfg.Limits.BootConcurrency, Defaults: defaults,
	})
	if err != nil {
		return err
	}
	for _, p := range problems {
		a.log.Warn("ledger was not as it should be", zap.Error(p))
	}
	a.devices = devices
	a.actors = actors.New(actors.Options{
		Devices: fleet{devices}, Mappings: book,
		Admission: capacity.Gate{
			Budget:     reading.Budget(cfg.Capacity.CPUOvercommit, cfg.Device.MaxInstances),
			OverheadMB: cfg.Capacity.MemoryOverheadMB,
		},
		Defaults: defaults,
		Limits:   actors.Limits{Start: cfg.Limits.StartTimeout, Health: cfg.Health.Interval},
		Log:      a.log.Named("actors"), Library: obs.SlogLogger(a.log.Named("proto")), Registry: registry,
	})
	a.server, err = doors(cfg, a, meter, registry)
	return err
}

// fleet lends the devices to the actors, which know them by an interface.
type fleet struct{ *device.Devices }

// Open returns the handle of a sandbox's device.
func (f fleet) Open(id sandbox.ID, changed func()) actors.Device { return f.Devices.Open(id, changed) }

// Run serves until ctx ends, and then drains: new work is refused, who waits is answered,
// devices keep running. An error is why it could not serve.
func (a *App) Run(ctx context.Context) error {
	defer func() {
		if err := a.close(); err != nil {
			a.log.Warn("not everything was let go of", zap.Error(err))
		}
	}()
	if err := a.server.Listen(ctx); err != nil {
		return err
	}
	if err := a.actors.Start(ctx); err != nil {
		return errors.Join(err, a.server.Close())
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.devices.RunDigests(ctx) })
	group.Go(func() error { return a.server.Serve(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		a.log.Info("runner stopping")
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
		defer cancel()
		return a.actors.Stop(limit)
	})
	return group.Wait()
}

// close lets go of what Build took.
func (a *App) close() error { return errors.Join(a.pool.Close(), a.lock.Release()) }
