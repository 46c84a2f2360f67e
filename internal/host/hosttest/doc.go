// Package hosttest is what every [host.Host] must do, as a test suite. It is imported from
// tests only.
//
// The host under test must see the files below the test's temporary directory, have a shell
// at /bin/sh, and run its commands as a user that may read and write there.
//
//	func TestLocal(t *testing.T) {
//		hosttest.Run(t, func(t *testing.T) host.Host { return newLocal(t) })
//	}
package hosttest
