// Package files is the part of the toolbox that moves files to and from a device and changes them there.
//
// Words: a transfer carries content, a walk looks at many names; each device has a bounded number
// of both at a time, and whoever comes later waits. A relative path begins at the working
// directory, as if a shell stood there.
//
// Shapes and statuses are those of Daytona's daemon, v0.190, which sends most errors without a body: here
// all have one. Answers about directories without end are cut off (see Options), which a header says.
//
//	toolbox.Mount(srv, files.New(leases, devices, shell, files.Options{Log: log}).Routes())
package files
