// Package operator is the simulated host operator of Cuttlefish: the HTTP service that lists devices, serves
// their pages and passes signaling between browsers and devices. Media never passes it.
//
// Words: a *device* is an entry of the list; it lives exactly as long as its *link*, the connection over which
// a webRTC process has registered. A *client* is a viewer: a WebSocket or a *polled connection*, with a number
// that counts from 1 per registration. *Pre-registration* is what cvd tells of a device before it registers.
// The *desk*, below /sim, is for whoever runs the simulator: faults and a record of requests.
//
// A [Hub] is the state and the HTTP handler; a [Service] is a hub with its sockets, as the process has it.
//
//	hub := operator.New(operator.Options{})
//	device, err := hub.Register(operator.Registration{ID: "cvd-1", Info: info}, link)
//	http.Serve(listener, hub)
package operator
