// Package archive knows the archives in which apps travel that consist of several APKs: .apks of bundletool and of
// backup tools, .xapk and .apkm. It chooses what of one a device needs.
//
// Words: a part is an APK of the archive; a plan is the parts that are to be installed together, the base first; a split
// is a part beside the base, for one ABI, density or language, or with a feature.
//
//	plan, err := archive.Choose(z, archive.Device{ABIs: []string{"x86_64", "x86"}, Density: 320})
//
// What is chosen: universal.apk where there is one. Else the base of every module, the split of the first ABI that the
// device has, the split of the density next above the device's, and all languages and features, since nothing can be
// fetched later. Of several variants of an .apks for releases of Android, the one without a number, which runs on all.
//
// Archives come from strangers. Names are never used as paths, sizes are those that were read, and what unpacks to
// more than it may is refused before anything is unpacked.
package archive
