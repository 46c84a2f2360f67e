// Package capacity measures the host and decides, by arithmetic alone, whether it can promise
// one more sandbox.
//
// Words: a [Reading] is what the host has; a [Budget] is what may be handed out of it; a
// [Claim] is what one sandbox was promised. Memory is reserved by the larger of the promise
// and what the device really holds; CPUs may be promised several times over; disk is promised
// once, although sparse files use less.
//
// The package refuses to keep books: who holds what is the caller's to know and to pass.
//
//	reading, err := meter.Read(ctx)
//	err = capacity.Admit(budget, claims, capacity.Claim{CPUs: 4, MemoryMB: 4096, DiskGB: 20}, 512)
package capacity
