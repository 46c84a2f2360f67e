package adb

import (
	"io/fs"
	"time"
)

// FileStat is what a device says about one of its files.
type FileStat struct {
	Mode  fs.FileMode // type and permissions, as Go spells them
	Size  int64       // without stat_v2 only the lowest 32 bits of it
	MTime time.Time   // whole seconds

	// V2 tells that the device has stat_v2 (Android 8 and later), without which the rest is zero.
	V2           bool
	UID, GID     uint32
	Nlink        uint32
	Dev, Ino     uint64
	ATime, CTime time.Time
}

// Entry is one name of a directory. The name is not empty, not "." or "..", and holds neither
// "/" nor NUL, but may be no UTF-8.
type Entry struct {
	Name     string
	FileStat       // of the name itself: links are not followed
	Err      error // why the device could not look at it; FileStat is then zero
}
