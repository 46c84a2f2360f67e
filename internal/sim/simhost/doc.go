// Package simhost is the simulated host as a whole: it furnishes a root (programs, a host package, a
// base image), runs a command in it as a service of that host would run, and clears up.
//
// Words: *furnishing* is what a package manager and an administrator do to a real host. The *command* is
// the service that manages devices, usually the runner; it learns of the host only through environment
// variables that a real host would have too. A *reboot* ends all processes of the host and empties its
// /tmp; everything else stays, as on a real host: that is also what starting again on a used root is.
//
// Unless the caller names a Daytona, or none, the command also meets doubles of Daytona's control plane and
// of its proxy, which live in this process.
//
// Processes are the host's when their executable lies below its root; the command is known by pid and
// start time. Nothing is found by name.
//
// The package refuses a root that another host uses, and an API port that is taken.
//
//	code, err := simhost.Run(ctx, simhost.Options{Root: ".demo", Command: []string{"runner-android"}, ...})
package simhost
