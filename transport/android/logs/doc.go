// Package logs is what a device says about itself: its log as it is written, and its bug report.
//
// Words: a record is one message of the log with who wrote it; the backlog is what was there when a stream began; a
// queue lies between the device, which must not be kept waiting because it would drop lines unseen, and the client,
// who may be slow: when it is full, its oldest lines go, and the client is told how many.
//
// The log comes as logcat's binary records, which leave nothing to guess: no line of a message can look like the
// beginning of another. All filters are applied here, so that they mean the same on every release.
//
//	android.Mount(srv, logs.New(kit, guest, logs.Options{}).Routes())
package logs
