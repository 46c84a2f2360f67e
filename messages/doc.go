// Package messages is what the actors are told and what they answer: plain values without
// behaviour. Doors know these and nothing else of the actors.
//
// Words: a command (verb + noun) changes something and is answered with a value, [Done] or an
// error; a query (Get, List, Describe) is answered at once; an event (noun + participle) is
// published and needs no answer. Values are small, copied, never modified after they were
// sent, and hold no secrets, because they are logged. [Lease] alone holds a channel.
//
// Errors are no messages: they come back beside the answer, with a kind of internal/fault.
//
//	info, err := transport.Ask[sandbox.Info](ctx, asker, messages.StartSandbox{ID: id})
package messages
