// Package forward brings a tunnel to this machine: it listens on a local port, and each connection to it becomes a
// WebSocket of its own to the runner, or to Daytona's proxy in front of it.
//
// Words: a [Target] is the tunnel's URL with the token for it. What passes is not looked at. A connection that
// breaks is not made again: whoever connects (adb does) tries again itself.
//
//	err := forward.Serve(ctx, listener, forward.Target{URL: url, Token: token}, complain)
package forward
