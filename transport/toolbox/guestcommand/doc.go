// Package guestcommand says commands of Android (am, pm, cmd, settings, input …) to the shell of a device's
// guest and judges what they answer: many of them fail with exit code 0, so their words count as well.
//
// Words: a command is one line of shell, with its words quoted by [Line]; a [Refusal] is a device that was
// reached and said no.
//
//	c := guestcommand.Commander{Shell: shell}
//	err := c.Run(ctx, serial, guestcommand.Line("am", "force-stop", name))
//
// Every call is bounded by its context and in what it keeps of the output.
package guestcommand
