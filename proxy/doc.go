// Package proxy is the door to the screens: a browser that opens the address of a sandbox's port 6080 gets the
// page of its device, the signalling that leads to its video, and nothing else of the host's operator.
//
// Words: a *target* is what a path of the browser stands for; the *connector* is the one module of the page that
// knows how to reach the device, which is ours; a *viewer* is one browser that watches.
//
//	door := proxy.New(leases, actors, operator, proxy.Options{})
//	toolbox.Mount(srv, door.Routes())
//
// The page's own files come from the device, by way of the operator, as they are: a host that is updated brings
// new ones. Video and input pass from browser to device directly and never come here, unless there is no such
// way: then package frames shows the screen over a WebSocket. Nothing is served of a device that is not this
// sandbox's, whatever the request says; no credential and no header of the browser's that the operator does not
// need goes to it.
package proxy
