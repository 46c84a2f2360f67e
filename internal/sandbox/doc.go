// Package sandbox holds the nouns of the runner: what a sandbox is called, which state it is
// in, what it was promised, and the numbers that follow from its instance number.
//
// Words: a sandbox is what Daytona asks for; a device is the Android that it gets; an
// instance number N is the device's place on the host, from which its ADB port, vsock CID
// and taps follow; a group is what the cvd command line calls it.
//
// The package refuses to do anything: no input or output, no goroutine, standard library only.
//
//	id, err := sandbox.ParseID("dev-1")
//	port := sandbox.Instance(3).ADBPort(6520) // 6522
package sandbox
