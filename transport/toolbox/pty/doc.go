// Package pty is the part of the toolbox that keeps terminals of the guest: a shell behind a pseudo
// terminal, to which any number of clients attach over WebSockets.
//
// Words: a terminal is one shell and its clients; it lives from its creation, or from its first client
// when it is lazy, to the shell's end. A client attaches, sees what is printed from then on, and may
// leave; only the shell's end, its deletion, and the end of the device's lease end a terminal. A
// client who does not keep up is sent away.
//
// Terminals live in the door's memory and end with the runner.
//
//	toolbox.Mount(srv, pty.New(leases, shells, pty.Options{Log: log}).Routes())
package pty
