// Package guestfiles is what the toolbox does with the files of a device: content goes over ADB's
// sync service, names are changed by scripts of the guest's shell, and no content is ever whole in memory.
//
// Words: a part is a file on its way to the device, under a name of its own next to the final one,
// which it takes when it is there and complete; a leftover is a part whose upload was cut off so hard that
// nobody removed it. The next upload to its directory does.
//
// Paths are absolute, clean, and given by [Clean]. The package knows no HTTP. Its scripts were checked against
// mksh R59 and toybox 0.8.9.
//
//	files := guestfiles.New(device, shell, serial)
//	n, err := files.Put(ctx, "/sdcard/a.txt", body)
package guestfiles
