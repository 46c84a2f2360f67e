// Package daytona is a double of Daytona's control plane as a runner meets it: the job queue, the
// healthcheck, the list of sandboxes, and the few routes that the public SDKs and Daytona's proxy ask. It is made after
// recordings of Daytona v0.190.0 (called "new") and the sources of 6 February 2026 ("feb"), never after
// our own client, so that the two do not share a mistake.
//
// Words: the *API* is what a runner and an SDK see, below /api. The *desk*, below /sim, has no
// counterpart in Daytona: there a person or a test *orders* jobs, reads the *record* of each, and sets
// *faults*. A *violation* is something that a good runner never does. A job is *open* until it is
// COMPLETED or FAILED, and *settled* then.
//
// Time is computed, not run: each request first applies what has become due since the last one, and a
// waiting request wakes for what becomes due next. There is no goroutine besides those of the requests.
// The API's own limits are divided by Options.Scale; what a caller asks for (the timeout of a poll, a
// slow answer) is not. Every store has a bound; old settled things make room for new ones.
//
// It refuses to listen on anything but loopback: the desk has no password.
//
//	server := daytona.New(daytona.Options{Token: "demo-token"})
//	listener, err := daytona.Listen("127.0.0.1:3000")
//	err = server.Serve(ctx, listener)
package daytona
