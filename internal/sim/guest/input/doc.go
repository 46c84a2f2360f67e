// Package input reads the command line of Android's input command.
//
// [Parse] turns arguments into [Event]s without touching anything; whoever calls it plays them on
// the screen. It knows the syntax of two generations: that of InputShellCommand, which runs inside
// system_server since Android 12, and that of the script before it, which had no keycombination,
// scroll, or options beyond --longpress.
//
// Checked against frameworks/base at the revisions that docs/simulator.md names; no device was at
// hand.
package input
