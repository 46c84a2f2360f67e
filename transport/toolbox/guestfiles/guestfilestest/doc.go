// Package guestfilestest is a device whose files are those of the machine that tests, with the manners of adbd's sync
// service: modes are widened, directories are made, what is no file is opened all the same.
//
//	disk := &guestfilestest.Disk{}
//	disk.Cut = func(op, _ string) (int64, bool) { return 1 << 20, op == "recv" }
package guestfilestest
