// Package device is one Android device as a whole: its record, its cvd group, its processes,
// its ADB connection, and what it takes to boot, halt, look at and remove it.
//
// Words: a record is what the ledger keeps of a device; a launch is the cvd process that
// boots it; a phase is a step of the boot that can be checked from outside; leftovers are what
// a device or a failed launch leaves on the host.
//
// Every operation begins with what is there and carries on from it: a create that finds its
// launch under way waits for it, a destroy that finds half the device gone removes the other
// half. Doing the same again is therefore always right, and is what a runner does that comes
// back from a crash. The record is written before the act that it describes.
//
// The package refuses to decide: which operation is lawful when, and which number a device
// gets, is for package actors.
//
//	devices, problems, err := device.Load(ctx, device.Options{...})
//	d := devices.Open("dev1", onADBChange)
//	err = d.Create(ctx, 1, spec, report)
package device
