// Package lease gives doors the use of a started device beside its actor: bytes never pass a mailbox.
//
// Words: a lease is granted by the sandbox's actor and ends when the device leaves started, however that
// comes; whoever uses the device then stops, and tells its client why.
//
//	held, err := leases.Take(c)
//	ctx, cancel := context.WithTimeout(held.Context, limit)
//	defer cancel()
//	err = use(ctx, held.Serial)
package lease
