// Package vfs is what the simulated Android device sees as its file tree.
//
// Three things make it up: the *disk* (a guestfs in the virtual disk's userdata range) holds
// /data and /storage; the *image* is a small read-only tree in memory (/system, /dev, links such
// as /sdcard); *generated* directories (/proc) are made anew at each look. A [View] is the tree as
// one user sees it: it resolves links across all three and enforces owner, group and mode, which
// the disk only stores.
//
// Nothing here knows the host: a path is a string that is looked up in these three places and
// nowhere else. The package refuses hard links, special files on the disk and mounts by the guest.
// Errors are *fs.PathError with a syscall.Errno; [Reason] words them as bionic's strerror does.
//
//	tree := vfs.New(vfs.OnDisk(fsys), vfs.Dir(0o755, map[string]*vfs.Node{"system": system}))
//	view := tree.As(vfs.Cred{UID: 2000, GID: 2000})
//	file, err := view.Open("/sdcard/a.txt", os.O_RDONLY, 0)
package vfs
