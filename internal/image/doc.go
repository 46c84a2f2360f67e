// Package image knows base images, the directories of Android disk images that devices are
// made from, and the product directories that give each disk size its own userdata.
//
// Words: a name is what a user asks for ("android-LATEST", "org/snap", a reference with a
// colon); a [Base] is the directory it stands for, with size, time and inode of each file; a
// product directory has a link to every base file and a blank userdata image of one size, and
// serves all devices of that image and size. A reference is a name with a colon that Daytona made
// up; it is a link to a base image. A hash over its content says whether two hosts have the same image.
//
// Nothing is ever downloaded: Daytona names images as if they were in a registry, and
// [Catalog.Source] finds the local one that is meant.
//
// Base images are immutable while devices use them: Cuttlefish wipes a device at its next
// start when a component of its disk is newer than the composite (assemble_cvd,
// android-cuttlefish base/cvd/cuttlefish/host/commands/assemble_cvd). So the package never
// writes into a base image or a finished product directory; it refuses what has changed, and
// what Cuttlefish would convert in place.
//
//	catalog := image.NewCatalog(h, "/var/lib/cuttlefish/artifacts", "/home/vsoc-01")
//	base, err := catalog.Resolve(ctx, "android-LATEST")
//	productPath, err := catalog.Product(ctx, base, 20)
package image
