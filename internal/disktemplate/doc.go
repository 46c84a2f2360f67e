// Package disktemplate keeps what cvd's assembly made of a set of images, so that another device of the same images can be
// given its disks before it boots for the first time.
//
// A device's overlay is kept at a start only beside a composite of the very images, with all that this is made of, and
// with times in the right order; without those assembly deletes all and begins anew. A snapshot's overlay can therefore
// be put into a device that has booted once, or into one for which everything that assembly would look for is made first:
// the composite with the paths of the new device, the parts of it that assembly generates, and the first cluster of a
// fresh overlay. That is a template: some 100 KiB, taken from a device that was stopped after its first boot.
//
// What a template holds depends on versions of Cuttlefish that are not told apart here, so none of it goes by name:
// what is listed in a composite and lies in the device's own directory belongs to it. Whoever uses a template has to see
// after the boot that the disk was kept, and distrusts the template where it was not.
//
//	key, err := templates.Key(ctx, product, hostTools)
//	err = templates.Keep(ctx, key, stopped) // once; then
//	err = templates.Place(ctx, key, fresh)
package disktemplate
