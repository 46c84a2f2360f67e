package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/daytonaio/runner-android/actors"
	"github.com/daytonaio/runner-android/configs"
	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/capacity"
	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/daytona"
	"github.com/daytonaio/runner-android/internal/device"
	"github.com/daytonaio/runner-android/internal/disktemplate"
	"github.com/daytonaio/runner-android/internal/doctor"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/image"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/internal/operator"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/internal/snapshot"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/s3store"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/health"
	"github.com/daytonaio/runner-android/transport/jobs"
	"github.com/daytonaio/runner-android/transport/states"
)

// drainLimit is how long a runner that was told to stop may take.
const drainLimit = 10 * time.Second

// traceLimit is how long the last spans may take to leave.
const traceLimit = 2 * time.Second

// maxSweepAge bounds how old a reading of the process table may be that the looks at devices share.
const maxSweepAge = 3 * time.Second

// App is the wired program.
type App struct {
	log      *zap.Logger
	lock     *ledger.Lock
	pool     *adb.Pool
	devices  *device.Devices
	meter    *capacity.Meter
	tracing  *obs.Tracing
	operator *operator.Client
	book     *ledger.Ledger
	bucket   *s3store.Store  // nil: snapshots stay on this host
	url      func() string   // where others reach this runner; once it listens
	daytona  *daytona.Client // nil: the runner is not registered
	actors   *actors.System
	health   *health.Reporter
	server   *transport.Server
}

// lockWait is how long what a killed runner left behind may hold the ledger's lock.
const lockWait = 3 * time.Second

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
	within, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	lock, err := ledger.Acquire(within, cfg.Host.InstancesPath)
	if err != nil {
		return nil, err
	}
	app := &App{log: log, lock: lock, pool: newPool(cfg, local, log)}
	if err := app.wire(ctx, cfg, local, user.UID); err != nil {
		return nil, errors.Join(err, app.close())
	}
	return app, nil
}

// newPool keeps the connections to the devices. The keys are those of cvd's user, so that a device
// that has let adb in lets the runner in as well.
func newPool(cfg configs.Config, local *host.Local, log *zap.Logger) *adb.Pool {
	keys, err := adb.ReadKeys(filepath.Join(cfg.Host.Home, ".android", "adbkey"))
	if err != nil {
		log.Warn("adb key not read; devices that demand one are tried without it", zap.Error(err))
	}
	return adb.NewPool(adb.PoolOptions{
		Dial: local.Dial, Keys: keys, Mode: adb.Mode(cfg.Device.ADBMode), Server: adb.DefaultServer,
	})
}

