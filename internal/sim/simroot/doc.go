// Package simroot is the directory that a simulated Cuttlefish host lives in.
//
// Words: the *root* is that directory; everything the simulator writes is below it. The *marker*
// is the file .cvd-sim.json in it, which says how the host behaves ([Settings]). The programs of
// the simulated host are links to one binary somewhere below the root, so each finds its host by
// walking up from its own executable: no environment variable has to survive a runner, sudo or
// a daemon. A *version* is a release of android-cuttlefish ("1.40.0"), which decides between
// behaviours that changed.
//
// Below the root the paths are those of a real host: var/tmp/cvd (groups, database, locks), tmp
// (sockets; TMPDIR is honoured as on a real host), run.
//
// The package refuses roots so deep that the sockets of a device would not fit the 107 bytes of
// a Unix socket address.
//
//	root, err := simroot.Find() // in a program of the simulated host
//	db := instancedb.Open(root.Database())
package simroot
