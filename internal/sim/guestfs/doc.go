// Package guestfs is the file system of the simulated Android device. It lives in a byte range
// of the virtual disk (the userdata partition), so that a snapshot of the disk is a snapshot of
// the guest's files, and putting an older disk back brings the older files back.
//
// Words: the *device* is the byte range. A *region* is one of its two halves; one holds the
// *log*, an append-only row of *records*. A record carries a batch of *operations* (create,
// link, unlink, extent, …) and the file data they speak of. The tree of *nodes* is kept in
// memory, file data is not: a file is a list of *extents* that point into the log. When the
// region is full, or mostly holds data nobody refers to, *compaction* writes the tree to the
// other region and a *superblock* makes that one current.
//
// A change is visible to readers at once and is lost with the FS value until it is flushed: by
// [FS.Sync], or by any call once 4 MiB wait or the oldest change is older than
// [Options].CommitInterval. Whatever a power cut leaves is the tree after some operation at or
// behind the last Sync; a record that was torn is found by its checksum and sequence number and
// dropped with all that follows.
//
// The package refuses what needs a kernel: permissions are stored, not enforced; there are no
// hard links, devices, locks or access times; mounts and special trees belong to the caller.
//
//	dev, err := guestfs.Range(image, userdataOffset, userdataLength)
//	...
//	fsys, err := guestfs.Open(dev, guestfs.Options{})
//	...
//	file, err := fsys.OpenFile("/data/local/tmp/a", os.O_CREATE|os.O_WRONLY, 0o644)
package guestfs