func (a *App) wire(ctx context.Context, cfg configs.Config, h host.Host, uid int) error {
	registry := obs.NewRegistry()
	domain := cfg.API.Domain
	if domain == "" {
		domain = health.OwnAddress(ctx)
	}
	tracing, err := obs.NewTracing(ctx, cfg.Tracing, domain, a.log.Named("traces"))
	if err != nil {
		return err
	}
	a.tracing = tracing
	if cfg.Daytona.URL != "" {
		a.daytona, err = daytona.New(daytona.Options{
			URL: cfg.Daytona.URL, Token: cfg.Token.Reveal(), Agent: "runner-android/" + obs.ThisBuild().Version,
			Tracer: tracing.Tracer("daytona"),
		})
		if err != nil {
			return err
		}
	}
	a.meter = capacity.NewMeter(h, cfg.Host.InstancesPath, capacity.Overrides{
		CPUs: cfg.Capacity.HostCPUs, MemoryMB: cfg.Capacity.HostMemoryMB, DiskGB: cfg.Capacity.HostDiskGB,
	})
	reading, err := a.meter.Read(ctx)
	if err != nil {
		return fmt.Errorf("measure the host: %w", err)
	}
	defaults := sandbox.Resources{CPUs: cfg.Default.CPUs, MemoryMB: cfg.Default.MemoryMB, DiskGB: cfg.Default.DiskGB}
	book := ledger.New(h, cfg.Host.InstancesPath)
	a.book = book
	a.operator, err = operator.New(operator.Options{
		URL: cfg.Display.OperatorURL, CertSHA256: cfg.Display.OperatorCert, Pins: ledger.OperatorPin{Ledger: book}, Dial: h.Dial,
	})
	if err != nil {
		return err
	}
	client := cvd.New(h, cvd.Options{Path: cfg.Host.CVDPath, Log: a.log.Named("cvd")})
	images := image.NewCatalog(h, cfg.Host.ArtifactsPath, cfg.Host.Home)
	bucket, err := openBucket(cfg.Snapshot)
	if err != nil {
		return err
	}
	a.bucket = bucket
	store := snapshot.New(snapshot.Options{
		Host: h, Artifacts: cfg.Host.ArtifactsPath, Bucket: bucket, Images: images, Compress: cfg.Snapshot.Compression == snapshot.Zstd,
	})
	if left, err := store.Sweep(ctx); err != nil || len(left) > 0 {
		a.log.Warn("snapshots that were cut short are removed", zap.Strings("removed", left), zap.Error(err))
	}
	templates := disktemplate.New(h, cfg.Host.ArtifactsPath)
	if err := templates.Sweep(ctx); err != nil {
		a.log.Warn("disk templates that were cut short stay", zap.Error(err))
	}
	physician := doctor.New(doctor.Options{
		Host: h, CVD: client, InstancesPath: cfg.Host.InstancesPath, ArtifactsPath: cfg.Host.ArtifactsPath,
		RuntimePath: cfg.Host.RuntimePath, Log: a.log.Named("doctor"),
		ADB: func(ctx context.Context) error { return health.ADB(a.actors)(ctx) },
	})
	devices, problems, err := device.Load(ctx, device.Options{
		Host: h, CVD: client, ADB: a.pool, Ledger: book, Images: images, Snapshots: store,
		Templates: templates, Operator: a.operator, SuspectKVM: physician.SuspectKVM,
		Paths: cvd.Paths{Runtime: cfg.Host.RuntimePath, Tmp: cfg.Host.TempDir, UID: uid},
		Log:   a.log.Named("device"), ADBBasePort: cfg.Device.ADBBasePort,
		GPUMode: cfg.Device.GPUMode, Audio: cfg.Device.Audio,
		SweepAge:    min(cfg.Health.Interval/10, maxSweepAge),
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
		Devices: fleet{devices}, Mappings: book, Images: images, Saved: store, Collect: collection(cfg.Snapshot), Journal: book, Daytona: a.queue(cfg, book), Tracer: tracing.Tracer("actors"),
		Admission: capacity.Gate{
			Budget:     reading.Budget(cfg.Capacity.CPUOvercommit, cfg.Device.MaxInstances),
			OverheadMB: cfg.Capacity.MemoryOverheadMB,
		},
		Defaults: defaults,
		Limits: actors.Limits{
			Start: cfg.Limits.StartTimeout, Health: cfg.Health.Interval, Failures: cfg.Health.Failures, Healing: healing(cfg.Health.Restart),
			Term: actors.Term(cfg.Health.Term),
		},
		Log: a.log.Named("actors"), Library: obs.SlogLogger(a.log.Named("proto")), Registry: registry,
	})
	scheme := "http"
	if cfg.API.TLS.Enabled {
		scheme = "https"
	}
	a.url = func() string {
		_, port, _ := net.SplitHostPort(a.server.Addr().String()) // the address that it listens on has a port
		return scheme + "://" + net.JoinHostPort(domain, port)
	}
	a.health = a.reporter(cfg, domain, physician, registry)
	a.server, err = doors(cfg, a, registry)
	return err
}

// openBucket returns where snapshots are shared; nil where they are not.
func openBucket(cfg configs.Snapshot) (*s3store.Store, error) {
	if cfg.Bucket == "" {
		return nil, nil //nolint:nilnil // no bucket is not an error
	}
	return s3store.Open(s3store.Options{
		Endpoint: cfg.Endpoint, Region: cfg.Region, Bucket: cfg.Bucket, AccessKey: cfg.AccessKey.Reveal(), SecretKey: cfg.SecretKey.Reveal(),
	})
}

