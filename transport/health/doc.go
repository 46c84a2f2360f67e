// Package health is how Daytona, and whoever asks GET /info, learns how this runner is: the host's
// figures, what was promised of it, and whether its helpers work.
//
// Words: a healthcheck is the report that Daytona wants at least once a minute; a runner whose last
// one was taken is registered; a service is a helper of the runner, of which only cvd, ADB, the
// disk, and KVM once a boot failed for it, may take the host out of Daytona's rotation.
//
// The package measures nothing itself and decides nothing: figures are internal/capacity's,
// findings internal/doctor's, sandboxes the actors'.
//
//	r := health.New(health.Options{API: client, Meter: meter, Doctor: doctor, Actors: asker, ...})
//	err := r.Run(ctx)              // reports until ctx ends
//	info, err := r.Info(ctx)       // for GET /info
package health
