// Package guestshelltest runs the scripts of the toolbox's packages as a device would: in mksh, which is
// Android's shell, with toybox's commands, which are Android's, and stubs for the rest.
//
// A stub is a script of the test's that stands in for one of Android's programs (input, dumpsys). How it
// was called is recorded. A script that is right only in the shell of the machine that tests is found so.
//
// It is imported from tests only, and needs mksh; toybox is used when it is there.
//
//	guest := guestshelltest.New(t, map[string]string{"input": "", "wm": "echo Physical size: 720x1280"})
//	res, err := guest.Run(ctx, "serial", guestshell.Script{Text: []byte("input tap 1 2\n")})
//	guest.Calls() // [[input tap 1 2]]
package guestshelltest
