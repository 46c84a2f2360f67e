// Package logd is the log of the simulated guest: what its programs say, in Android's buffers.
//
// Words: an [Entry] is one message with who said it; a [Sink] takes entries; a [Log] is a sink that keeps the
// last of each buffer, as many as fit into its size; a position counts all entries ever added, and whoever reads
// holds the one it has come to. A reader that is too slow misses what has gone meanwhile, as logd lets slow
// readers skip.
//
//	log := logd.New()
//	log.Add(logd.Entry{Buffer: logd.Crash, Priority: 'E', PID: pid, Tag: "AndroidRuntime", Text: "FATAL EXCEPTION: main"})
//	entries, at := log.Read(logd.All, 0, 100)
package logd
