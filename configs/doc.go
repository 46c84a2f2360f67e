// Package configs turns environment variables into typed settings. Beside it lie the files an
// operator copies: runner.env (every variable, explained), the systemd unit, and the
// tmpfiles.d lines that keep a host's cleaner away from living devices.
//
// Words: a variable has a name, sometimes an older second name that is accepted too (the first
// that is set wins), a default, and a rule. Set to nothing means not set.
//
// The package refuses to guess: a wrong value stops the start, with one error that lists all
// wrong variables, what each may be, and its default. It refuses to show secrets, to measure
// the host (zero says "measure it"), and to read any file but the TLS pair.
//
//	cfg, err := configs.Load(os.Environ())
//	if err != nil {
//		fmt.Fprintln(os.Stderr, err) // every wrong variable, a line each
//		os.Exit(2)
//	}
package configs
