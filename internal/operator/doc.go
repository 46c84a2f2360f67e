// Package operator speaks to the Cuttlefish operator, the service of the host that lists devices, hands out
// their pages, and carries the signalling between browsers and devices.
//
// Words: a device is known by its device id; its file is one of the page that the device itself serves; to
// connect is to open the signalling by WebSocket, which operators before 1.50 lack; a polled connection is the
// same by requests.
//
//	client, err := operator.New(operator.Options{URL: "http://127.0.0.1:1080"})
//	resp, err := client.File(ctx, "dev-1", "client.html", "", nil)
//
// The operator has no authentication and no names in its certificate: over TLS it is known by the fingerprint
// of that certificate alone. What it answers, it says for the devices of all tenants: its callers decide what
// of it may pass. Routes and bodies were read from and run against android-cuttlefish 0.9.26 to 1.55.
package operator
