// Package kernel is the thin layer between the runner's actors and Proto.Actor. The library
// is frozen upstream, so what it does wrong under load or failure is put right here, once:
//
//   - [Ref.Ask] is an envelope with a one-slot reply channel. The library's futures race when
//     a reply meets the time-out, and hear nothing of a panic.
//   - A receive middleware unwraps the envelope, answers the asker when Receive panics or
//     forgets to, and panics again so that supervision still acts.
//   - Mailboxes reject when they are full or their actor is down. The library's bounded
//     mailboxes spin.
//   - The supervision strategy backs off exponentially, and shows an actor that keeps failing
//     as lost instead of stopping it.
//   - [System.Stop] ends the tree from the leaves, answers who still waits, and has a limit.
//
// Words: a ref is an actor's address with its vital signs; a turn is one call of Receive; the
// asker is who waits for the answer of this turn.
//
// The package knows no sandbox and no message of the runner. Checked against protoactor-go
// v0.0.0-20240822202345 by its tests, which run the real library.
//
//	ref, err := kernel.Spawn(ctx, kernel.Spec{Name: "sb-dev1", Kind: "sandbox", New: newSandbox})
//	answer, err := ref.Ask(requestCtx, messages.GetSandbox{ID: "dev1"})
package kernel
