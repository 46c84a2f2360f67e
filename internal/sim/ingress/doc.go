// Package ingress is a double of Daytona's proxy, which stands between users and a runner: browsers that
// open a port of a sandbox, and SDKs that call its toolbox. It is made after what was read and recorded of
// Daytona v0.190.0, never after our own runner, so that the two do not share a mistake.
//
// Words: a request comes in the *host form*, `<port>-<label>.<anything>/path`, where the label is a
// sandbox's id or a *signed token*, or in the *toolbox form*, `/toolbox/<id>/path`. The *API* is the control
// plane that says who may pass and where the sandbox's runner is; package daytona is its double. A *fault*
// is another manner of the real thing: that of an older release, or of a bad day.
//
// It decides nothing that the API has to decide, and remembers only where a runner is, for two minutes. It
// refuses to listen on anything but loopback: everybody could take a fault back.
//
//	proxy := ingress.New(ingress.Options{APIURL: "http://127.0.0.1:3000/api", Key: "demo-proxy-key"})
//	listener, err := ingress.Listen("127.0.0.1:4000")
//	err = proxy.Serve(ctx, listener)
package ingress
