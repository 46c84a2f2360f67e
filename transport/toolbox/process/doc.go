// Package process is the part of the toolbox that runs commands in the guest.
//
// Words: a script is what the guest's shell reads on its standard input; a nonce is a word that a
// command cannot know, by which the script's own lines are told from the command's.
//
// The door keeps nothing between requests.
//
//	toolbox.Mount(srv, process.New(leases, shell, process.Options{MaxOutput: 16 << 20, Log: log}).Routes())
package process
