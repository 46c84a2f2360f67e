// Package truth compares the simulated guest with the real thing: the same script runs in the
// guest's shell and in Debian's mksh with toybox's applets, which are the sources of Android's
// shell and commands.
//
// It is for tests. A [Script] is run in an empty directory on both sides, so its paths should be
// relative; [Both] returns what each printed and how it ended, [Compare] fails the test where they
// differ. Without mksh or toybox the test is skipped.
//
//	truth.Compare(t, truth.Script{Text: "wc -l f", Files: map[string]string{"f": "a\nb\n"}})
//
// What Debian builds otherwise is evened out: the marks E: and W: before the shell's messages, and
// the shell's name.
package truth
