// Package computer is the part of the toolbox that looks at the device's screen and touches it: Daytona's
// "computer use", for Android.
//
// Words: the pointer is the last point that was touched or moved to, which Android itself does not keep;
// an act is one call's worth of input, done whole before the next one's begins; a device's ways are what
// its input command can do, found out once for as long as the device stays started.
//
// A left click is a tap, a right click a long press; there is no middle button. What is typed is typed
// whole or refused. Pictures are made on the host from raw pixels. All of it is said to the guest's shell;
// subpackages know keys, text, pictures and windows, and run nothing.
//
// Errors of a request are 400 {"error": text} in the words of Daytona's daemon; those of the sandbox and
// its connection look as everywhere else.
//
//	toolbox.Mount(srv, computer.New(leases, guest, computer.Options{}).Routes())
package computer
