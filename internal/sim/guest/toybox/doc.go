// Package toybox is the set of commands the simulated Android device has: small ones of its own,
// in the manner of Android's toybox, plus getprop, settings, logcat and the like.
//
// Words: an *applet* is a command; a [Call] is one run of it, with the process's view of the
// files, its three streams and the [System] it runs on. An applet touches nothing else: no host
// file, no host process, no host environment.
//
// Applets stream, and end soon after their Call's context does: streams fail then, and loops look.
// They know the common options, not all; an unknown option is refused as toybox refuses it.
//
//	if run := toybox.Lookup("ls"); run != nil {
//		status := run(&toybox.Call{Ctx: ctx, Args: []string{"ls", "-l"}, Dir: "/", View: view, …})
//	}
package toybox
