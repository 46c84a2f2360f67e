// Package activity is the activity manager of the simulated guest: which apps run, and how they start
// and end.
//
// Words: an app *runs* as one process of the guest while it was opened and nobody has ended it, in
// front or not; a *start* is COLD if there was no process, WARM if the process was there without the
// activity, HOT if the activity only came to the front; a *crash* is the end of an app by its own
// fault, which is written to the log and to the *drop box*.
//
//	result, err := m.Start(in, activity.Caller{UID: 2000})
//	m.ForceStop("com.example.app")
//
// What is on the screen is package ui's, what is installed package packages'. Apps have no code: they
// crash when they are told to (an extra "crash", buttons, am crash), and else do what ui shows.
package activity
