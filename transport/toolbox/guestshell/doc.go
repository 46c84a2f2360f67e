// Package guestshell is what the toolbox says to the shell of a device's guest, and how: words are quoted
// here, once, and scripts go to the shell's standard input.
//
// Words: a script is what the guest's /system/bin/sh reads on its standard input; the kill script ends
// a whole process group of the guest; a process is a shell of the guest that lives beside its caller.
//
// The package knows mksh and toybox (Android's shell and commands), checked against mksh R59 and toybox
// 0.8.9. Nothing of it ever reaches a shell of the host.
//
//	script := guestshell.Quote([]byte("rm -rf -- "), guestshell.Path(name))
package guestshell
