// Package proctable finds and ends processes of the simulated host, never by name: by the path of
// their executable, by the files they hold open, or by pid and start time together.
//
// Words: an [ID] is a pid with the start time of its process, which no two processes share. A
// *holder* is a process that has a file below a directory open, or works in one.
//
// The package refuses to signal a pid whose process is not the one that was seen.
//
//	for _, p := range proctable.Below(root.Dir) { p.Signal(unix.SIGKILL) }
package proctable
