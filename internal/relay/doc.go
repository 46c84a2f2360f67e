// Package relay joins two connections that speak what the one between them does not understand.
//
// Words: the client is who asked for the connection; the guest is what it leads to, which knows no half close: it
// is not told that the client has said its last, because closing would drop what it has still to say.
//
//	defer relay.Watch(ctx, hangUp)()
//	relay.Join(client, interrupt, guest)
package relay