// collection is what becomes of copies of snapshots that nobody uses.
func collection(cfg configs.Snapshot) actors.Collection {
	if cfg.Collection == "off" {
		return actors.Collection{}
	}
	return actors.Collection{After: cfg.UnusedAfter, Remove: cfg.Collection == "on"}
}

// healing is what actors do about devices that died.
func healing(r configs.Restart) actors.Healing {
	if r.Policy != configs.RestartOnFailure {
		return actors.Healing{}
	}
	return actors.Healing{Attempts: r.Attempts, Window: r.Window}
}

// queue is where jobs come from; nowhere without an API.
func (a *App) queue(cfg configs.Config, book *ledger.Ledger) actors.Daytona {
	if a.daytona == nil {
		return actors.Daytona{}
	}
	return actors.Daytona{
		Queue:  jobs.New(a.daytona, jobs.Options{Token: cfg.Token.Reveal(), Log: a.log.Named("jobs")}),
		Outbox: outbox{book}, CompareInterval: cfg.Daytona.HealthcheckInterval,
		States:  states.New(a.daytona, states.Options{Token: cfg.Token.Reveal(), Log: a.log.Named("states")}),
		Reports: reportBox{book}, PollTimeout: cfg.Daytona.PollTimeout, PollLimit: cfg.Daytona.PollLimit,
	}
}

// reporter is who tells Daytona how this runner is.
func (a *App) reporter(cfg configs.Config, domain string, d *doctor.Doctor, registry *prometheus.Registry) *health.Reporter {
	o := health.Options{
		Meter: a.meter, Doctor: d, Actors: a.actors, Version: obs.ThisBuild().Version, Domain: domain,
		URL:      a.url,
		Interval: cfg.Daytona.HealthcheckInterval, Log: a.log, Registry: registry,
	}
	if a.daytona != nil {
		o.API, o.APIURL = a.daytona, a.daytona.URL()
	}
	return health.New(o)
}

// outbox lends the ledger to the poller, in the words of messages.
type outbox struct{ *ledger.Ledger }

// SaveOutcome keeps an outcome.
func (b outbox) SaveOutcome(ctx context.Context, o messages.Outcome) error {
	return b.Ledger.SaveOutcome(ctx, ledger.Outcome(o))
}

// Outcomes lists what is kept.
func (b outbox) Outcomes(ctx context.Context) (kept []messages.Outcome, problems []error, err error) {
	all, problems, err := b.Ledger.Outcomes(ctx)
	for _, o := range all {
		kept = append(kept, messages.Outcome(o))
	}
	return kept, problems, err
}

// reportBox lends the ledger to the crash reporter, in the words of messages.
type reportBox struct{ *ledger.Ledger }

// SaveReport keeps a report.
func (b reportBox) SaveReport(ctx context.Context, r messages.StateReport) error {
	return b.Ledger.SaveReport(ctx, ledger.Report(r))
}

// Reports lists what is kept.
func (b reportBox) Reports(ctx context.Context) (kept []messages.StateReport, problems []error, err error) {
	all, problems, err := b.Ledger.Reports(ctx)
	for _, r := range all {
		kept = append(kept, messages.StateReport(r))
	}
	return kept, problems, err
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
	group.Go(func() error { return a.devices.RunInventory(ctx) })
	group.Go(func() error { return a.meter.Run(ctx) })
	group.Go(func() error { return a.health.Run(ctx) })
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

// close lets go of what Build took, and sends the last spans.
func (a *App) close() error {
	var sent error
	if a.tracing != nil {
		ctx, cancel := context.WithTimeout(context.Background(), traceLimit)
		defer cancel()
		sent = a.tracing.Close(ctx)
	}
	if a.daytona != nil {
		a.daytona.Close()
	}
	if a.bucket != nil {
		a.bucket.Close()
	}
	return errors.Join(sent, a.pool.Close(), a.lock.Release())
}
