// Package host reaches the machine that the devices run on: commands, processes, files and
// sockets behind one interface, so that everything above works the same where the runner
// stands on that machine ([NewLocal]) and where it does not.
//
// The package refuses to know Cuttlefish: it runs what it is told and says what happened. No
// command passes a shell, so nothing that a user sends can reach one.
//
//	res, err := h.Run(ctx, host.Command{Args: []string{"/usr/bin/cvd", "fleet"}})
package host
