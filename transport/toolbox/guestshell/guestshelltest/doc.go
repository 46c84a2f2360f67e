// Package guestshelltest runs the scripts of the toolbox's packages as a device would: in Debian's mksh, which is
// Android's shell, with toybox's commands, which are Android's, and stubs for the rest; or in whatever sh there is.
//
// A stub is a script of the test's that stands in for one of Android's programs (input, dumpsys). How it
// was called is recorded. A script that is right only in the shell of the machine that tests is found so.
//
// It is imported from tests only. What needs mksh or toybox skips without them, and says so.
//
//	shell := guestshelltest.Genuine(t) // skips without mksh and toybox
//	guest := guestshelltest.New(t, map[string]string{"input": "", "wm": "echo Physical size: 720x1280"})
//	res, err := guest.Run(ctx, "serial", guestshell.Script{Text: []byte("input tap 1 2\n")})
//	guest.Calls() // [[input tap 1 2]]
package guestshelltest
