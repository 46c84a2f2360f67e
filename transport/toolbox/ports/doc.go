// Package ports is the part of the toolbox that reaches the guest's TCP ports: which ones listen, and a
// reverse proxy to each.
//
// Words: a port is one of the guest's own loopback, reached through adbd, which connects to it inside the
// guest: no port of the host is opened. A tunnel is a connection whose two sides have agreed to speak
// something else than HTTP (a WebSocket); its bytes pass as they are, so that kinds of messages, close
// codes and extensions do too.
//
// The proxy sends paths and queries on byte for byte and changes nothing of a body. It refuses to hand
// the runner's credentials to the guest, to try a request twice, and to keep a connection for the next
// request: a device that leaves started has no connection that could outlive it.
//
//	toolbox.Mount(srv, ports.New(leases, guest, ports.Options{}).Routes())
package ports
