// Package states is the door through which Daytona learns what became of its sandboxes: it lists what
// the API believes of this runner's, and reports what is true instead.
//
// Words: a belief is the state that the API has on record; a report is settled when the API took it or
// will never take it. Deciding what to report, and when, is the crash reporter's part, an actor.
//
//	door := states.New(client, states.Options{Token: token, Log: log})
//	beliefs, err := door.Beliefs(ctx)
//	taken, err := door.Report(ctx, messages.StateReport{ID: "dev1", State: sandbox.Error, Reason: "the device died"})
package states
