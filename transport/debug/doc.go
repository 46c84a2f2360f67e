// Package debug is the door for operators: the tree of actors, Go's profiles, and the metrics.
// All of it needs the token.
//
// Words: the tree is what the actors say of themselves; one that does not answer is shown as
// busy rather than left out.
//
// The door only looks. It changes nothing and restarts nobody.
//
//	srv.Mount("", debug.Routes(asker, debug.Options{Registry: registry}))
package debug
