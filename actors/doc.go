// Package actors is the runner's decisions: what may happen to which sandbox, in which order,
// and what is true. It holds the tree of actors and the one way into it, [System.Ask].
//
//	root                 forwards, and knows who is there
//	├── allocator        instance numbers and what the host may still promise
//	├── crashes          tells Daytona what became of sandboxes without its doing
//	└── sb-<sandbox id>  one for each sandbox: its state, its operation, its health tick
//
// Rules that every actor keeps: a mailbox carries decisions, not bytes, and never waits; work
// that takes time runs in a goroutine that mails one private result back; what is started
// finds out what is true before it acts; every question is answered exactly once.
//
// Actors end without touching devices: stopping the runner is no reason to stop Android.
//
// This package and its kernel are the only ones that know Proto.Actor. What it needs of the
// world below it declares itself ([Devices], [Device], [Mappings], [Admission]).
//
//	sys, err := actors.New(actors.Options{Devices: devices, ...})
//	err = sys.Start(ctx)
//	info, err := sys.Ask(ctx, messages.GetSandbox{ID: "dev1"})
package actors
