// Package session is the part of the toolbox that keeps shells of the guest open between requests: what
// one command does to the shell (directory, variables, functions) the next one finds.
//
// Words: a session is one long-lived shell of one leased device; its commands run in it one after another,
// so "async" only means that nobody waits. A frame is what the shell reads for one command; a mark is what
// the shell says for itself, or what stands before a line of a log; a dialect is what a client's version of
// Daytona's SDK knows.
//
// Sessions live in the door's memory and end with the lease of their device and with the runner; what
// they held of the guest is left to the guest then. They do not end with their clients. All is bounded:
// sessions, commands, logs, input that waits; what is dropped is counted and said.
//
//	toolbox.Mount(srv, session.New(leases, shell, shells, session.Options{Log: log}).Routes())
package session
