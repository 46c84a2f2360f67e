// Package runnerapi is the door that Daytona's API knocks at: the REST routes of a Daytona
// runner that create, start, stop, show and destroy sandboxes, and a few of our own that are
// useful with nothing but curl (the list, adb/info).
//
// Words: a DTO is what goes over the wire, with the names of Daytona's runner
// (daytona: apps/runner/pkg/api/dto); an item is a sandbox as the list shows it.
//
// The door checks and translates. Whether something is lawful now is decided by the actors.
//
//	srv.Mount("", runnerapi.Routes(asker, runnerapi.Options{Version: version, Host: domain}))
package runnerapi
