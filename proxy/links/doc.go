// Package links hands out links to the display of one sandbox, for people who have no token: signed, with an end,
// and revocable.
//
// Words: a *link* is the right, a *token* is how it is written in an address; the *book* knows the links that were
// handed out and not revoked.
//
//	link, err := book.Make(ctx, "dev-1", time.Hour, "for Ann")
//	book.Token(link) // "k5zn…", forty letters and digits, fit for a host name
//	link, until, err := book.Open(ctx, token)
//
// A token is the number of its link and a signature over number, sandbox and end, made with a key that is derived
// from the runner's own token: with another one all links end. Revoked links are those that are no longer in the
// sandbox's file, which goes with the sandbox.
package links
