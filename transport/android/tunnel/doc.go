// Package tunnel reaches a device from elsewhere: where its ADB is, and connections to it and to its TCP ports as
// WebSockets.
//
// Words: a tunnel is one WebSocket whose binary messages, both ways, are the bytes of one connection; where a
// message ends means nothing. Through adb/tunnel passes the transport protocol itself: the client's adb greets the
// device and proves its key to it, the runner only carries. Through tcp/{port} passes whatever the port speaks.
//
// A tunnel lives on a lease: it ends when the device leaves started, and says why. Each direction waits for its
// reader, and holds 128 KiB at most.
//
//	android.Mount(srv, tunnel.New(actors, leases, devices, tunnel.Options{}).Routes())
package tunnel
