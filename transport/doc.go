// Package transport is the kit that the runner's HTTP doors are built from: a server on
// fasthttp, route tables, the token, error answers in Daytona's shape, request ids, metrics,
// and [Ask], which puts a question to the actors.
//
// Words: a door is a package that offers routes; a [Route] is one row of its table; a mount is
// a table below a prefix. A handler is a translation: it decodes, validates, asks once, encodes.
// It returns its error, and the kit decides how the error looks.
//
// What is sharp about fasthttp is met here, once. A request's memory is reused as soon as its
// handler returns, so whatever goes into a message is a copy. A panic would end the process, so
// handlers and stream writers are recovered. Bodies are bounded before they are read. Ids are
// decoded once and checked by a grammar. Nothing is ever redirected.
//
// The package refuses to know any route, any message and any actor.
//
//	srv, err := transport.New(transport.Options{Addr: ":3107", Token: token, Log: log})
//	srv.Mount("", runnerapi.Routes(asker, options))
//	err = srv.Listen(ctx) // fails at once when the port is taken
//	err = srv.Serve(ctx)  // until ctx ends and the requests in flight are answered
package transport
