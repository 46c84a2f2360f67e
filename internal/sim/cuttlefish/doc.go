// Package cuttlefish is the simulated cvd: the command line through which Cuttlefish devices are
// created, started, stopped, listed and removed.
//
// Words: a *selector* is --group_name or --instance_name, which say what a subcommand is about. A
// *launch* is what create and start have in common: cvd_internal_start runs until the device has
// booted. The *database* is cvd's book-keeping, which nobody corrects: it says Running long after the
// VM died, and Cancelled because a launching cvd got a signal.
//
// Checked against android-cuttlefish 1.40.0 and 1.55.2; between them the version decides about unknown
// arguments, the place of selectors, errors of a stop and names that exist. Results go to stdout,
// everything else to stderr, every failure is exit status 255.
//
// The package refuses subcommands other than create, start, stop, rm, fleet, status, reset, suspend, resume,
// snapshot_take, version and help, groups of several instances, and --config_file.
//
//	os.Exit(cuttlefish.Program(simroot.Call{Root: root, Args: os.Args[1:], Out: os.Stdout, Err: os.Stderr}))
package cuttlefish
