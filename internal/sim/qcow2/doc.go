// Package qcow2 is the simulated VMM's virtual disk: a genuine qcow2 version 3 image with the
// header and table offsets that crosvm's disk/src/qcow/mod.rs gives it, so that the runner, qemu-img and qemu-io
// can be pointed at the very file a simulated guest writes to.
//
// Words: a *cluster* is 64 KiB of guest or file space. The *L1 table* points to *L2 tables*,
// which map guest clusters to file clusters. A cluster that is mapped nowhere reads from the
// *backing*, or as zeros. Each used file cluster has the refcount 1; a *leak* is a cluster that
// has a refcount but no user.
//
// A new image holds the header in cluster 0 (free behind the backing path), the L1 table at
// 0x10000, the refcount table at 0x20000 and the first refcount block at 0x30000; everything
// else is appended on demand. The header comes in two styles: [Old] keeps the backing path at
// 0x70, [New] has the "composite" format extension in front of it and the path at 0x88.
//
// Every change goes to the file in the order refcount, data, L2, L1, so an image whose process
// was killed has leaks at worst; the next [Open] takes them back. Open accepts images that
// another program wrote in the same dialect, checked with qemu-img 7.2.
//
// The package refuses version 2, other cluster sizes, compression, encryption, internal
// snapshots, external data files and images with inconsistent tables. It does not open the
// backing file by itself ([Image.SetBacking]) and does not shrink images.
//
//	img, err := qcow2.Create(path, qcow2.Options{Size: 8 << 30, Backing: composite, Style: qcow2.New})
//	...
//	defer img.Close()
//	_, err = img.WriteAt(block, 4096)
package qcow2
