// Package snapshot keeps the data of devices: directories from which a device comes back, on this host or another.
//
// Words: a *snapshot* is a directory <artifacts>/snapshots/<org>/<name> with a manifest, the saved files of one device
// below instance_data/, and the base images as links. *Taking* one copies the files of a device that is stopped,
// or paused, or running (the disk is then what a power cut would leave), aside, and publishes it by a rename: it is
// there whole or not at all. *Grafting* puts the saved files into the place of those of a fresh device of the same
// images, which is stopped. *Mending* gives a snapshot of this host back what it has lost. *Pushing* sends one to the bucket
// that hosts share, where its name is *claimed* meanwhile, and *pulling* fetches one. The layout is the specification's; the files that it lacks are cuttlefish's (see
// savedFiles).
//
// What a manifest says is checked before anything is written: names come from a fixed list, sizes and digests are
// compared with the files, fields that are not known are kept. A manifest with the specification's fields alone is
// taken; it is unverified, and what is missing is added when it is written again.
//
// The package starts and stops nothing: who owns the device does, and says when it is quiet.
//
//	s := snapshot.New(host, "/var/lib/cuttlefish/artifacts")
//	m, err := s.Take(ctx, "acme/golden", source, report)
//	err = s.Graft(ctx, dir, m, instanceDir)
package snapshot
