// Package assemble is the simulated assemble_cvd: it prepares the disks of an instance before each
// start, and above all decides what of the last run is kept.
//
// Words: I is the instance directory, A the assembly directory of its group. The *composite*
// (os_composite.img) says from which files the read-only OS disk is put together; the *overlay*
// (overlay.img) is a qcow2 image over it and takes everything the guest writes. A *component* is one
// of those files. The *preserve set* is the files that survive a start.
//
// The rules are those of AC = google/android-cuttlefish, base/cvd/cuttlefish/host/commands/assemble_cvd,
// with their defects. A composite that is older than a component is rebuilt, and then
// everything is wiped; an overlay that is older than its composite is made anew. From 1.38 on the
// files metadata and misc are missing from the preserve set, so they are new after every start and
// the start after that wipes the device, unless the composite was touched in between.
//
// A snapshot of a group's memory is restored without a wipe or not at all.
//
// The package refuses Android-sparse images, more than one instance and OpenWrt's disks.
//
//	res, err := assemble.Run(assemble.Config{Instance: 1, Home: home, Product: dir, ...})
package assemble
